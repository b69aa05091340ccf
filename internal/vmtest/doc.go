// Package vmtest runs static test binaries on other kernels than the machine's:
// it fetches Debian's kernel packages through apt, boots them under QEMU
// without hardware support, and brings back output and exit code.
//
//	k, err := vmtest.Fetch(ctx, "6.12", cache)
//	res, err := vmtest.Machine{Kernel: k}.Run(ctx, jobs, os.Stdout)
//
// What it needs: apt-get, apt-cache and dpkg-deb for fetching, qemu-system-x86_64
// for booting, the go command for building the guest. A missing one is an error
// that names the package which has it. Fetched kernels are kept under the user's
// cache directory; nothing else stays.
//
// # How a machine runs
//
// The initial file system is an archive made here (see cpio.go): a small Go
// program as /init (package guest), the kernel modules that the jobs need, the
// binaries and their testdata. The kernel talks on the first serial port, the
// jobs on the second, so their output is whole; init ends it with a line that
// carries the exit codes and switches the machine off.
package vmtest
