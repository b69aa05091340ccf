package trace

import (
	_ "embed"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
)

// callsText lists the tracepoints of system calls with their arguments, a line
// each: "openat:int dfd; const char * filename; int flags; umode_t mode"
// (Linux 6.18, amd64, as its format files name them).
//
//go:embed calls.txt
var callsText string

var callArgs = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(callsText) {
		name, args, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		out[name] = nil
		if args != "" {
			out[name] = strings.Split(args, "; ")
		}
	}
	return out
})

// processFormats are the other tracepoints that processes are traced by, as
// fields behind the common ones: declaration, offset, size, signed.
var processFormats = map[string]string{
	"raw_syscalls/sys_enter":   "long id,8,8,1; unsigned long args[6],16,48,0",
	"raw_syscalls/sys_exit":    "long id,8,8,1; long ret,16,8,1",
	"sched/sched_process_exec": "__data_loc char[] filename,8,4,0; pid_t pid,12,4,1; pid_t old_pid,16,4,1",
	"sched/sched_process_exit": "char comm[16],8,16,0; pid_t pid,24,4,1; int prio,28,4,1; bool group_dead,32,1,0",
	"sched/sched_process_fork": "__data_loc char[] parent_comm,8,4,0; pid_t parent_pid,12,4,1; __data_loc char[] child_comm,16,4,0; pid_t child_pid,20,4,1",
	"signal/signal_deliver":    "int sig,8,4,1; int errno,12,4,1; int code,16,4,1; unsigned long sa_handler,24,8,0; unsigned long sa_flags,32,8,0",
}

// commonFields begin every record.
const commonFields = "unsigned short common_type,0,2,0; unsigned char common_flags,2,1,0; unsigned char common_preempt_count,3,1,0; int common_pid,4,4,1"

// processFormat is the text of a format file where there is none to read: path
// is relative to tracefs.
func processFormat(path string) (string, error) {
	event := strings.TrimSuffix(strings.TrimPrefix(path, "events/"), "/format")
	fields, ok := processFormats[event]
	if name, enter := strings.CutPrefix(event, "syscalls/sys_enter_"); enter {
		var args []string
		if args, ok = callArgs()[name]; ok {
			fields = "int __syscall_nr,8,4,1"
			for i, a := range args {
				fields += fmt.Sprintf("; %s,%d,8,0", a, 16+8*i)
			}
		}
	} else if name, exit := strings.CutPrefix(event, "syscalls/sys_exit_"); exit {
		if _, ok = callArgs()[name]; ok {
			fields = "int __syscall_nr,8,4,1; long ret,16,8,1"
		}
	}
	if !ok {
		return "", &os.PathError{Op: "read", Path: path, Err: os.ErrNotExist}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nID: 0\nformat:\n", event)
	for _, f := range strings.Split(commonFields+"; "+fields, "; ") {
		p := strings.Split(f, ",")
		fmt.Fprintf(&b, "\tfield:%s;\toffset:%s;\tsize:%s;\tsigned:%s;\n", p[0], p[1], p[2], p[3])
	}
	return b.String(), nil
}

// processEvents lists them all, group and name, in order.
func processEvents() [][2]string {
	var out [][2]string
	for name := range processFormats {
		group, event, _ := strings.Cut(name, "/")
		out = append(out, [2]string{group, event})
	}
	for name := range callArgs() {
		out = append(out, [2]string{"syscalls", "sys_enter_" + name}, [2]string{"syscalls", "sys_exit_" + name})
	}
	sort.Slice(out, func(i, j int) bool { return out[i][0]+":"+out[i][1] < out[j][0]+":"+out[j][1] })
	return out
}
