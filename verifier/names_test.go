package verifier

import "testing"

func TestAssigned(t *testing.T) {
	for _, c := range []struct {
		line   string
		column int
		want   string
	}{
		{"\tu64 *count = bpf_map_lookup_elem(&seen, &key);", 15, "count"},
		{"\t*count += 1;", 9, "*count"},
		{"\te->kind = ctx->rx_queue_index;", 10, "e->kind"},
		{"\tbuffer[i & 7].next = 1;", 0, "buffer[i & 7].next"},
		{"\tfor (u32 i = 0; i < n; i++)", 25, "i"},
		{"\tu32 a = 1, b = f();", 17, "b"},
		{"\tu32 a = 1, b = f();", 10, "a"},
		{"\tu32 a = 1, b = f();", 0, ""},
		{"\tif (a == b || a >= c || a != d || a <= e)", 6, ""},
		{"\tn <<= 2;", 4, "n"},
		{"\treturn a;", 2, ""},
		{"= 1;", 1, ""},
		{"x]=", 0, ""},
		{"=", 0, ""},
		{"", 0, ""},
	} {
		if got := assigned(c.line, c.column); got != c.want {
			t.Errorf("assigned(%q, %d) = %q, want %q", c.line, c.column, got, c.want)
		}
	}
}

func TestExpressionAt(t *testing.T) {
	for _, c := range []struct {
		line   string
		column int
		want   string
	}{
		{"return skb->wire_len > 100;", 13, "skb->wire_len"},
		{"if (g->count++ > 10)", 13, "g->count"},
		{"return a[b].c;", 13, "a[b].c"},
		{"x", 2, ""},
		{"x", 0, ""},
		{"(x)", 1, ""},
	} {
		if got := expressionAt(c.line, c.column); got != c.want {
			t.Errorf("expressionAt(%q, %d) = %q, want %q", c.line, c.column, got, c.want)
		}
	}
}

func TestArgumentText(t *testing.T) {
	for _, c := range []struct {
		line, function string
		n              int
		want           string
	}{
		{"return f(&key, g(a, b), c[1]) ? 1 : 2;", "f", 0, "&key"},
		{"return f(&key, g(a, b), c[1]) ? 1 : 2;", "f", 1, "g(a, b)"},
		{"return f(&key, g(a, b), c[1]) ? 1 : 2;", "f", 2, "c[1]"},
		{"return f(&key, g(a, b), c[1]) ? 1 : 2;", "f", 3, ""},
		{"f(a,", "f", 1, ""},
		{"f(a", "f", 0, ""},
		{"f(a)", "", 0, ""},
		{"g(a)", "f", 0, ""},
	} {
		if got := argumentText(c.line, c.function, c.n); got != c.want {
			t.Errorf("argumentText(%q, %q, %d) = %q, want %q", c.line, c.function, c.n, got, c.want)
		}
	}
}

// FuzzNames: source text comes from the object and can be anything.
func FuzzNames(f *testing.F) {
	f.Add("\tu64 *count = bpf_map_lookup_elem(&seen, &key);", 15)
	f.Add("a[b->c] <<= f((x), {y});", 3)
	f.Fuzz(func(_ *testing.T, line string, column int) {
		_ = assigned(line, column)
		_ = expressionAt(line, column)
		for n := range 3 {
			_ = argumentText(line, "f", n)
		}
	})
}
