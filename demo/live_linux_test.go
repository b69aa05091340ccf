package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/lab"
)

// openPTY opens a terminal of our own.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// screen collects what is written to the terminal.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) from(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// shows waits until the screen has shown text.
func (s *screen) shows(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(s.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the screen never showed %q", text)
		}
	}
}

// Keys flip, Ctrl-C ends, and the terminal is as it was before.
func TestKeysOnATerminal(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		master, slave := openPTY(t)
		before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		var scr screen
		go scr.from(master)
		type result struct {
			r   *Report
			err error
		}
		done := make(chan result, 1)
		go func() {
			r, err := Run(t.Context(), Options{Lab: l, In: slave, Out: slave, Interval: 20 * time.Millisecond})
			done <- result{r, err}
		}()
		press := func(keys string) {
			if _, err := master.WriteString(keys); err != nil {
				t.Error(err)
			}
		}
		scr.shows(t, "pod_xdp_pass")
		press("d")
		scr.shows(t, "pod_xdp_drop")
		press(" ")
		scr.shows(t, "2; the last at")
		press("\x03")
		res := <-done
		if res.err != nil {
			t.Fatal(res.err)
		}
		if err := res.r.Err(); err != nil {
			t.Errorf("%v\n%s", err, res.r.Text())
		}
		if n := len(res.r.Flips); n != 2 {
			t.Errorf("%d flips, want 2", n)
		}
		scr.shows(t, "result  good")
		if !strings.Contains(scr.String(), "\x1b[?25h\x1b[?1049l") {
			t.Error("the cursor or the ordinary screen did not come back")
		}
		after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if *after != *before {
			t.Errorf("terminal settings %+v, before %+v", *after, *before)
		}
	})
}

// A panic beside the run's goroutine puts the terminal back before it goes on.
func TestViewClosesOnPanic(t *testing.T) {
	_, slave := openPTY(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	v, err := openLive(&Options{In: slave, Out: slave}, make(chan struct{}))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{view: v}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = r.guarded(func() error { panic("oops") })
	}()
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *after != *before {
		t.Error("the terminal stayed in raw mode")
	}
}
