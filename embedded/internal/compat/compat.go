// Package compat writes docs/compat.md: what of Linux's lists works on which
// engine. It asks the runtime itself, so the table says what is so.
package compat

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm"
)

// Path is where the table stands in the tree.
const Path = "docs/compat.md"

const head = `# What works where

What Linux 6.18 knows, and what of it the two engines do. The kernel engine hands programs and maps to Linux: it has whatever the running kernel has (` + "`skep doctor`" + ` says what this one does). The embedded engine does what stands here; a program that asks for anything else is refused when it is loaded, with the name of what is missing and the reason.

This file is generated: ` + "`go run ./embedded/internal/compat/cmd/compat`" + `. A test holds it to the code.
`

// Generate is the text of the table.
func Generate() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(head)
	if err := programs(&b); err != nil {
		return nil, err
	}
	mapTypes(&b)
	helpers(&b)
	kfuncs(&b)
	return b.Bytes(), nil
}

func mark(why string) string {
	if why == "" {
		return "yes"
	}
	return "no: " + why
}

// lastProgram and lastMap are the last of Linux 6.18.
const (
	lastProgram = abi.ProgNetfilter
	lastMap     = abi.MapArena
)

// testRuns are the types that have BPF_PROG_TEST_RUN in Linux 6.18.
var testRuns = map[abi.ProgramType]bool{
	abi.ProgSocketFilter: true, abi.ProgSchedCLS: true, abi.ProgSchedACT: true, abi.ProgXDP: true,
	abi.ProgCgroupSKB: true, abi.ProgLWTIn: true, abi.ProgLWTOut: true, abi.ProgLWTXmit: true,
	abi.ProgLWTSeg6local: true, abi.ProgRawTracepoint: true, abi.ProgRawTracepointWritable: true,
	abi.ProgFlowDissector: true, abi.ProgTracing: true, abi.ProgSkLookup: true, abi.ProgSyscall: true,
	abi.ProgNetfilter: true, abi.ProgStructOps: true,
}

func programs(b *bytes.Buffer) error {
	b.WriteString("\n## Program types\n\n| type | kernel | test run there | embedded | test run there |\n| --- | --- | --- | --- | --- |\n")
	m, err := vm.New(vm.Config{CPUs: 1})
	if err != nil {
		return err
	}
	for t := abi.ProgSocketFilter; t <= lastProgram; t++ {
		run, err := testRun(m, t)
		if err != nil {
			return errors.Join(err, m.Close())
		}
		kernel := "no"
		if testRuns[t] {
			kernel = "yes"
		}
		fmt.Fprintf(b, "| %s | yes | %s | %s | %s |\n", t, kernel, mark(vm.ProgramTypeMissing(t)), run)
	}
	return m.Close()
}

// testRun says whether the embedded engine test-runs programs of a type.
func testRun(m *vm.Machine, t abi.ProgramType) (string, error) {
	if vm.ProgramTypeMissing(t) != "" {
		return "no", nil
	}
	p, err := m.Load(&vm.ProgramSpec{Name: "pass", Type: t, Instructions: vm.Pass()})
	if err != nil {
		return "", err
	}
	_, err = p.TestRun(nil)
	var n *vm.NotSupportedError
	if errors.As(err, &n) {
		return "no", p.Close()
	}
	return "yes", p.Close()
}

func mapTypes(b *bytes.Buffer) {
	b.WriteString("\n## Map types\n\n| type | kernel | embedded |\n| --- | --- | --- |\n")
	for t := abi.MapHash; t <= lastMap; t++ {
		have := mark(vm.MapTypeMissing(t))
		switch t {
		case abi.MapXSKMap, abi.MapSockMap, abi.MapSockhash, abi.MapReuseportSockArray:
			have = "empty: sockets are the kernel's"
		}
		fmt.Fprintf(b, "| %s | yes | %s |\n", t, have)
	}
}

func helpers(b *bytes.Buffer) {
	var all, done int
	var rows strings.Builder
	for _, h := range abi.Helpers() {
		var have, lack []string
		for _, t := range h.Programs.Types() {
			switch {
			case vm.ProgramTypeMissing(t) != "":
			case vm.HelperMissing(t, h.ID) == "":
				have = append(have, t.String())
			default:
				lack = append(lack, t.String())
			}
		}
		all++
		text := "no"
		if len(lack) > 0 {
			if _, why, ok := strings.Cut(vm.HelperMissing(firstOf(h.Programs), h.ID), " programs: "); ok {
				text = "no: " + why
			}
		}
		switch {
		case len(have) > 0 && len(lack) == 0:
			text = "yes"
			done++
		case len(have) > 0:
			text = "not for " + strings.Join(lack, ", ")
			if len(have) < len(lack) {
				text = "for " + strings.Join(have, ", ")
			}
			done++
		case len(lack) == 0:
			text = "no program type that has it"
		}
		fmt.Fprintf(&rows, "| %s | %d | %s | %s |\n", h.ID, h.ID, types(h.Programs), text)
	}
	fmt.Fprintf(b, "\n## Helpers\n\nThe embedded engine has %d of %d, each for those of its program types that Linux lets call it, where nothing else is said.\n\n", done, all)
	b.WriteString("| helper | number | kernel: program types | embedded |\n| --- | --- | --- | --- |\n")
	b.WriteString(rows.String())
}

// firstOf is a program type of the set that runs here.
func firstOf(s abi.ProgramSet) abi.ProgramType {
	for _, t := range s.Types() {
		if vm.ProgramTypeMissing(t) == "" {
			return t
		}
	}
	return abi.ProgUnspec
}

// types lists a set of program types, or what it lacks of all if that is less.
func types(s abi.ProgramSet) string {
	var have, lack []string
	for t := abi.ProgSocketFilter; t <= lastProgram; t++ {
		if t == abi.ProgExtension {
			continue
		}
		if s.Has(t) {
			have = append(have, t.String())
		} else {
			lack = append(lack, t.String())
		}
	}
	switch {
	case len(lack) == 0:
		return "all"
	case len(lack) < len(have):
		return "all but " + strings.Join(lack, ", ")
	}
	return strings.Join(have, ", ")
}

func kfuncs(b *bytes.Buffer) {
	var all, done int
	var rows strings.Builder
	for _, k := range abi.Kfuncs() {
		_, why, _ := strings.Cut(vm.KfuncMissing(abi.ProgXDP, k.Name), " programs: ")
		text := "no: " + why
		for t := abi.ProgSocketFilter; t <= lastProgram; t++ {
			if vm.ProgramTypeMissing(t) == "" && k.Hooks&abi.KfuncHooksOf(t) != 0 && vm.KfuncMissing(t, k.Name) == "" {
				text = "yes"
			}
		}
		all++
		if text == "yes" {
			done++
		}
		since := "6.1 or before"
		if k.Since != 0 {
			since = fmt.Sprintf("%d.%d", k.Since>>16, k.Since>>8&0xff)
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", k.Name, since, text)
	}
	fmt.Fprintf(b, "\n## Kernel functions\n\nThose that Linux lets programs call and that need knowing beyond their types: %d, of which the embedded engine has %d.\n\n", all, done)
	b.WriteString("| function | kernel since | embedded |\n| --- | --- | --- |\n")
	b.WriteString(rows.String())
}
