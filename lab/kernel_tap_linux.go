package lab

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// kernelTap reads what leaves both ends of a veth pair from packet sockets,
// each inside its end's namespace.
type kernelTap struct {
	socks   [2]int
	wake    int // eventfd: stop
	deliver func(f tapped)
	done    chan struct{}
	// arrived are the frames that came to each socket until stop was called,
	// read those taken from it; both count around.
	arrived [2]atomic.Uint32
	read    [2]uint32

	pending []tapped
	free    [][]byte
	buf     []byte
	oob     []byte
	err     error
}

// tapBuffer is the room for frames that wait to be read, in bytes per end.
const tapBuffer = 16 << 20

func (k *kernelWire) tap(deliver func(f tapped)) (func() (uint64, error), error) {
	t := &kernelTap{
		socks: [2]int{-1, -1}, wake: -1, deliver: deliver, done: make(chan struct{}),
		buf: make([]byte, 1<<17), oob: make([]byte, 256),
	}
	var err error
	if t.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	for end, s := range k.at {
		err := s.ns.do(func() (err error) {
			t.socks[end], err = packetSocket(k.index[end])
			return err
		})
		if err != nil {
			t.close()
			return nil, fmt.Errorf("packet socket on %s: %w", k.dev[end], err)
		}
	}
	go t.run()
	return t.stop, nil
}

// packetSocket opens a socket for the frames that leave a device.
func packetSocket(index int) (int, error) {
	// Without a protocol nothing arrives until the socket is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapBuffer},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, outgoingOnly()); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

// outgoingOnly is the classic BPF program "packet type is outgoing": the
// other end's socket reports what arrives here, before XDP could drop it.
func outgoingOnly() *unix.SockFprog {
	const packetType = 0xfffff000 + 4 // SKF_AD_OFF + SKF_AD_PKTTYPE
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: packetType},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.PACKET_OUTGOING},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
}

// settle is the time after which a frame with an older time stamp is surely
// in its socket's queue.
const settle = time.Millisecond

func (t *kernelTap) run() {
	defer close(t.done)
	for {
		timeout := -1
		if len(t.pending) > 0 {
			timeout = int(settle / time.Millisecond)
		}
		fds := []unix.PollFd{
			{Fd: int32(t.socks[0]), Events: unix.POLLIN},
			{Fd: int32(t.socks[1]), Events: unix.POLLIN},
			{Fd: int32(t.wake), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
			t.err = fmt.Errorf("poll: %w", err)
			return
		}
		before := time.Now().Add(-settle)
		stopping := fds[2].Revents != 0
		for end := range t.socks {
			enough := func(at time.Time) bool { return at.After(before) }
			if stopping {
				enough = func(time.Time) bool { return t.read[end] == t.arrived[end].Load() }
			}
			if err := t.drain(end, enough); err != nil {
				t.err = err
				return
			}
		}
		if stopping {
			t.flush(time.Time{})
			return
		}
		t.flush(before)
	}
}

// drain reads a socket until it is empty or a frame's time is enough.
func (t *kernelTap) drain(end int, enough func(at time.Time) bool) error {
	for !enough(time.Time{}) {
		f, ok, err := t.receive(end)
		if err != nil || !ok {
			return err
		}
		t.read[end]++
		t.pending = append(t.pending, f)
		if enough(f.at) {
			return nil
		}
	}
	return nil
}

func (t *kernelTap) receive(end int) (tapped, bool, error) {
	n, oobn, _, _, err := unix.Recvmsg(t.socks[end], t.buf, t.oob, unix.MSG_TRUNC)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return tapped{}, false, nil
	case errors.Is(err, unix.EINTR):
		return t.receive(end)
	case errors.Is(err, unix.ENETDOWN):
		// Told once when the device goes down; what was queued is still there.
		return tapped{}, false, nil
	case err != nil:
		return tapped{}, false, fmt.Errorf("read packet socket: %w", err)
	}
	f := tapped{from: end, size: n}
	var buf []byte
	if k := len(t.free); k > 0 {
		buf, t.free = t.free[k-1], t.free[:k-1]
	}
	f.data = append(buf[:0], t.buf[:min(n, len(t.buf))]...)
	aux := parseControl(t.oob[:oobn])
	f.at = aux.at
	if f.at.IsZero() {
		f.at = time.Now()
	}
	if aux.vlan && len(f.data) >= 12 {
		f.data = slices.Insert(f.data, 12, byte(aux.tpid>>8), byte(aux.tpid), byte(aux.tci>>8), byte(aux.tci))
		f.size += vlanTag
	}
	return f, true, nil
}

// flush delivers the pending frames up to a time, in order; the zero time means
// all.
func (t *kernelTap) flush(until time.Time) {
	slices.SortStableFunc(t.pending, func(a, b tapped) int { return a.at.Compare(b.at) })
	n := 0
	for ; n < len(t.pending) && (until.IsZero() || !t.pending[n].at.After(until)); n++ {
		t.deliver(t.pending[n])
		if len(t.free) < keptBuffers {
			t.free = append(t.free, t.pending[n].data)
		}
	}
	t.pending = append(t.pending[:0], t.pending[n:]...)
}

// stop delivers what left the devices until now and ends the tap.
func (t *kernelTap) stop() (uint64, error) {
	var lost uint64
	var errs []error
	for end, fd := range t.socks {
		// Counted as a frame is queued, by whoever sends it.
		s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			errs = append(errs, fmt.Errorf("count frames: %w", err))
			continue
		}
		t.arrived[end].Store(s.Packets - s.Drops)
		lost += uint64(s.Drops)
	}
	// An eventfd with room takes 8 bytes.
	if _, err := unix.Write(t.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		return 0, fmt.Errorf("stop tap: %w", err)
	}
	<-t.done
	t.close()
	return lost, errors.Join(append(errs, t.err)...)
}

func (t *kernelTap) close() {
	for _, fd := range append(t.socks[:], t.wake) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
