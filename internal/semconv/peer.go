package semconv

import (
	"net"

	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// peer is the peer of a TCP connection, as spans have it. Formatting an address takes
// as much code as all other attributes of a response.
type peer struct {
	ip         [net.IPv6len]byte
	size, port int
	attributes []attribute.KeyValue
}

// AppendPeer appends the attributes of a connection's peer. nil is no address.
func (c *Describer) AppendPeer(a []attribute.KeyValue, addr net.Addr) []attribute.KeyValue {
	t, ok := addr.(*net.TCPAddr)
	if !ok || t == nil || t.Zone != "" || len(t.IP) == 0 || len(t.IP) > net.IPv6len {
		return c.appendPeer(a, addr)
	}
	slot := &c.peers[uint(t.Port+int(t.IP[len(t.IP)-1]))%uint(len(c.peers))]
	p := slot.Load()
	if p == nil || p.port != t.Port || string(p.ip[:p.size]) != string(t.IP) {
		p = &peer{size: len(t.IP), port: t.Port, attributes: c.appendPeer(nil, t)}
		copy(p.ip[:], t.IP)
		slot.Store(p)
	}
	return append(a, p.attributes...)
}

func (c *Config) appendPeer(a []attribute.KeyValue, addr net.Addr) []attribute.KeyValue {
	if addr == nil {
		return a
	}
	first := len(a)
	if address, port := hostport.Peer(addr); address != "" {
		a = append(a, std.NetworkPeerAddress(address))
		if port != 0 {
			a = append(a, std.NetworkPeerPort(port))
		}
		if c.OldNames {
			a = appendOld(a, a[first:])
		}
	}
	if c.Attributes&Transport != 0 {
		if transport := hostport.Network(addr); transport != "" {
			a = append(a, std.NetworkTransportKey.String(transport))
		}
	}
	return a
}
