// Package corpus holds programs against judges: what a verifier says of each
// program of a corpus, beside what is expected of it and beside what the running
// kernel says.
//
// A corpus is a list of [Case]. Cases come from objects: the kernel's own
// self-tests carry their expectations as BTF declaration tags ([Open] reads them);
// any other object has none, and what the kernel says stands in for them.
//
//	obj, err := corpus.Open("verifier_bounds.bpf.o")
//	rep, err := corpus.Run(ctx, []*corpus.Object{obj}, corpus.Options{Judges: corpus.Judges()})
//	rep.Table(os.Stdout)
//
// A [Judge] is a function; [Judges] lists those there are. The command agree
// (cmd/agree) is the same for the terminal.
//
// # For maintainers
//
// The self-tests' loader (test_loader.c of Linux 6.12) is the reference for what a
// tag means: tags.go reads them as it does, match.go compares messages as it does
// (in their order, each after the end of the one before), kernel.go loads as it
// does (the program alone, auxiliary ones beside it, the test flags set). A program
// without tags in an object that has some is expected to load, as there.
//
// Two cores fetch the self-tests of Linux 6.12 (153 MB), compile 790 of 798 sources
// and ask the running kernel about 3,546 programs in about a minute and a half; what
// the kernel said is kept, so that a second run takes a few seconds. Linux 6.18 agrees
// with 99.6 % of the expectations of 6.12 that it can say something about, Linux 6.12
// itself, in a virtual machine (-linux 6.12), with all of those tried. Some kernels
// load no fentry, fexit, fmod_ret and LSM programs at all; a virtual machine's do.
//
// A judge that cannot say (a kernel without the kfunc, a map it cannot make, a
// program type not known) says so: such cases are counted and listed, and belong
// to no percentage.
package corpus
