// Package embedded is the engine in this process: eBPF without a kernel, root or
// cgo.
//
// # Using it
//
//	eng, err := embedded.New(embedded.Config{})
//	defer eng.Close()
//	coll, err := eng.Load(ctx, spec, nil)
//
// loads and test-runs programs as package kernel does. What the kernel gives by
// itself, the caller brings here: network devices are made with
// [Engine.AddDevice] and fed with frames through [Device.Receive] and
// [Device.Transmit]; XDP and tc programs attach to them by name. Pins live as
// long as the engine.
//
// Programs are verified before they run: what Linux would refuse is refused with
// an explanation ([engine.VerifierError]), and what was proved is not compared
// again in native code. Config.Verify says otherwise. A program that was not
// verified runs with each memory access checked, and a bad one ends the run with
// an [engine.FaultError]. On a live packet that means that the packet is dropped,
// counted, and reported through Config.OnFault.
//
// # For maintainers
//
// Files have the names of package kernel's, so that the twins can be read side
// by side; hooks.go, receive.go, transmit.go and redirect.go are what Linux does
// in net/core/dev.c and net/core/filter.c. A live object is a core (mapCore,
// programCore, attachment) that pins, hooks and handles share; handles are what
// the user closes. The machine below ends when the engine and every handle are
// closed, because maps may outlive the engine.
//
// Nothing allocates on the way of a packet: a job (job.go) carries all it needs
// and is reused.
package embedded
