// Package selftests fetches the source of Linux as Debian packages it and
// compiles the BPF programs of the kernel's own self-tests
// (tools/testing/selftests/bpf/progs) to object files.
//
//	tree, err := selftests.Fetch(ctx, "6.12", cache)
//	build, err := tree.Build(ctx, selftests.Options{Progress: os.Stderr})
//
// Fetching needs apt-get, apt-cache, dpkg-deb and xz; compiling needs clang-19,
// the headers of a C library, bpftool and python3. A missing one is an error that
// names its package. Nothing of it comes into the repository: sources, headers
// and objects live below the user's cache directory.
//
// # For maintainers
//
// The tests' own Makefile builds a C library and bpftool first, which takes far
// longer than the programs themselves. Only two of its products are needed:
// vmlinux.h, which any bpftool prints from a kernel's type information, and
// bpf_helper_defs.h, which the tree's script writes. Compiler flags are those of
// the Makefile (BPF_CFLAGS and the per-file exceptions of Linux 6.12) except
// -Werror, which would only make warnings of another compiler fatal.
//
// A folder of objects is named after what went into it (compiler, flags, headers,
// sources), so that a second run compiles nothing and a changed header everything.
package selftests
