// Package types is the type model of the language: its own types, those of C
// as BTF and inline definitions give them, their layout in memory and their
// promotion.
package types

import (
	"fmt"
	"strings"
)

// Kind tells types apart.
type Kind uint8

// Kinds. Those from Count on are aggregations: they live in maps only.
const (
	None Kind = iota
	Void
	Int
	Bool
	Ptr
	String // Size bytes, ends with NUL if shorter
	Buffer // 4 bytes of length, then Size-4 bytes
	Array  // Len elements
	Struct // of C: struct or union
	Tuple  // fields in order
	Record // fields with names
	KStack // stack id and count of frames
	UStack // the same, and the process
	KSym   // address
	USym   // address, process
	Inet   // address family, 16 bytes
	MAC    // 6 bytes
	Time   // nanoseconds and a format's number
	CgroupPath
	MapRef // a whole map, as an argument
	StackMode
	Count
	Sum
	Min
	Max
	Avg
	Stats
	Hist
	LHist
	TSeries
)

// Type is a type. Types are compared with [Equal]; they are not changed once
// made.
type Type struct {
	Kind   Kind
	Size   int // bytes in memory
	Signed bool
	// Flex says that an integer is a literal that is not negative: it takes
	// the sign of what it meets.
	Flex bool
	Elem *Type // of Ptr and Array
	Len  int   // of Array; -1 if not known
	// User says that a pointer, or memory reached through it, is a process's.
	User   bool
	Fields []Field // of Tuple and Record
	Struct *Composite
	Enum   *Enum
	// Mode is how stacks are printed.
	Mode string
	// Frames bounds a stack.
	Frames int
	// Ctx says that a struct or pointer is the program's own context.
	Ctx bool
}

// Field is a member of a composite type. Offsets are in bytes, bit-fields'
// additionally in bits from there.
type Field struct {
	Name           string
	Type           *Type
	Off            int
	BitOff, BitLen int
	// DataLoc: four bytes that say where in the record the text is.
	DataLoc bool
	// Reg and Arg say where a probe's argument is found instead of in memory.
	Arg int
}

// Composite is a struct or union of C. Its fields are read when first asked.
type Composite struct {
	Name  string // with its tag: "struct sock"
	Union bool
	Size  int
	Fill  func() []Field
	done  bool
	all   []Field
}

// Enum names integers.
type Enum struct {
	Name   string
	Values map[uint64]string
}

// Fields of the composite.
func (c *Composite) Fields() []Field {
	if !c.done && c.Fill != nil {
		c.done = true
		c.all = c.Fill()
	}
	return c.all
}

// Find looks a member up, also inside members without a name.
func (c *Composite) Find(name string) (Field, bool) { return c.find(name, 0) }

func (c *Composite) find(name string, depth int) (Field, bool) {
	for _, f := range c.Fields() {
		if f.Name == name && name != "" {
			return f, true
		}
		if f.Name == "" && f.Type.Kind == Struct && depth < 16 {
			if in, ok := f.Type.Struct.find(name, depth+1); ok {
				in.Off += f.Off
				return in, true
			}
		}
	}
	return Field{}, false
}

// Plain types.
var (
	TNone   = &Type{Kind: None}
	TVoid   = &Type{Kind: Void}
	TBool   = &Type{Kind: Bool, Size: 1}
	TInt8   = IntType(1, true)
	TInt32  = IntType(4, true)
	TInt64  = IntType(8, true)
	TUint8  = IntType(1, false)
	TUint32 = IntType(4, false)
	TUint64 = IntType(8, false)
	TKSym   = &Type{Kind: KSym, Size: 8}
	TUSym   = &Type{Kind: USym, Size: 16}
	TInet   = &Type{Kind: Inet, Size: 20}
	TMAC    = &Type{Kind: MAC, Size: 6}
	TTime   = &Type{Kind: Time, Size: 16}
	TCgroup = &Type{Kind: CgroupPath, Size: 16}
	TMap    = &Type{Kind: MapRef}
)

// IntType is an integer of size bytes.
func IntType(size int, signed bool) *Type { return &Type{Kind: Int, Size: size, Signed: signed} }

// StringType holds size bytes, the NUL included.
func StringType(size int) *Type { return &Type{Kind: String, Size: size} }

// PtrTo points to t.
func PtrTo(t *Type, user bool) *Type { return &Type{Kind: Ptr, Size: 8, Elem: t, User: user} }

// ArrayOf is n elements.
func ArrayOf(t *Type, n int) *Type {
	return &Type{Kind: Array, Elem: t, Len: n, Size: t.Size * max(n, 0)}
}

// Literal is the type of a number as written.
func Literal(v uint64) *Type {
	t := &Type{Kind: Int, Signed: true, Flex: true}
	switch {
	case v <= 1<<7-1:
		t.Size = 1
	case v <= 1<<15-1:
		t.Size = 2
	case v <= 1<<31-1:
		t.Size = 4
	case v <= 1<<63-1:
		t.Size = 8
	default:
		return TUint64
	}
	return t
}

// NegLiteral is the type of a negative number as written.
func NegLiteral(v int64) *Type {
	switch {
	case v >= -1<<7:
		return TInt8
	case v >= -1<<15:
		return IntType(2, true)
	case v >= -1<<31:
		return TInt32
	}
	return TInt64
}

