package embedded

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skepdev/skep/abi"
)

// cNumbers are the words that numbers' types are made of, with their size in
// bytes on the BPF machine, or 0 for those that only qualify.
var cNumbers = map[string]uint32{
	"char": 1, "short": 2, "int": 4, "long": 8, "_Bool": 1, "bool": 1, "size_t": 8, "signed": 0, "unsigned": 0,
	"__u8": 1, "__u16": 2, "__u32": 4, "__u64": 8, "__s8": 1, "__s16": 2, "__s32": 4, "__s64": 8,
	"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8,
}

// cType is the type of a result or an argument.
type cType struct {
	constant, pointer, void bool
	size                    uint32 // of the number or what is pointed to
	structure               string
}

// parseProto reads a helper's prototype.
func (d *declaration) parseProto(s string) (*abi.HookFunc, error) {
	head, rest, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(s), ";"), "(")
	params, after, closed := strings.Cut(rest, ")")
	if !ok || !closed || strings.TrimSpace(after) != "" {
		return nil, errors.New(`it is not of the form "type name(arguments)"`)
	}
	ret, name, err := d.parseDecl(head)
	switch {
	case err != nil:
		return nil, err
	case ret.pointer:
		return nil, errors.New("it returns a pointer: return a number, and write what else there is through an argument")
	case ret.structure != "":
		return nil, errors.New("it returns a structure")
	}
	f := &abi.HookFunc{Name: name, Return: abi.RetInteger}
	if ret.void {
		f.Return = abi.RetVoid
	}
	if p := strings.TrimSpace(params); p == "" || p == "void" {
		return f, nil
	}
	list := strings.Split(params, ",")
	if len(list) > 5 {
		return nil, fmt.Errorf("it has %d arguments; there are five registers", len(list))
	}
	var before string // the memory that the argument is the size of
	for i, p := range list {
		t, arg, err := d.parseDecl(p)
		if err != nil {
			return nil, err
		}
		next := ""
		if i+1 < len(list) {
			if _, n, err := d.parseDecl(list[i+1]); err == nil {
				next = n
			}
		}
		a, err := d.argument(t, arg, before, next)
		if err != nil {
			return nil, fmt.Errorf("argument %s: %w", arg, err)
		}
		before = ""
		if a.Kind == abi.ArgMem {
			before = arg
		}
		f.Args = append(f.Args, a)
	}
	return f, nil
}

// parseDecl reads a type and a name.
func (d *declaration) parseDecl(s string) (t cType, name string, err error) {
	words := strings.Fields(strings.ReplaceAll(s, "*", " * "))
	if len(words) < 2 || !isName(words[len(words)-1]) {
		return t, "", fmt.Errorf("%q is not a type and a name", strings.TrimSpace(s))
	}
	name, words = words[len(words)-1], words[:len(words)-1]
	numbers := 0
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == "*" && t.pointer:
			return t, name, fmt.Errorf("%s is a pointer to a pointer", name)
		case w == "*":
			t.pointer = true
		case w == "const" && !t.pointer:
			t.constant = true
		case w == "const":
		case w == "void":
			t.void = true
		case w == "struct" && i+1 < len(words):
			i++
			t.structure = words[i]
		default:
			n, ok := cNumbers[w]
			if !ok || t.pointer {
				return t, name, fmt.Errorf("the type of %s has %q, which is not known here", name, w)
			}
			numbers++
			if n == 0 && t.size == 0 {
				t.size = 4 // unsigned is unsigned int
			} else if n != 0 && !(w == "int" && numbers > 1 && t.size != 4) {
				t.size = n
			}
		}
	}
	kinds := 0
	for _, is := range []bool{t.void, t.structure != "", numbers > 0} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return t, name, fmt.Errorf("the type of %s is not understood", name)
	}
	return t, name, nil
}

// argument is what the verifier is told of an argument. before is the memory
// whose size it may be, next the name of the argument behind it.
func (d *declaration) argument(t cType, name, before, next string) (abi.Arg, error) {
	if !t.pointer {
		switch {
		case t.void || t.structure != "":
			return abi.Arg{}, errors.New("it is neither a number nor a pointer")
		case before != "" && name == before+"__sz":
			return abi.Arg{Kind: abi.ArgConstSizeOrZero}, nil
		}
		return abi.Arg{Kind: abi.ArgAnything}, nil
	}
	var a abi.Arg
	if strings.HasSuffix(name, "__nullable") {
		a.Flags |= abi.ArgMaybeNull
	}
	written := abi.ArgWritten | abi.ArgUninit
	if t.constant {
		written = 0
	}
	switch {
	case t.structure != "" && t.structure == d.context.name:
		a.Kind = abi.ArgCtx
		return a, nil
	case next == name+"__sz":
		a.Kind = abi.ArgMem
		a.Flags |= written
		return a, nil
	case strings.HasSuffix(name, "__str"):
		if !t.constant || t.size != 1 {
			return a, errors.New("a string is a const char *")
		}
		a.Kind = abi.ArgConstStr
		return a, nil
	case t.void:
		return a, fmt.Errorf("nothing says how much memory it is: let its size follow as %s__sz", name)
	}
	a.Kind, a.Size = abi.ArgFixedMem, t.size
	if t.structure != "" {
		s := d.byName[t.structure]
		if s == nil {
			return a, fmt.Errorf("struct %s is not among the hook's structures", t.structure)
		}
		a.Size = s.size
	}
	a.Flags |= written
	return a, nil
}
