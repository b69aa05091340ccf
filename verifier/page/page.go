package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/skepdev/skep/verifier"
)

// Program is one program of the page.
type Program struct {
	// Object and Section that it comes from, for the headings.
	Object, Section string
	// Verified is the program, Report what became of it, with a log of level 2
	// for the states of registers.
	Verified *verifier.Program
	Report   *verifier.Report
	// Explanation of a refusal, or nil.
	Explanation *verifier.Explanation
}

//go:embed page.html
var source string

var tmpl = template.Must(template.New("page").Parse(source))

// view is what the template sees of a program.
type view struct {
	ID, Name, Object, Section string
	Accepted                  bool
	Explanation               *verifier.Explanation
	Facts                     []fact
	Functions                 []function
}

type fact struct{ Name, Value string }

// Write writes the page. Programs are shown in the order given.
func Write(w io.Writer, title string, programs []Program) error {
	data := struct {
		Title    string
		Programs []view
	}{Title: title}
	for i := range programs {
		p := &programs[i]
		bad := -1
		if p.Explanation != nil {
			bad = p.Explanation.Slot
		}
		r := p.Report
		data.Programs = append(data.Programs, view{
			ID: fmt.Sprintf("p%d", i), Name: p.Verified.Name(), Object: p.Object, Section: p.Section,
			Accepted: r.Accepted, Explanation: p.Explanation, Functions: functionsOf(p, bad),
			Facts: []fact{
				{"instructions simulated", fmt.Sprintf("%d of %d", r.Processed, r.Limit)},
				{"longest path", fmt.Sprint(r.LongestPath)},
				{"states kept", fmt.Sprint(r.States)},
				{"stack", fmt.Sprintf("%d of 512 bytes", r.Stack)},
			},
		})
	}
	return tmpl.Execute(w, data)
}
