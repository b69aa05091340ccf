// Package syntax reads and prints the bpftrace language: text to tree and back.
//
//	prog, err := syntax.Parse(syntax.NewFile("count.bt", text))
//
// The language is that of bpftrace 0.27. Names mean nothing here: whether pid
// is a builtin, a macro or a constant is decided by package lang. The only
// words the grammar treats apart are keywords and, because "(pid)*x" is a
// product and "(name)*x" a cast, the names of builtins.
//
// For the maintainer: there is no token stream. Probe paths, C definitions and
// expressions each have their own idea of a word, so the parser reads
// characters, and goes back where the grammar is ambiguous ("(" opens a group, a
// tuple, a record or a cast). The tree keeps byte offsets; [File.Position] and
// [Error.Format] turn them into lines and columns. Nesting is bounded by
// [MaxDepth], so that no input can exhaust the stack.
package syntax
