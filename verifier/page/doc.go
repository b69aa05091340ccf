// Package page draws what the verifier found out about programs as one page of
// HTML: the source with what each line costs, its instructions with the states
// of their registers, the branches taken, and what is refused with the reason.
//
// The page stands alone: no script, no other file, nothing from a network.
//
// # For maintainers
//
// The states come from the log in the kernel's form ([verifier.Report].Log with
// LogLevel 2), read by steps.go; lines.go puts instructions under their lines,
// page.go writes the HTML.
package page
