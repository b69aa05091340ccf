//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func inCgroup(fd int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
}

// childMain is what the test binary does as a child.
func childMain(what string) error {
	f, ok := map[string]func() error{
		"exit":    func() error { return nil },
		"udp":     childUDP,
		"udpmany": childUDPMany,
		"tcp":     childTCP,
		"sockopt": childSockopt,
		"sysctl":  childSysctl,
		"device":  childDevice,
		"unix":    childUnix,
		"open":    childOpen,
	}[what]
	if !ok {
		return fmt.Errorf("no such child %q", what)
	}
	return f()
}

// childDatagrams is how many childUDPMany sends.
const childDatagrams = 20000

func loopbackPair() (*net.UDPConn, *net.UDPConn, error) {
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	b, err := net.DialUDP("udp4", nil, a.LocalAddr().(*net.UDPAddr))
	return a, b, err
}

func childUDP() error {
	a, b, err := loopbackPair()
	if err != nil {
		return err
	}
	if _, err := b.Write([]byte("hello")); err != nil {
		return err
	}
	buf := make([]byte, 16)
	_, from, err := a.ReadFromUDP(buf)
	if err != nil {
		return err
	}
	_, err = a.WriteToUDP(buf[:1], from)
	return err
}

func childUDPMany() error {
	_, b, err := loopbackPair()
	if err != nil {
		return err
	}
	for range childDatagrams {
		if _, err := b.Write([]byte("hello")); err != nil {
			return err
		}
	}
	return nil
}

func childTCP() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	s, err := l.Accept()
	if err != nil {
		return err
	}
	go func() { s.Write([]byte("x")); s.Close() }()
	_, err = io.ReadAll(c)
	return err
}

func childSockopt() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		return err
	}
	_, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return err
}

func childSysctl() error {
	_, err := os.ReadFile("/proc/sys/kernel/ostype")
	return err
}

func childDevice() error {
	f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return err
}

func childUnix() error {
	l, err := net.Listen("unix", "@skep-kernel-test")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("unix", "@skep-kernel-test")
	if err == nil {
		c.Close()
	}
	return err
}

func childOpen() error {
	f, err := os.Open("/proc/self/stat")
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("refused: %w", err)
	}
	if err == nil {
		f.Close()
	}
	return err
}
