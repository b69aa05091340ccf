package differ

import (
	"os"
	"strings"
	"testing"

	"github.com/skepdev/skep/verifier"
)

// TestKernelWithItself: with the kernel on both sides there is nothing to find, so
// what is found otherwise is not of the comparison's making.
func TestKernelWithItself(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	open := OursAndKernel(verifier.Privileged, "")
	rep, err := Run(t.Context(), Options{Count: 1000, Open: func() (*Pair, error) {
		p, err := open()
		if err == nil {
			p.Ours = p.Theirs
		}
		return p, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rep.Print(&b)
	if len(rep.Findings) > 0 || rep.BothAccept < 150 || rep.BothAccept > 600 {
		t.Errorf("%s", b.String())
	}
	t.Log(b.String())
}

// TestOursAndKernel: on random programs the two verifiers say the same.
func TestOursAndKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to load programs into the kernel")
	}
	rep, err := Run(t.Context(), Options{Open: OursAndKernel(verifier.Privileged, ""), Count: 3000})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rep.Print(&b)
	t.Log(b.String())
	if len(rep.Findings) > 0 {
		t.Error("they disagree")
	}
}
