// Package differ looks for random programs on which two verifiers disagree, and
// shrinks what it finds.
//
//	rep, err := differ.Run(ctx, differ.Options{Open: differ.OursAndKernel(verifier.Privileged, ""), For: time.Minute})
//	rep.Print(os.Stdout)
//
// Disagreements for the same pair of reasons count as one finding, of which the
// smallest program is kept. Those where ours accepts what the kernel rejects come
// first: each of them is a hole, or a kernel that is stricter than safety asks for.
//
//	go run ./verifier/internal/differ/cmd/differ -for 1m
//
// On another kernel, in a virtual machine:
//
//	CGO_ENABLED=0 go build -o /tmp/differ ./verifier/internal/differ/cmd/differ
//	go run ./internal/vmtest/cmd/vmtest -kernel 6.12 -- /tmp/differ -as 6.12 -for 5m
package differ
