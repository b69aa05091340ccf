// Package doctor finds out what a machine can do with eBPF by doing it: it
// loads programs, creates maps and attaches to objects of its own making, on
// both engines, and reads what the system says about itself. For each missing
// thing the report says what it would give and how to get it.
//
//	report, err := doctor.Examine(ctx, doctor.Options{Engines: []engine.Engine{k, e}})
//	for _, f := range report.Features { … }
//
// Asking whether the kernel knows a type is no examination: kernels answer yes
// for programs that cannot be loaded or attached, because an option is off, a
// capability is missing or a policy forbids it. Every answer here is one of
// [engine.Engine.Supports], which tries.
//
// Nothing stays behind and nothing of the machine is touched: probes attach to
// interfaces, cgroups and namespaces that they made themselves.
package doctor
