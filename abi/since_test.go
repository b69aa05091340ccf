package abi

import "testing"

// TestSince: the newest of each kind that Linux 6.1 has, and the first that it
// has not.
func TestSince(t *testing.T) {
	for _, c := range []struct {
		what string
		got  uint32
		want uint32
	}{
		{"bpf_user_ringbuf_drain", FnUserRingbufDrain.Since(), 0},
		{"bpf_cgrp_storage_get", FnCgrpStorageGet.Since(), 0x60200},
		{"user_ringbuf", MapUserRingBuf.Since(), 0},
		{"arena", MapArena.Since(), 0x60900},
		{"syscall", ProgSyscall.Since(), 0},
		{"netfilter", ProgNetfilter.Since(), 0x60400},
		{"lsm_cgroup", AttachLSMCgroup.Since(), 0},
		{"tcx_ingress", AttachTCXIngress.Since(), 0x60600},
	} {
		if c.got != c.want {
			t.Errorf("%s: since %#x, want %#x", c.what, c.got, c.want)
		}
	}
}
