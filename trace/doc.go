// Package trace runs scripts of the bpftrace language on an engine.
//
//	env, err := trace.Open()                    // what this machine has: tracepoints, types, symbols
//	obj, err := lang.Compile(file, env, opts)
//	s := &trace.Session{Object: obj, Engine: eng, Env: env, Out: os.Stdout, Err: os.Stderr}
//	code, err := s.Run(ctx)
//
// A session loads the programs, runs begin probes, attaches the others, prints
// what programs send until the context ends or the script calls exit(), detaches,
// runs end probes and prints the maps. Output is bpftrace's, as text or JSON.
//
// Records that did not fit the ring buffer are counted in the kernel; the count
// is printed whenever it has grown, so that what was sent is what was printed
// plus what was reported lost.
package trace
