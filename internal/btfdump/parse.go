package btfdump

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// ParseText reads what somebody wrote for a value of type t on a command line
// into something Encode takes: JSON for structs, unions and lists, the bare
// text for the rest.
func ParseText(t btf.Type, s string) (any, error) {
	if t == nil {
		return s, nil
	}
	under, _, err := strip(t)
	if err != nil {
		return nil, err
	}
	switch under.(type) {
	case *btf.Struct, *btf.Union, *btf.Array, *btf.Datasec:
		if trimmed := strings.TrimSpace(s); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") || strings.HasPrefix(trimmed, `"`) {
			return ParseJSON([]byte(trimmed))
		}
	}
	return s, nil
}

// ParseJSON reads one JSON value with all digits of its numbers.
func ParseJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more after the value")
	}
	return v, nil
}
