package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skepdev/skep/choose"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"skep": func() { os.Exit(realMain()) }})
}

// kernelWorks says whether the kernel engine loads programs here.
func kernelWorks(tb testing.TB) bool {
	eng, _, err := choose.Open(tb.Context(), choose.Kernel)
	if err != nil {
		tb.Log("without the kernel engine:", err)
		return false
	}
	return eng.Close() == nil
}

// TestScripts runs the scripts of testdata/script: command lines with what they
// print and how they exit.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	kernel := kernelWorks(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("EXAMPLES", filepath.Join(root, "docs", "examples"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "kernel" && kernel || cond == "root" && os.Geteuid() == 0, nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		RequireExplicitExec: true,
		UpdateScripts:       *update,
	})
}

// exits CODE COMMAND… runs a command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, a []string) {
	if neg || len(a) < 2 {
		ts.Fatalf("usage: exits code command…")
	}
	err := ts.Exec(a[1], a[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != a[0] {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(a[1:], " "), code, a[0])
	}
}
