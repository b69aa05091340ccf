package demo

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// live is the view on a terminal: a picture on the alternate screen, keys read
// in raw mode. close puts the terminal back as it was.
type live struct {
	out    *os.File
	color  bool
	script bool // keys do not flip
	key    chan key
	stop   chan struct{}
	once   sync.Once

	in      *os.File
	old     *term.State   // nil: not in raw mode
	reading chan struct{} // closed when no key is read any more
}

func openLive(o *Options, done <-chan struct{}) (*live, error) {
	l := &live{
		out: o.Out.(*os.File), color: !o.NoColor, script: o.Script != nil,
		key: make(chan key), stop: make(chan struct{}), in: o.In,
	}
	if isTerminal(l.in) {
		old, err := term.MakeRaw(int(l.in.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		l.old, l.reading = old, make(chan struct{})
		go l.readKeys(done)
	}
	// Alternate screen, no cursor.
	if _, err := l.out.WriteString("\x1b[?1049h\x1b[?25l\x1b[2J"); err != nil {
		l.close()
		return nil, fmt.Errorf("write view: %w", err)
	}
	return l, nil
}

func (l *live) every() time.Duration { return 100 * time.Millisecond }
func (l *live) keys() <-chan key     { return l.key }

// close waits until nobody reads keys, where reads can be ended: who opened
// the terminal may then close it.
func (l *live) close() {
	l.restore()
	if l.reading != nil && readsEnd {
		<-l.reading
	}
}

func (l *live) restore() {
	l.once.Do(func() {
		close(l.stop)
		_, _ = l.out.WriteString("\x1b[?25h\x1b[?1049l")
		if l.old != nil {
			_ = term.Restore(int(l.in.Fd()), l.old)
		}
	})
}

func (l *live) show(s *snapshot) error {
	width, height, err := term.GetSize(int(l.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	if _, err := l.out.Write(draw(s, width, height, l.color, l.script)); err != nil {
		return fmt.Errorf("write view: %w", err)
	}
	return nil
}

func (l *live) flipped(s *snapshot) { _ = l.show(s) }

// end leaves the report on the ordinary screen.
func (l *live) end(r *Report) {
	l.close()
	fmt.Fprintf(l.out, "%s engine%s\n%s", r.Engine, because(r.Why), r.Text())
}

// readKeys sends what the viewer presses until the view closes.
func (l *live) readKeys(done <-chan struct{}) {
	defer close(l.reading)
	defer func() {
		if p := recover(); p != nil {
			l.restore()
			panic(p)
		}
	}()
	buf := make([]byte, 16)
	for {
		n, err := readSome(l.in, buf, l.stop)
		if err != nil {
			return
		}
		for _, k := range parseKeys(buf[:n], l.script) {
			select {
			case l.key <- k:
			case <-l.stop:
				return
			case <-done:
				return
			}
		}
	}
}

// parseKeys reads the keys in what one read gave. Sequences that special keys
// send (escape and what follows) are left out whole.
func parseKeys(b []byte, script bool) []key {
	if len(b) > 1 && b[0] == 0x1b {
		return nil
	}
	var keys []key
	for _, c := range b {
		switch c {
		case 'q', 'Q', 3, 4: // Ctrl-C, Ctrl-D
			keys = append(keys, keyQuit)
		case ' ', '\r', '\n', 'f', 'F':
			keys = append(keys, keyFlip)
		case 'p', 'P':
			keys = append(keys, keyPass)
		case 'd', 'D':
			keys = append(keys, keyDrop)
		}
	}
	if !script {
		return keys
	}
	quits := keys[:0]
	for _, k := range keys {
		if k == keyQuit {
			quits = append(quits, k)
		}
	}
	return quits
}
