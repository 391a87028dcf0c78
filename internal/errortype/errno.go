//go:build !plan9

package errortype

import "syscall"

// Windows' sockets have their own error numbers. Package syscall's ECONNREFUSED and
// so on are placeholders there that sockets never return, and most of the real
// numbers have no name in it. Other systems have no numbers this high, so these
// constants need no file for Windows.
const (
	wsaEADDRNOTAVAIL = syscall.Errno(10049)
	wsaENETUNREACH   = syscall.Errno(10051)
	wsaENETRESET     = syscall.Errno(10052)
	wsaECONNABORTED  = syscall.Errno(10053)
	wsaECONNRESET    = syscall.Errno(10054)
	wsaESHUTDOWN     = syscall.Errno(10058)
	wsaETIMEDOUT     = syscall.Errno(10060)
	wsaECONNREFUSED  = syscall.Errno(10061)
	wsaEHOSTUNREACH  = syscall.Errno(10065)
)

// The operating system's errors by class.
var (
	// Other time-outs have a Timeout method that returns true.
	timedOut = []error{wsaETIMEDOUT}

	notConnected = []error{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL,
		wsaECONNREFUSED, wsaEHOSTUNREACH, wsaENETUNREACH, wsaEADDRNOTAVAIL,
	}

	disconnected = []error{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
		wsaECONNRESET, wsaECONNABORTED, wsaENETRESET, wsaESHUTDOWN,
	}
)
