// Package guest is what both sides of a test machine agree on: the plan that
// the host writes into the machine's file system, and the line that ends the
// machine's output.
package guest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// PlanPath is where init finds its plan.
const PlanPath = "/plan.json"

// OutputPort is the serial port that jobs write to.
const OutputPort = "/dev/ttyS1"

// Plan is what init does.
type Plan struct {
	// Modules are paths of kernel modules in the order of loading.
	Modules []string
	Jobs    []Job
}

// Job is one command.
type Job struct {
	Name string
	Path string
	Args []string
	Dir  string
	Env  []string
}

// Marshal writes the plan.
func (p Plan) Marshal() ([]byte, error) { return json.MarshalIndent(p, "", "\t") }

// ParsePlan reads one.
func ParsePlan(b []byte) (p Plan, err error) {
	err = json.Unmarshal(b, &p)
	return p, err
}

// Marks stand at the beginning of lines of init's own.
const (
	markJob = "\x1ejob "
	markEnd = "\x1eend "
)

// JobLine announces the output of job i.
func JobLine(i int, name string) string { return fmt.Sprintf("%s%d %s\n", markJob, i, name) }

// ParseJobLine reads it.
func ParseJobLine(line string) (i int, name string, ok bool) {
	rest, ok := strings.CutPrefix(line, markJob)
	if !ok {
		return 0, "", false
	}
	num, name, ok := strings.Cut(strings.TrimRight(rest, "\r\n"), " ")
	if _, err := fmt.Sscanf(num, "%d", &i); err != nil || !ok {
		return 0, "", false
	}
	return i, name, true
}

// EndLine carries the jobs' exit codes; a job that could not be started has
// code -1.
func EndLine(codes []int) string {
	b, _ := json.Marshal(codes) // a slice of numbers always can be
	return markEnd + string(b) + "\n"
}

// ParseEndLine reads it.
func ParseEndLine(line string) (codes []int, ok bool) {
	rest, ok := strings.CutPrefix(line, markEnd)
	if !ok || json.Unmarshal([]byte(strings.TrimSpace(rest)), &codes) != nil {
		return nil, false
	}
	return codes, true
}
