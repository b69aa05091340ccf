package embedded_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

// FuzzLoad: whatever the object, loading and running it ends, in success or an
// error, and leaves nothing behind.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"../object/testdata", "../engine/enginetest/testdata"} {
		files, err := filepath.Glob(dir + "/*.bpf.o")
		if err != nil || len(files) == 0 {
			f.Fatalf("objects in %s: %v, %v", dir, files, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	types := emptyTypes(f)
	eng, err := embedded.New(embedded.Config{CPUs: 1, MaxMemory: 32 << 20, MaxInstructions: 1 << 16, KernelTypes: types})
	if err != nil {
		f.Fatal(err)
	}
	defer eng.Close()
	idle := eng.MemoryUsed()
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := object.Open(bytes.NewReader(data), int64(len(data)), &object.Options{AllowUnresolved: true})
		if err != nil {
			return
		}
		coll, err := eng.Load(context.Background(), spec, nil)
		if err != nil {
			return
		}
		for _, p := range coll.Programs {
			_, _ = p.Run(&engine.RunInput{Data: frame(1)}) // an error is as good
		}
		if err := coll.Close(); err != nil {
			t.Fatal(err)
		}
		if n := eng.MemoryUsed(); n > idle+1<<20 { // packets that wait for reuse
			t.Fatalf("%d bytes stayed behind", n-idle)
		}
	})
}
