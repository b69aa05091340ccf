package breadth

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/skepdev/skep/embedded"
)

// TestSurvey tries the objects of the behaviour story, of which everything loads
// but what is bad on purpose, was made for other types than a kernel's, or is one
// half of an object.
func TestSurvey(t *testing.T) {
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	r, err := Survey(context.Background(), eng, "../../../engine/enginetest/testdata")
	if err != nil {
		t.Fatal(err)
	}
	if r.Objects < 12 || r.Maps < 40 || r.MapsLoaded != r.Maps || r.Programs < 80 {
		t.Errorf("%+v", r)
	}
	for why, who := range r.Reasons {
		for _, w := range who {
			if !strings.HasPrefix(w, "bad.bpf.o:") && !strings.HasPrefix(w, "core.bpf.o:") && !strings.HasPrefix(w, "link_") {
				t.Errorf("%s: %s", w, why)
			}
		}
	}
	var out bytes.Buffer
	if err := r.Print(&out, 1); err != nil || strings.Count(out.String(), "\n") != 1+2*len(r.Reasons) {
		t.Errorf("%v\n%s", err, out.String())
	}
}
