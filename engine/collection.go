package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Close closes the collection's programs and the maps it owns. It is safe on
// nil and twice. Links that were made from its programs stay attached.
func (c *Collection) Close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, p := range c.Programs {
		errs = append(errs, p.Close())
	}
	for name, m := range c.Maps {
		if !c.Borrowed[name] {
			errs = append(errs, m.Close())
		}
	}
	for _, o := range c.Owned {
		errs = append(errs, o.Close())
	}
	c.Programs, c.Maps, c.Variables, c.Owned = nil, nil, nil, nil
	return errors.Join(errs...)
}

// Program returns the named program. An empty name means the only program
// there is; with several, or none of that name, the error lists the names.
func (c *Collection) Program(name string) (Program, error) {
	if name == "" && len(c.Programs) == 1 {
		for _, p := range c.Programs {
			return p, nil
		}
	}
	if p, ok := c.Programs[name]; ok {
		return p, nil
	}
	return nil, missing("program", name, slices.Sorted(maps.Keys(c.Programs)))
}

// Map returns the named map, or an error that lists the names.
func (c *Collection) Map(name string) (Map, error) {
	if m, ok := c.Maps[name]; ok {
		return m, nil
	}
	return nil, missing("map", name, slices.Sorted(maps.Keys(c.Maps)))
}

// Variable returns the named global variable, or an error that lists the names.
func (c *Collection) Variable(name string) (Variable, error) {
	if v, ok := c.Variables[name]; ok {
		return v, nil
	}
	return nil, missing("variable", name, slices.Sorted(maps.Keys(c.Variables)))
}

func missing(what, name string, have []string) error {
	switch {
	case len(have) == 0:
		return fmt.Errorf("%s %q: the collection has none: %w", what, name, ErrNotExist)
	case name == "":
		return fmt.Errorf("%s: name one of %s: %w", what, strings.Join(have, ", "), ErrNotExist)
	}
	return fmt.Errorf("%s %q: the collection has %s: %w", what, name, strings.Join(have, ", "), ErrNotExist)
}
