package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// endSockets ends the TCP sockets of this network namespace whose peer is at
// that address (SOCK_DESTROY, Linux 4.5): their owners see the connection
// aborted. It returns how many there were.
func endSockets(peer netip.AddrPort) (int, error) {
	family := uint8(unix.AF_INET6)
	if peer.Addr().Is4() {
		family = unix.AF_INET
	}
	all, err := netlink.SocketDiagTCP(family)
	if err != nil {
		return 0, fmt.Errorf("list sockets: %w", err)
	}
	n := 0
	var errs []error
	for _, s := range all {
		remote, ok := netip.AddrFromSlice(s.ID.Destination)
		if !ok || remote.Unmap() != peer.Addr() || s.ID.DestinationPort != peer.Port() {
			continue
		}
		switch err := destroy(s); {
		case err == nil:
			n++
		case !errors.Is(err, unix.ENOENT): // it has ended by itself
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

// destroyRequest is struct inet_diag_req_v2 (linux/inet_diag.h), which names one
// socket.
type destroyRequest struct{ s *netlink.Socket }

func (r destroyRequest) Len() int { return 56 }

func (r destroyRequest) Serialize() []byte {
	b := make([]byte, r.Len())
	id := &r.s.ID
	b[0], b[1] = r.s.Family, unix.IPPROTO_TCP
	binary.LittleEndian.PutUint32(b[4:], 1<<r.s.State)
	binary.BigEndian.PutUint16(b[8:], id.SourcePort)
	binary.BigEndian.PutUint16(b[10:], id.DestinationPort)
	source, destination := id.Source.To16(), id.Destination.To16()
	if r.s.Family == unix.AF_INET {
		source, destination = id.Source.To4(), id.Destination.To4()
	}
	copy(b[12:], source)
	copy(b[28:], destination)
	binary.NativeEndian.PutUint32(b[44:], id.Interface)
	binary.NativeEndian.PutUint32(b[48:], id.Cookie[0])
	binary.NativeEndian.PutUint32(b[52:], id.Cookie[1])
	return b
}

func destroy(s *netlink.Socket) error {
	const sockDestroy = 21 // SOCK_DESTROY, linux/sock_diag.h
	req := nl.NewNetlinkRequest(sockDestroy, unix.NLM_F_ACK)
	req.AddData(destroyRequest{s})
	if _, err := req.Execute(unix.NETLINK_INET_DIAG, 0); err != nil {
		return fmt.Errorf("end the socket from port %d: %w", s.ID.SourcePort, err)
	}
	return nil
}
