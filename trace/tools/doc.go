// Package tools holds the tools that people reach for first, as scripts of the
// bpftrace language: what is opened, executed and connected to, and how long
// disks, run queues and locks let programs wait.
//
//	tool, ok := tools.Find("opensnoop")
//	src, err := tool.Compose(tools.Choice{PID: 1234, Values: map[string]string{"failed": "true"}})
//	rows := tool.Rows(os.Stdout, tools.Display{})
//	// compile src.Text with src.Named, run it as JSON with rows as its output
//
// A tool is one file in bt, which begins with what it is called, what it says,
// its columns, options and examples. Scripts print a tuple a row; what is shown
// of it, and how, is settled here. Filters stand as wanted() in a script, for which
// Compose puts what was asked, so that it costs nothing for filters that nobody
// gave.
package tools
