//go:build !plan9

package errortype

import "syscall"

// Windows' sockets have error numbers of their own. What package syscall calls
// ECONNREFUSED and so on there are invented numbers, which no socket returns,
// and most of the real ones have no name in it. No other system has numbers so
// high, so they need no file of their own.
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

// The meaning of the operating system's errors.
var (
	// The others have a Timeout method that returns true.
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
