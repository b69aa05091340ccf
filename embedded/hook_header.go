package embedded

import (
	"fmt"
	"strings"
)

// header is the C header of a hook. It stands on its own; what other headers of
// BPF programs define as well is defined the same or not again.
func (d *declaration) header(cfg *HookConfig) string {
	var b strings.Builder
	guard := "SKEP_HOOK_" + strings.Map(func(r rune) rune {
		if isName("_" + string(r)) {
			return r
		}
		return '_'
	}, strings.ToUpper(d.hook.Name))
	fmt.Fprintf(&b, "/* Programs at hook %s: SEC(%q). Made by skep from its declaration in Go. */\n", d.hook.Name, d.hook.Name)
	fmt.Fprintf(&b, "#ifndef %s\n#define %s\n\n", guard, guard)
	for _, t := range [...][2]string{
		{"unsigned char", "__u8"},
		{"unsigned short", "__u16"},
		{"unsigned int", "__u32"},
		{"unsigned long long", "__u64"},
		{"signed char", "__s8"},
		{"short", "__s16"},
		{"int", "__s32"},
		{"long long", "__s64"},
	} {
		fmt.Fprintf(&b, "typedef %s %s;\n", t[0], t[1])
	}
	for _, m := range [...][2]string{
		{"SEC(name)", `__attribute__((section(name), used))`}, {"__ksym", `__attribute__((section(".ksyms")))`},
	} {
		name, _, _ := strings.Cut(m[0], "(")
		fmt.Fprintf(&b, "\n#ifndef %s\n#define %s %s\n#endif\n", name, m[0], m[1])
	}
	if len(cfg.Results) > 0 {
		fmt.Fprintf(&b, "\n/* What programs return. */\nenum {\n")
		for _, r := range cfg.Results {
			fmt.Fprintf(&b, "\t%s = %d,\n", r.Name, r.Value)
		}
		b.WriteString("};\n")
	}
	for _, s := range d.structs {
		s.write(&b, "")
	}
	d.context.write(&b, "/* The context. What is const programs only read. */\n")
	if len(d.protos) > 0 {
		b.WriteString("\n/* What programs may call. */\n")
		for _, p := range d.protos {
			fmt.Fprintf(&b, "extern %s __ksym;\n", p)
		}
	}
	b.WriteString("\n#endif\n")
	return b.String()
}

// write declares a structure; above, if not empty, is the comment over a context.
// Where Go has room without a name, so has C.
func (s *cStruct) write(b *strings.Builder, above string) {
	fmt.Fprintf(b, "\n%sstruct %s {\n", above, s.name)
	at, align := uint32(0), uint32(1)
	pad := func(to, natural uint32) {
		if natural != to {
			fmt.Fprintf(b, "\t__u8 skep_pad_%d[%d];\n", at, to-at)
		}
	}
	for _, f := range s.fields {
		pad(f.offset, (at+f.size-1)/f.size*f.size)
		at, align = f.offset+f.size*f.count, max(align, f.size)
		quality := ""
		if above != "" && !f.store && !f.data {
			quality = "const "
		}
		switch {
		case f.data:
			fmt.Fprintf(b, "\tvoid *%s;\n\tvoid *%s_end;\n", f.name, f.name)
		case f.array:
			fmt.Fprintf(b, "\t%s%s %s[%d];\n", quality, f.typ, f.name, f.count)
		default:
			fmt.Fprintf(b, "\t%s%s %s;\n", quality, f.typ, f.name)
		}
	}
	pad(s.size, (at+align-1)/align*align)
	b.WriteString("};\n")
}
