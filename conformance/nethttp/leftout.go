package main

// leftOut are the tests that are left out of every run.
var leftOut = []struct{ pkg, name, reason string }{
	{"net/http", "TestTransportCancelRequest/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportCancelRequestInDo/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportCancelRequestWithBodyInDo/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportCancelRequestInDial/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportCancelRequestWithBody/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportCancelRequestBeforeResponseHeaders/h1/TransportCancel/TransportCancel", cancelRequest},
	{"net/http", "TestTransportAndServerSharedBodyRace/h1", cancelRequest + "; the test does not end"},
	{"net/http", "TestOmitHTTP2", "it starts all of net/http's tests again in another process, those left out here included"},
	{"net/http/httputil", "TestReverseProxyCancellation", cancelRequest},
}

const cancelRequest = "the deprecated http.Transport.CancelRequest goes by the request's identity, and base gets a copy"
