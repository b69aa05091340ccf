package enginetest

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

//go:embed testdata/*.story testdata/*.bpf.o
var testdata embed.FS

// Options say what Run may assume of an engine. The zero value tells every
// story and skips what needs a device.
type Options struct {
	// Skip names stories ("file/story") and parts ("api/name") that the engine
	// does not tell, with the reason. A name that does not exist is a failure:
	// the list cannot rot.
	Skip map[string]string

	// Device makes a device to attach XDP and tc programs to, gone with the
	// test. Nil skips the parts that need one.
	Device func(t *testing.T) Device

	// PinDir makes a directory for pins, gone with the test. Nil skips pins.
	PinDir func(t *testing.T) string
}

// Device is a device that the test can make frames arrive at.
type Device struct {
	Target engine.Device
	// Receive makes a frame arrive, in order, and returns when it has or is
	// sure to. The frame is not kept.
	Receive func(frame []byte) error
}

// Run tells the whole story on eng. It does not close eng.
func Run(t *testing.T, eng engine.Engine, opts Options) {
	unknown := map[string]bool{}
	for name := range opts.Skip {
		unknown[name] = true
	}
	part := func(name string, f func(t *testing.T)) {
		delete(unknown, name)
		t.Run(name, func(t *testing.T) {
			if why, ok := opts.Skip[name]; ok {
				t.Skip(why)
			}
			f(t)
		})
	}
	files, err := fs.Glob(testdata, "testdata/*.story")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := testdata.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stories, err := readStories(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stories {
			part(storyFile(file)+"/"+s.name, func(t *testing.T) {
				(&teller{r: t, eng: eng, objects: Object, story: s}).tell()
			})
		}
	}
	for _, p := range apiParts() {
		part("api/"+p.name, func(t *testing.T) { p.run(t, eng, opts) })
	}
	for name := range unknown {
		t.Errorf("Options.Skip: there is no %s", name)
	}
}

// storyFile is a file's name without folder and suffix.
func storyFile(path string) string {
	return path[len("testdata/") : len(path)-len(".story")]
}

// Object describes one of the story's objects: testdata/NAME.bpf.o, or the
// packet of death for "pod", or for "linked" what link_a and link_b are together.
// Each call gives a spec of its own.
func Object(name string) (*ebpf.CollectionSpec, error) {
	if name == "pod" {
		return bpf.PacketOfDeath()
	}
	raw, err := read(name)
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	// The kernel's configuration is the same on every machine: kconfig.story.
	spec, err := object.Open(bytes.NewReader(raw), int64(len(raw)), &object.Options{
		KernelVersion: 6<<16 | 12<<8,
		Kconfig:       map[string]string{"CONFIG_BPF": "y", "CONFIG_HZ": "250", "CONFIG_VETH": "m", "CONFIG_LOCALVERSION": `"-story"`},
	})
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", name, err)
	}
	return spec, nil
}

func read(name string) ([]byte, error) {
	if name != "linked" {
		return testdata.ReadFile("testdata/" + name + ".bpf.o")
	}
	var parts []object.Part
	for _, half := range []string{"link_a", "link_b"} {
		data, err := read(half)
		if err != nil {
			return nil, err
		}
		parts = append(parts, object.Part{Name: half, Data: data})
	}
	return object.Link(parts...)
}