// TupleOf lays elements out like a C struct.
func TupleOf(elems []*Type) *Type {
	fields := make([]Field, len(elems))
	for i, e := range elems {
		fields[i] = Field{Name: fmt.Sprint(i), Type: e}
	}
	return layout(Tuple, fields)
}

// RecordOf is TupleOf with names.
func RecordOf(names []string, elems []*Type) *Type {
	fields := make([]Field, len(elems))
	for i, e := range elems {
		fields[i] = Field{Name: names[i], Type: e}
	}
	return layout(Record, fields)
}

func layout(k Kind, fields []Field) *Type {
	off, most := 0, 1
	for i := range fields {
		a := fields[i].Type.Align()
		most = max(most, a)
		off = (off + a - 1) / a * a
		fields[i].Off = off
		off += fields[i].Type.Size
	}
	return &Type{Kind: k, Fields: fields, Size: (off + most - 1) / most * most}
}

// Align is the alignment of t in memory, in bytes.
func (t *Type) Align() int {
	switch t.Kind {
	case Int, Bool, Ptr:
		return max(t.Size, 1)
	case Array:
		return t.Elem.Align()
	case Struct, KStack, UStack, KSym, USym, Time, CgroupPath, String, Buffer:
		return 8 // strings too, so that they are copied and compared by words
	case Inet:
		return 4
	case Tuple, Record:
		a := 1
		for _, f := range t.Fields {
			a = max(a, f.Type.Align())
		}
		return a
	}
	if t.Aggregate() {
		return 8
	}
	return 1
}

// Scalar values fit a register.
func (t *Type) Scalar() bool {
	switch t.Kind {
	case Int, Bool, Ptr, KSym:
		return true
	}
	return false
}

// Aggregate types are made by count(), sum() and their kind.
func (t *Type) Aggregate() bool { return t.Kind >= Count }

// Castable aggregates can be read as integers.
func (t *Type) Castable() bool { return t.Kind >= Count && t.Kind <= Avg }

// Numeric types are integers, or read as such.
func (t *Type) Numeric() bool { return t.Kind == Int || t.Kind == Bool || t.Castable() }

// Stack types are kstack and ustack.
func (t *Type) Stack() bool { return t.Kind == KStack || t.Kind == UStack }

// WithUser is t in a process's memory, or not.
func (t *Type) WithUser(user bool) *Type {
	if t.User == user {
		return t
	}
	c := *t
	c.User = user
	return &c
}

var kindNames = map[Kind]string{
	None: "none", Void: "void", Bool: "bool", KStack: "kstack_t", UStack: "ustack_t", KSym: "ksym_t", USym: "usym_t",
	Inet: "inet", MAC: "macaddr_t", Time: "timestamp", CgroupPath: "cgroup_path_t", MapRef: "map", StackMode: "stack_mode",
	Count: "count_t", Sum: "sum_t", Min: "min_t", Max: "max_t", Avg: "avg_t", Stats: "stats_t",
	Hist: "hist_t", LHist: "lhist_t", TSeries: "tseries_t",
}

func (t *Type) String() string {
	switch t.Kind {
	case Int:
		if t.Enum != nil && t.Enum.Name != "" {
			return "enum " + t.Enum.Name
		}
		u := "u"
		if t.Signed {
			u = ""
		}
		return fmt.Sprintf("%sint%d", u, t.Size*8)
	case Ptr:
		return t.Elem.String() + " *"
	case String:
		return fmt.Sprintf("string[%d]", t.Size)
	case Buffer:
		return fmt.Sprintf("buffer[%d]", t.Size-4)
	case Array:
		return fmt.Sprintf("%s[%d]", t.Elem, t.Len)
	case Struct:
		return t.Struct.Name
	case Tuple:
		var s []string
		for _, f := range t.Fields {
			s = append(s, f.Type.String())
		}
		return "(" + strings.Join(s, ",") + ")"
	case Record:
		var s []string
		for _, f := range t.Fields {
			s = append(s, "."+f.Name+" = "+f.Type.String())
		}
		return "{ " + strings.Join(s, ", ") + " }"
	}
	if n := kindNames[t.Kind]; n != "" {
		return n
	}
	return fmt.Sprintf("Kind(%d)", t.Kind)
}

// Equal says whether a and b are the same type; address spaces do not count.
func Equal(a, b *Type) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || a.Size != b.Size || a.Signed != b.Signed || a.Flex != b.Flex || a.Len != b.Len {
		return false
	}
	switch a.Kind {
	case Int:
		return a.Enum == b.Enum
	case Ptr, Array:
		return Equal(a.Elem, b.Elem)
	case Struct:
		return a.Struct == b.Struct || a.Struct.Name == b.Struct.Name
	case Tuple, Record:
		if len(a.Fields) != len(b.Fields) {
			return false
		}
		for i := range a.Fields {
			if a.Fields[i].Name != b.Fields[i].Name || !Equal(a.Fields[i].Type, b.Fields[i].Type) {
				return false
			}
		}
	case KStack, UStack:
		return a.Mode == b.Mode && a.Frames == b.Frames
	}
	return true
}
