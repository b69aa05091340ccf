package btfdump

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// Bounds on what a type may make of its bytes.
const (
	// MaxDepth is how deep structs and arrays may nest.
	MaxDepth = 64
	// MaxValues is how many values one Decode or Encode may visit.
	MaxValues = 1 << 18
)

// ErrBadType: the BTF describes something that cannot be: a cycle, a member
// outside its struct, an array beyond its bytes.
var ErrBadType = errors.New("bad BTF type")

// network says which typedefs on the way to the type mean network byte order.
func network(name string) bool {
	switch name {
	case "__be16", "__be32", "__be64", "be16", "be32", "be64":
		return true
	}
	return false
}

// strip follows typedefs and qualifiers, and variables to their types. be says
// that a typedef on the way promises network byte order.
func strip(t btf.Type) (under btf.Type, be bool, err error) {
	for range MaxDepth {
		switch v := t.(type) {
		case *btf.Typedef:
			be = be || network(v.Name)
			t = v.Type
		case *btf.Const:
			t = v.Type
		case *btf.Volatile:
			t = v.Type
		case *btf.Restrict:
			t = v.Type
		case *btf.TypeTag:
			t = v.Type
		case *btf.Var:
			t = v.Type
		case nil:
			return nil, false, fmt.Errorf("missing type: %w", ErrBadType)
		default:
			return t, be, nil
		}
	}
	return nil, false, fmt.Errorf("typedefs nested deeper than %d: %w", MaxDepth, ErrBadType)
}

// sizeOf is the size of t in bytes. ok is false for types without one.
func sizeOf(t btf.Type) (size int, ok bool) {
	switch v := t.(type) {
	case *btf.Void, *btf.Fwd, *btf.FuncProto, *btf.Func:
		return 0, false
	case *btf.Var:
		return sizeOf(v.Type)
	}
	n, err := btf.Sizeof(t)
	return n, err == nil && n >= 0
}

func isText(t *btf.Int) bool {
	return t.Size == 1 && (t.Name == "char" || t.Encoding == btf.Char)
}

func isByte(t *btf.Int) bool {
	return t.Size == 1 && t.Encoding == btf.Unsigned && t.Name != "char"
}

func isBool(t *btf.Int) bool {
	return t.Encoding == btf.Bool || t.Name == "_Bool" || t.Name == "bool"
}

// address says that t is shown as one IPv6 address.
func address(t btf.Type) bool {
	switch t := t.(type) {
	case *btf.Struct:
		return t.Name == "in6_addr" && t.Size == 16
	case *btf.Array:
		under, be, err := strip(t.Type)
		if err != nil || !be || t.Nelems != 4 {
			return false
		}
		i, ok := under.(*btf.Int)
		return ok && i.Size == 4
	}
	return false
}

// place is where in a value an error happened: "stats.by_proto[3]".
type place struct {
	up   *place
	name string
	i    int
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	s := p.up.String()
	if p.name == "" {
		return fmt.Sprintf("%s[%d]", s, p.i)
	}
	if s != "" {
		s += "."
	}
	return s + p.name
}

func (p *place) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if s := p.String(); s != "" {
		return fmt.Errorf("%s: %w", s, err)
	}
	return err
}

// budget bounds the work that a hostile type can cause.
type budget struct{ left int }

func (b *budget) spend(p *place, depth int) error {
	if depth > MaxDepth {
		return p.errorf("nested deeper than %d levels: %w", MaxDepth, ErrBadType)
	}
	if b.left--; b.left < 0 {
		return p.errorf("more than %d values: %w", MaxValues, ErrBadType)
	}
	return nil
}
