package defaultroute

import (
	"net/http"
	"sync"
	"testing"
)

// The test fails when net/http no longer has the fields that package
// defaultroute reads. Checked on Go 1.26 and 1.27.
func TestRegistryOfNetHTTP(t *testing.T) {
	transport, first, second := new(http.Transport), http.NewFileTransport(http.Dir("/")), http.NewFileTransport(http.Dir("."))
	if got := registeredProtocols(transport); len(got) != 0 {
		t.Errorf("protocols of a fresh transport: got %v, want none", got)
	}
	transport.RegisterProtocol("file", first)
	if got := registeredProtocols(transport)["file"]; got != first {
		t.Errorf("registered: got %v, want %v", got, first)
	}
	replaceProtocol(transport, "file", second)
	if got := registeredProtocols(transport)["file"]; got != second {
		t.Errorf("replaced: got %v, want %v", got, second)
	}
	replaceProtocol(transport, "other", second)
	if got := registeredProtocols(transport)["other"]; got != nil {
		t.Errorf("replaced, never registered: got %v, want nothing", got)
	}
}

func TestRegistryToleratesOtherFields(t *testing.T) {
	transport := new(http.Transport)
	if got := unexportedField[sync.Mutex](transport, "noSuchField"); got != nil {
		t.Errorf("absent field: got %p, want nil", got)
	}
	if got := unexportedField[sync.RWMutex](transport, "altMu"); got != nil {
		t.Errorf("field of another type: got %p, want nil", got)
	}
}
