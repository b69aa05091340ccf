// Package btfdump turns the bytes of map keys, map values and global variables
// into values a person can read, and back, by their BTF types.
//
//	v, err := btfdump.Decode(typ, bytes)    // → struct fields in declaration order
//	v.AppendJSON(nil)                       // {"packets":3,"proto":"TCP","src":"10.0.0.1"}
//	v.String()                              // {packets=3 proto=TCP src=10.0.0.1}
//	err = btfdump.Encode(typ, fromJSON, dst)
//
// # How C types appear
//
//   - Integers are numbers; wider ones than 64 bits are hex strings.
//   - _Bool is true or false.
//   - Enumerations appear as the enumerator's name, or a number if none has
//     the value.
//   - char arrays are strings as long as they hold printable text padded with
//     zeros, else lists of numbers. Arrays of unsigned bytes are hex strings
//     ("0x0a00"), those of six bytes MAC addresses ("02:00:00:00:00:01").
//   - Pointers are hex strings.
//   - __be16 and __be64 (or be16, be64) are numbers, read in network byte order;
//     __be32 is an IPv4 address; struct in6_addr and __be32[4] are IPv6 addresses.
//   - Members of anonymous structs and unions appear in their parent, as in C.
//     A union shows every member's reading of its bytes.
//   - Types without a size (incomplete structs, functions) are null, and bytes
//     without any type are hex strings.
//
// # What Encode takes
//
// Everything Decode gives, with these freedoms: numbers may be strings in any
// base Go understands ("0x1f", "0b101", "1_000"); an integer of four bytes
// takes an IPv4 address, stored in network byte order; byte arrays take hex
// ("0x…"), MAC, IPv4 or IPv6 addresses of their size, a list of numbers, or
// "text:…"; shorter input is padded with zeros. Missing fields are zero.
// Unknown fields, numbers that do not fit and text that is too long are errors
// that name the place.
//
// # Hostile types
//
// A BTF blob is input. Recursion, cycles of typedefs, members outside their
// struct and arrays of 2³² empty elements end in an error, after a bounded
// number of values ([MaxValues]) and levels ([MaxDepth]).
package btfdump
