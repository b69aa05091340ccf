package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/skepdev/skep/trace/flame"
	"github.com/skepdev/skep/trace/profile"
)

// liveEvery is how often the picture is drawn; each shows what happened since
// the one before.
const liveEvery = 2 * time.Second

// liveFlame draws until sampling ends.
func liveFlame(ctx context.Context, s *streams, r *profile.Recorder, done <-chan struct{}) error {
	const alternate, back, home, clear = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[2J"
	fmt.Fprint(s.out, alternate)
	defer fmt.Fprint(s.out, back)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	last := &profile.Profile{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-done:
			return nil
		case <-tick.C:
		}
		now, err := r.Snapshot()
		if err != nil {
			return err
		}
		width, height := 80, 24
		if f, ok := s.out.(*os.File); ok {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil {
				width, height = w, h
			}
		}
		g := flame.Diff(last, now, 1).Since()
		last = now
		fmt.Fprintf(s.out, "%s%s%s profile, the last %v; Ctrl-C ends it\r\n%s", home, clear, now.Kind, liveEvery, g.Terminal(width, height-2))
	}
}
