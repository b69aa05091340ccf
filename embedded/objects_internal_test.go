package embedded

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestOwns: a pointer owns what it leads to if its type says so, and qualifiers
// that go round in a circle say nothing, in the end.
func TestOwns(t *testing.T) {
	number := &btf.Int{Size: 4}
	circle := &btf.Const{}
	circle.Type = &btf.Volatile{Type: circle}
	for name, c := range map[string]struct {
		target btf.Type
		want   bool
	}{
		"plain":    {number, false},
		"kptr":     {&btf.TypeTag{Value: "kptr", Type: number}, true},
		"per CPU":  {&btf.Const{Type: &btf.TypeTag{Value: "percpu_kptr", Type: number}}, true},
		"untagged": {&btf.TypeTag{Value: "user", Type: number}, false},
		"circle":   {circle, false},
	} {
		if got := owns(&btf.Pointer{Target: c.target}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
