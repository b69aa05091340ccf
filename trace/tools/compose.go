package tools

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Choice is what is asked of a tool.
type Choice struct {
	// PID, TID, UID and Comm keep what a process, thread or user does, or those
	// of a name; zero values (nil for UID) keep all.
	PID, TID int
	UID      *uint32
	Comm     string
	// Cgroups keeps what processes in them do, and in those below.
	Cgroups []Cgroup
	// Family keeps what the command given to the session and its children do.
	Family bool
	// Values are given options by name.
	Values map[string]string
	// Duration ends the tool; 0 does not.
	Duration time.Duration
}

// Cgroup names a control group: its id in the unified hierarchy, and its depth
// there, 0 for the root.
type Cgroup struct {
	ID    uint64
	Level int
}

// Source is a script to compile, with its named parameters.
type Source struct {
	Text  string
	Named map[string]string
}

// Compose is the tool's script with filters and options. What an option does not
// accept is an error that says so.
func (t *Tool) Compose(c Choice) (Source, error) {
	src := Source{Text: t.Script, Named: map[string]string{}}
	for _, o := range t.Options {
		v, given := c.Values[o.Name]
		if !given {
			v = o.Default
		}
		switch o.Kind {
		case "bool":
			if v == "true" {
				src.Named[o.Name] = v
			}
		case "number":
			if _, err := strconv.ParseInt(v, 10, 64); err != nil && v != "" {
				return Source{}, fmt.Errorf("--%s %q: want a number", o.Name, v)
			}
			src.Named[o.Name] = v
		case "duration":
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return Source{}, fmt.Errorf("--%s %q: want a duration, such as 10ms", o.Name, v)
			}
			src.Named[o.Name] = strconv.FormatInt(int64(d), 10)
		case "interval":
			d, err := time.ParseDuration(v)
			if err != nil || d < time.Millisecond {
				return Source{}, fmt.Errorf("--%s %q: want a duration of 1ms or more, such as 1s", o.Name, v)
			}
			src.Text = strings.ReplaceAll(src.Text, "interval:ms:1000", fmt.Sprintf("interval:ms:%d", d.Milliseconds()))
		case "path":
			if strings.ContainsAny(v, "\"\n: ,{}") {
				return Source{}, fmt.Errorf("--%s %q: a path with such signs cannot be traced", o.Name, v)
			}
			src.Text = strings.ReplaceAll(src.Text, ":"+o.Default+":", ":"+v+":")
		default:
			src.Named[o.Name] = v
		}
	}
	current, task, more, err := c.filter()
	if err != nil {
		return Source{}, err
	}
	src.Text = strings.ReplaceAll(src.Text, "wanted()", current)
	src.Text = ofTask.ReplaceAllStringFunc(src.Text, func(call string) string {
		return strings.ReplaceAll(task, "TASK", ofTask.FindStringSubmatch(call)[1])
	})
	if c.Duration > 0 {
		more += fmt.Sprintf("interval:ms:%d { exit(); }\n", max(c.Duration.Milliseconds(), 1))
	}
	src.Text = strings.TrimRight(src.Text, "\n") + "\n"
	if more != "" {
		src.Text += "\n" + more
	}
	for name, v := range src.Named {
		if v == "" {
			delete(src.Named, name)
		}
	}
	return src, nil
}

// ofTask is how a script asks for a task that is not the current one. It is
// replaced as text, since macros of the language reach no maps.
var ofTask = regexp.MustCompile(`of_task\((\$[a-z_]+)\)`)

// filter is what stands for wanted(), of the current task, and for
// of_task(TASK), of any, with the probes that they need.
func (c Choice) filter() (current, ofAny, more string, err error) {
	var cond, task []string
	both := func(here, any string, args ...any) {
		cond, task = append(cond, fmt.Sprintf(here, args...)), append(task, fmt.Sprintf(any, args...))
	}
	if c.PID != 0 {
		both("pid == %d", "(uint64)TASK->tgid == %d", c.PID)
	}
	if c.TID != 0 {
		both("tid == %d", "(uint64)TASK->pid == %d", c.TID)
	}
	if c.UID != nil {
		both("uid == %d", "TASK->cred->uid.val == %d", *c.UID)
	}
	if c.Comm != "" {
		const most = 15 // TASK_COMM_LEN, less the zero
		if len(c.Comm) > most || strings.ContainsAny(c.Comm, "\"\\\n") {
			return "", "", "", fmt.Errorf("--comm %q: a command's name has %d signs at most, and no quotes", c.Comm, most)
		}
		both("comm == %q", "TASK->comm == %q", c.Comm)
	}
	if len(c.Cgroups) > 0 {
		var here, any []string
		for _, g := range c.Cgroups {
			here = append(here, fmt.Sprintf("cgroup_ancestor(%d) == %d", g.Level, g.ID))
			// A group that is not so deep reads what lies behind its ancestors: the
			// level is asked for first.
			any = append(any, fmt.Sprintf("(TASK->cgroups->dfl_cgrp->level >= %d && TASK->cgroups->dfl_cgrp->ancestors[%d]->kn->id == %d)", g.Level, g.Level, g.ID))
		}
		cond = append(cond, "("+strings.Join(here, " || ")+")")
		task = append(task, "("+strings.Join(any, " || ")+")")
	}
	if c.Family {
		cond, task = append(cond, "@family[pid]"), append(task, "@family[(uint32)TASK->tgid]")
		more = `begin { @family[cpid] = 1; }
tracepoint:sched:sched_process_fork / @family[pid] / { @family[(uint32)args.child_pid] = 1; }
`
	}
	if len(cond) == 0 {
		return "1", "1", more, nil
	}
	return "(" + strings.Join(cond, " && ") + ")", "(" + strings.Join(task, " && ") + ")", more, nil
}
