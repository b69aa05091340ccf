package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// sharedBuffer may be written to and read at the same time.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sharedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sharedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestVerifyWatch: a changed object is verified again, a broken one reported and
// waited for, and the end comes when it is asked for.
func TestVerifyWatch(t *testing.T) {
	good, err := os.ReadFile("../../docs/examples/ports.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "watched.o")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	var out, errs sharedBuffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		f := verifyFlags{format: "text", privilege: "root"}
		done <- f.watchAll(ctx, &streams{out: &out, err: &errs}, []string{file}, nil)
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: waited in vain; output\n%s\nerrors\n%s", what, out.String(), errs.String())
			}
		}
	}
	rounds := func(n int) func() bool {
		return func() bool { return strings.Count(out.String(), "waiting for changes") >= n }
	}
	until("first round", rounds(1))
	write(good[:100])
	until("round of a broken object", rounds(2))
	if !strings.Contains(errs.String(), "error") {
		t.Errorf("nothing said of the broken object: %q", errs.String())
	}
	write(good)
	until("round of the mended object", rounds(3))
	if n := strings.Count(out.String(), "accepted"); n < 2 {
		t.Errorf("accepted %d times, want twice", n)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
