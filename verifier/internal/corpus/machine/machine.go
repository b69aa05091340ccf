// Package machine asks other kernels than the running one about a corpus: it packs
// the objects and the command agree into a virtual machine (internal/vmtest), has
// the kernel there judge, and brings the verdicts back.
//
//	rec, err := machine.Ask(ctx, "6.12", files, machine.Options{Progress: os.Stderr})
//	judges = append(judges, corpus.Named{Name: "linux-6.12", Judge: rec.Judge()})
//
// Machines are emulated and have one processor: a thousand programs take minutes.
// What they said is kept in the cache under a name made of the kernel and the files.
// There, programs may be loaded without privileges, so that the unprivileged cases
// have verdicts too.
package machine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skepdev/skep/internal/vmtest"
	"github.com/skepdev/skep/verifier/internal/corpus"
)

// Options of asking. The zero value is good.
type Options struct {
	// Cache is where kernels and verdicts are kept; "" means the user's.
	Cache string
	// Progress gets what the machine says; nil means nobody.
	Progress io.Writer
	// User is who loads the programs, as the command's -as has it; "" means root.
	User string
	// Timeout for the machine; 0 means an hour.
	Timeout time.Duration
}

// command is what runs in the machine.
const command = "github.com/skepdev/skep/verifier/internal/corpus/cmd/agree"

// Ask returns what a kernel ("6.12") says of the programs in files.
func Ask(ctx context.Context, version string, files []string, o Options) (*corpus.Record, error) {
	cache, err := cacheDir(o.Cache)
	if err != nil {
		return nil, err
	}
	k, err := vmtest.Fetch(ctx, version, cache)
	if err != nil {
		return nil, err
	}
	name, err := recordName(k.Release, o.User, files)
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	saved := filepath.Join(cache, name)
	if rec, err := load(saved); err == nil {
		return rec, nil
	}
	data, err := run(ctx, k, files, o)
	if err != nil {
		return nil, fmt.Errorf("machine: ask Linux %s: %w", k.Release, err)
	}
	rec, err := corpus.ReadRecord(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("machine: ask Linux %s: %w", k.Release, err)
	}
	return rec, os.WriteFile(saved, data, 0o644)
}

func cacheDir(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	return vmtest.CacheDir()
}

func load(file string) (*corpus.Record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return corpus.ReadRecord(f)
}

// recordName is made of the kernel's release, who loads, and the files' bytes.
func recordName(release, user string, files []string) (string, error) {
	sum := sha256.New()
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%d %x\n", len(data), sha256.Sum256(data))
	}
	if user != "" {
		fmt.Fprintf(sum, "as %s\n", user)
	}
	return fmt.Sprintf("verdicts-%s-%s-%x.json.gz", corpus.Format, release, sum.Sum(nil)[:8]), nil
}

// run boots the machine and returns the record as it was written there.
func run(ctx context.Context, k *vmtest.Kernel, files []string, o Options) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "skep-corpus-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "agree")
	if err := vmtest.Build(ctx, "build", command, bin); err != nil {
		return nil, err
	}
	total, err := pack(filepath.Join(tmp, "testdata"), files)
	if err != nil {
		return nil, err
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Hour
	}
	// The files are in memory twice while the machine unpacks them.
	memory := 1536 + int(total>>20)*3
	out := &splitter{progress: o.Progress}
	args := []string{"-objects", "testdata", "-judges", corpus.KernelName, "-no-cache", "-summary", "-jobs", "1", "-unprivileged", "-record", "-"}
	if o.User != "" {
		args = append(args, "-as", o.User)
	}
	res, err := vmtest.Machine{Kernel: k, MemoryMB: memory, Timeout: timeout, Mitigations: true}.Run(ctx, []vmtest.Job{{
		Name: "agree", Binary: bin, Dir: tmp, Args: args,
	}}, out)
	if err != nil {
		return nil, err
	}
	if len(res.Codes) != 1 || res.Codes[0] != 0 {
		return nil, fmt.Errorf("exit codes %v\n%s", res.Codes, strings.TrimSpace(out.tail()))
	}
	return out.record()
}

// pack copies the files into one folder, each under a name of its own.
func pack(dir string, files []string) (total int64, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	for i, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return 0, err
		}
		total += int64(len(data))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d-%s", i, filepath.Base(f))), data, 0o644); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// Mark starts the lines that carry a record; the rest of such a line is base64.
const Mark = "record: "

// Emit writes a record as lines that survive a serial port.
func Emit(w io.Writer, rec *corpus.Record) error {
	var b bytes.Buffer
	if err := rec.Write(&b); err != nil {
		return err
	}
	const most = 3 * 1024
	out := bufio.NewWriter(w)
	for data := b.Bytes(); len(data) > 0; {
		n := min(most, len(data))
		fmt.Fprintf(out, "%s%s\n", Mark, base64.StdEncoding.EncodeToString(data[:n]))
		data = data[n:]
	}
	return out.Flush()
}

// splitter takes a machine's output apart: lines of the record are kept, others are
// passed on.
type splitter struct {
	progress io.Writer
	part     []byte
	data     bytes.Buffer
	other    []string
	err      error
}

func (s *splitter) Write(p []byte) (int, error) {
	s.part = append(s.part, p...)
	for {
		i := bytes.IndexByte(s.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		s.line(strings.TrimRight(string(s.part[:i]), "\r"))
		s.part = s.part[i+1:]
	}
}

func (s *splitter) line(line string) {
	code, ok := strings.CutPrefix(line, Mark)
	if !ok {
		s.other = append(s.other, line)
		if s.progress != nil {
			fmt.Fprintln(s.progress, line)
		}
		return
	}
	data, err := base64.StdEncoding.DecodeString(code)
	s.err = errors.Join(s.err, err)
	s.data.Write(data)
}

func (s *splitter) tail() string {
	return strings.Join(s.other[max(0, len(s.other)-20):], "\n")
}

func (s *splitter) record() ([]byte, error) {
	if s.err == nil && s.data.Len() == 0 {
		return nil, fmt.Errorf("there is no record in what the machine said\n%s", s.tail())
	}
	return s.data.Bytes(), s.err
}
