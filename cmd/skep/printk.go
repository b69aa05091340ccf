package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// printkLines collects what the loaded programs print.
type printkLines struct {
	rd    engine.PrintkReader
	done  chan struct{}
	live  func(string)
	ours  func(engine.PrintkLine) bool
	mu    sync.Mutex
	lines []string
}

// afterRun is how long lines may take from the kernel's buffer to us.
const afterRun = 100 * time.Millisecond

// openPrintk reads printk lines if one of the programs can print. The result
// may be nil, which finish takes.
func openPrintk(eng engine.Engine, coll *engine.Collection, p *prepared, s *streams, live bool) (*printkLines, error) {
	if !p.prints() {
		return nil, nil
	}
	rd, err := eng.OpenPrintk()
	if err != nil {
		return nil, err
	}
	l := &printkLines{rd: rd, done: make(chan struct{}), ours: func(engine.PrintkLine) bool { return true }}
	if eng.Name() == "kernel" && runtime.GOOS == "linux" {
		// The kernel has one stream for everybody: test runs print in the
		// context of a thread of ours.
		l.ours = func(line engine.PrintkLine) bool {
			_, err := os.Stat("/proc/self/task/" + strconv.Itoa(line.PID))
			return err == nil
		}
	}
	if live {
		l.live = func(text string) { fmt.Fprintln(s.err, "printk:", text) }
	}
	go l.read()
	return l, nil
}

func (p *prepared) prints() bool {
	for _, prog := range p.spec.Programs {
		for i := range prog.Instructions {
			ins := &prog.Instructions[i]
			if ins.IsBuiltinCall() && (ins.Constant == int64(asm.FnTracePrintk) || ins.Constant == int64(asm.FnTraceVprintk)) {
				return true
			}
		}
	}
	return false
}

func (l *printkLines) read() {
	defer close(l.done)
	for {
		line, err := l.rd.Read()
		if err != nil {
			return
		}
		if !l.ours(line) {
			continue
		}
		if l.live != nil {
			l.live(line.Text)
		}
		l.mu.Lock()
		l.lines = append(l.lines, line.Text)
		l.mu.Unlock()
	}
}

// finish reads what is still on its way and returns all lines.
func (l *printkLines) finish() []string {
	if l == nil {
		return nil
	}
	l.rd.SetDeadline(time.Now().Add(afterRun))
	<-l.done
	l.rd.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}
