package corpus

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecord: what a kernel said comes back for the same bytes under any name, and
// for no others.
func TestRecord(t *testing.T) {
	files := []string{"testdata/expect.bpf.o", "testdata/plain.bpf.o"}
	rep, err := Run(t.Context(), files, Options{Judges: []Named{{KernelName, fakeKernel}}})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := NewRecord("6.12.0-test", rep)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := rec.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := ReadRecord(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rec, back); diff != "" {
		t.Errorf("(-written +read)\n%s", diff)
	}
	again, err := Run(t.Context(), files, Options{Judges: []Named{{"linux-6.12", back.Judge()}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range again.Results {
		if diff := cmp.Diff(save(rep.Results[i].Verdicts[0]), save(again.Results[i].Verdicts[0])); diff != "" {
			t.Errorf("%s (-asked +recorded)\n%s", again.Results[i].Case.Name(), diff)
		}
	}
	v := back.Judge()(t.Context(), &Case{Object: "testdata/plain.bpf.o", Program: "none"}, nil, "none")
	if v.NotSupported == "" {
		t.Error("a verdict on a program that was not asked about")
	}
	for _, bad := range [][]byte{nil, []byte("nonsense"), b.Bytes()[:b.Len()/2]} {
		if _, err := ReadRecord(bytes.NewReader(bad)); err == nil {
			t.Errorf("read a record from %d bytes", len(bad))
		}
	}
}

func FuzzReadRecord(f *testing.F) {
	var b bytes.Buffer
	rec := &Record{Release: "6.1", Verdicts: map[string]savedVerdict{"x y privileged": {Accepted: true}}}
	if err := rec.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if rec, err := ReadRecord(bytes.NewReader(data)); err == nil {
			rec.Judge()(t.Context(), &Case{Object: "testdata/plain.bpf.o"}, nil, "")
		}
	})
}
