package symbol

import (
	"strings"

	"github.com/ianlancetaylor/demangle"
)

// Demangle gives a symbol of C++ or Rust its name in the source, without
// parameters and the hash that Rust appends; other names stay as they are. What
// follows an '@' (a version, "plt") stays.
func Demangle(name string) string {
	return demangled(name, false)
}

// demangled keeps the parameters if they are wanted.
func demangled(name string, parameters bool) string {
	base, at, versioned := strings.Cut(name, "@")
	const longest = 16 << 10 // the demangler's work may grow faster than the name
	if len(base) > longest || !(strings.HasPrefix(base, "_Z") || strings.HasPrefix(base, "_R") || strings.HasPrefix(base, "__Z")) {
		return name
	}
	out, opt := base, []demangle.Option{demangle.MaxLength(14)}
	if !parameters {
		opt = append(opt, demangle.NoParams, demangle.NoEnclosingParams)
	}
	_ = guard("demangle", func() error {
		if s, err := demangle.ToString(base, opt...); err == nil {
			out = s
		}
		return nil
	})
	if versioned {
		return out + "@" + at
	}
	return out
}
