package abi

func traceContexts() []contextRow {
	rawTP, perf := programs(ProgRawTracepoint), programs(ProgPerfEvent)
	return []contextRow{
		{programs: rawTP, layout: rawTracepointArgs().grantAll(anyOf)},
		{programs: programs(ProgRawTracepointWritable), layout: writableTracepointArgs().grantAll(anyOf).grant(long, no, "buffer")},
		{programs: kprobe, arch: "amd64", layout: PtRegsAMD64()},
		{programs: kprobe, arch: "arm64", layout: PtRegsARM64()},
		{programs: perf, arch: "amd64", layout: perfEventData(PtRegsAMD64())},
		{programs: perf, arch: "arm64", layout: perfEventData(PtRegsARM64())},
		{programs: lirc, layout: lircCtx().grantAll(word)},
	}
}

// perfEventData is struct bpf_perf_event_data: registers, read whole, and what
// was sampled.
func perfEventData(regs *Struct) *Struct {
	s := layout("bpf_perf_event_data", u64s("regs", regs.Size/8), u64("sample_period"), u64("addr")).grantAll(anyOf)
	var fields []Field
	for _, f := range regs.Fields {
		f.Name, f.Load = "regs."+f.Name, long
		fields = append(fields, f)
	}
	s.Fields = append(fields, s.Fields[1:]...)
	return s
}
