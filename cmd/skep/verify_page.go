package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cilium/ebpf/btf"

	htmlpage "github.com/skepdev/skep/verifier/page"
)

// writePage writes the page of --html, whole or not at all.
func (f *verifyFlags) writePage(s *streams, paths []string, all []*verdict) error {
	if f.html == "" {
		return nil
	}
	var programs []htmlpage.Program
	for _, v := range all {
		if v.program != nil {
			programs = append(programs, htmlpage.Program{
				Object: filepath.Base(v.Object), Section: v.Section, Verified: v.program, Report: v.report, Explanation: v.Explanation,
			})
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.html), ".skep-verify-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = filepath.Base(p)
	}
	err = htmlpage.Write(tmp, "skep verify "+strings.Join(names, " "), programs)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), f.html); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "wrote %s\n", f.html)
	return nil
}

// watchInterval is how often --watch looks at the files' times.
const watchInterval = 200 * time.Millisecond

// watchAll verifies the objects now and whenever one of them changes, until ctx
// is done. Compilers write objects piece by piece, so that a change counts when
// the file has stayed the same from one look to the next.
func (f *verifyFlags) watchAll(ctx context.Context, s *streams, paths []string, types *btf.Spec) error {
	var seen, done string
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		now := stamps(paths)
		if first || now == seen && now != done {
			done = now
			err := f.once(ctx, s, paths, types)
			var code exitCode
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && !errors.As(err, &code):
				fmt.Fprintf(s.err, "%s: %v\n", s.paint(red, "error"), err) // it may be whole again the next time
			}
			fmt.Fprintf(s.out, "-- %s: waiting for changes\n", time.Now().Format(time.TimeOnly))
		}
		seen = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stamps is text that changes when one of the files does.
func stamps(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		fi, err := os.Stat(p)
		if err != nil {
			fmt.Fprintf(&b, "%s missing\n", p)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", p, fi.Size(), fi.ModTime().UnixNano())
	}
	return b.String()
}
