// Package shadow holds the verifier to its word: it runs an accepted program on an
// interpreter that knows where each pointer came from and which bytes each object
// owns, and compares every step with what the verifier held there.
//
//	j, err := shadow.Judge(ctx, prog, check.Options{})   // verifies and notes the states
//	err = j.Run(rng)                                     // one run with random input
//
// A *Violation says what was claimed and what was so. Compared are: each live
// register's kind (number, or pointer into what), its bits and its signed and
// unsigned 64- and 32-bit ranges, its offset, the frame, map or size it is about, the
// bytes of the packet behind it, that what is not "or NULL" is not NULL, numbers
// that are said to be equal; bytes of the stack that are said to be zero or a spilled
// register, when they are read; every access against its object; the facts for
// compilers (what an access goes through, at which offset; which way a comparison
// never goes); references that are held at the end.
//
// Verification forgets differences between numbers that nothing depends on, so a run
// need not be covered by a state there. With check.Options.Exact it compares all
// numbers and every claim must hold; without, pointers, accesses and facts must.
//
// Helpers are modelled (helpers.go); a call of another one ends the run with
// ErrUnmodelled.
package shadow
