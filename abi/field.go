package abi

// Field is a member of a context structure, or of a structure reached from it.
type Field struct {
	Name string
	// Offset and Size in bytes; Size covers all elements of an array.
	Offset, Size uint32
	// Count is the number of elements, 1 for a single value.
	Count uint32
	// Kind says what a program holds after loading the field.
	Kind FieldKind
	// Load and Store are the widths in which programs may access it.
	Load, Store Width
}

// Width is a set of access widths: the sum of 1, 2, 4 and 8 (bytes). A narrow
// access must be aligned to its own width and stay inside the field.
type Width uint8

// Has reports whether accesses of n bytes (1, 2, 4 or 8) are in the set.
func (w Width) Has(n int) bool { return n > 0 && n <= 8 && n&(n-1) == 0 && w&Width(n) != 0 }

// FieldKind is what a field holds.
type FieldKind uint8

const (
	FieldScalar           FieldKind = iota // a number
	FieldPacketData                        // start of the packet; 32 bits load a whole pointer
	FieldPacketEnd                         // end of the packet, likewise
	FieldPacketMeta                        // start of the metadata before the packet, likewise
	FieldSocket                            // *struct bpf_sock
	FieldSocketOrNull                      // *struct bpf_sock, or NULL
	FieldFlowKeys                          // *struct bpf_flow_keys
	FieldOptval                            // start of a socket option's value
	FieldOptvalEnd                         // its end
	FieldBTFPtr                            // pointer to a kernel structure
	FieldTracepointBuffer                  // what a writable raw tracepoint lets programs change
)

var fieldKindNames = [...]string{
	"scalar", "packet", "packet_end", "packet_meta", "socket", "socket_or_null", "flow_keys", "optval",
	"optval_end", "btf_ptr", "tracepoint_buffer",
}

// String is a short name ("packet_end").
func (k FieldKind) String() string { return nameOf("FieldKind", uint32(k), fieldKindNames[:]) }

// Struct is a structure of the UAPI.
type Struct struct {
	// Name as in C, without "struct".
	Name string
	// Size in bytes.
	Size uint32
	// Fields in the order of their offsets. Padding is left out; members of a
	// union overlap.
	Fields []Field
}

// Field returns the named field, or nil.
func (s *Struct) Field(name string) *Field {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// At returns the field that holds [offset, offset+size), or nil. Of several
// members of a union it is the first.
func (s *Struct) At(offset, size uint32) *Field {
	for i := range s.Fields {
		if f := &s.Fields[i]; offset >= f.Offset && size <= f.Size && offset-f.Offset <= f.Size-size {
			return f
		}
	}
	return nil
}

// layout places fields as a C compiler does on a 64-bit machine.
func layout(name string, fields ...Field) *Struct {
	s := &Struct{Name: name, Fields: fields}
	align := uint32(1)
	for i := range s.Fields {
		f := &s.Fields[i]
		elem := f.Size / f.Count
		s.Size = (s.Size + elem - 1) / elem * elem
		f.Offset = s.Size
		s.Size += f.Size
		align = max(align, elem)
	}
	s.Size = (s.Size + align - 1) / align * align
	s.Fields = withoutPadding(s.Fields)
	return s
}

func withoutPadding(fields []Field) []Field {
	out := fields[:0]
	for _, f := range fields {
		if f.Name != "" {
			out = append(out, f)
		}
	}
	return out
}

func u8(name string) Field             { return Field{Name: name, Size: 1, Count: 1} }
func u16(name string) Field            { return Field{Name: name, Size: 2, Count: 1} }
func u32(name string) Field            { return Field{Name: name, Size: 4, Count: 1} }
func u64(name string) Field            { return Field{Name: name, Size: 8, Count: 1} }
func u32s(name string, n uint32) Field { return Field{Name: name, Size: 4 * n, Count: n} }
func u64s(name string, n uint32) Field { return Field{Name: name, Size: 8 * n, Count: n} }

// ptr is a pointer of a kind in 64 bits.
func ptr(name string, kind FieldKind) Field { return Field{Name: name, Size: 8, Count: 1, Kind: kind} }

// packet is a pointer into the packet that shows as 32 bits.
func packet(name string, kind FieldKind) Field {
	return Field{Name: name, Size: 4, Count: 1, Kind: kind}
}

// pad is unnamed space.
func pad(bytes uint32) Field { return Field{Size: bytes, Count: bytes} }
