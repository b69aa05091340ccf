//go:build linux

// Init is the first process of a test machine: it mounts what tests expect,
// loads the modules, runs the jobs and switches the machine off.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/internal/vmtest/guest"
)

func main() {
	err := run()
	if err != nil {
		fmt.Println("init:", err) // to the console, which the host shows
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("init: power off:", err)
	}
	select {} // a first process that ends is a kernel panic
}

// mounts in their order.
func mounts() [][2]string {
	return [][2]string{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"securityfs", "/sys/kernel/security"},
		{"cgroup2", "/sys/fs/cgroup"},
		{"bpf", "/sys/fs/bpf"},
		{"tracefs", "/sys/kernel/tracing"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/run"},
	}
}

func run() error {
	for _, m := range mounts() {
		if err := os.MkdirAll(m[1], 0o755); err != nil {
			fmt.Println("init:", err)
		}
		// A kernel without one of them is one that the tests adapt to.
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Printf("init: mount %s: %v\n", m[1], err)
		}
	}
	b, err := os.ReadFile(guest.PlanPath)
	if err != nil {
		return err
	}
	plan, err := guest.ParsePlan(b)
	if err != nil {
		return err
	}
	for _, path := range plan.Modules {
		if err := load(path); err != nil {
			fmt.Printf("init: load %s: %v\n", path, err)
		}
	}
	if err := loopbackUp(); err != nil {
		fmt.Println("init: loopback:", err)
	}
	out, err := os.OpenFile(guest.OutputPort, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := raw(int(out.Fd())); err != nil {
		return err
	}
	codes := make([]int, len(plan.Jobs))
	for i, j := range plan.Jobs {
		fmt.Fprint(out, guest.JobLine(i, j.Name))
		codes[i] = job(j, out)
	}
	fmt.Fprint(out, guest.EndLine(codes))
	// Power-off must not overtake what is still in the port's buffer.
	if err := unix.IoctlSetInt(int(out.Fd()), unix.TCSBRK, 1); err != nil {
		return err
	}
	return nil
}

func job(j guest.Job, out *os.File) int {
	cmd := exec.Command(j.Path, j.Args...)
	cmd.Dir, cmd.Env = j.Dir, j.Env
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	fmt.Fprintln(out, "init:", err)
	return -1
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// loopbackUp switches the loopback interface on.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// raw keeps the serial port from rewriting line ends.
func raw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
