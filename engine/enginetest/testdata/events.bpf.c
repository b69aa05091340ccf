// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What programs have to say: ring buffers, perf events, printed lines. */
#include "bpf/lib/helpers.h"

s64 out[8];

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

struct note {
	u32 number;
	u32 length;
	u8 start[8];
};

SEC("xdp")
int write_ring(struct xdp_md *ctx)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (data + 8 > end)
		return XDP_ABORTED;
	for (u32 i = 1; i <= 3; i++) {
		struct note *n = bpf_ringbuf_reserve(&ring, sizeof(*n), 0);
		if (!n)
			return XDP_ABORTED;
		n->number = i;
		n->length = end - data;
		memcpy(n->start, data, 8);
		if (i == 2)
			bpf_ringbuf_discard(n, 0);
		else
			bpf_ringbuf_submit(n, 0);
	}
	out[0] = bpf_ringbuf_output(&ring, "five", 5, 0);
	out[1] = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
	out[2] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
	out[3] = bpf_ringbuf_output(&ring, "x", 1, 99);
	return XDP_PASS;
}

/* Fills the ring until it refuses: 4096 bytes take 31 records of 120 + 8,
 * because a ring is never filled to its last byte. */
SEC("xdp")
int fill_ring(struct xdp_md *ctx)
{
	(void)ctx;
	s64 refused = 0, taken = 0;
	u64 record[15] = {};
	for (u32 i = 0; i < 40; i++) {
		record[0] = i;
		if (bpf_ringbuf_output(&ring, record, sizeof(record), 0))
			refused++;
		else
			taken++;
	}
	out[0] = taken;
	out[1] = refused;
	void *huge = bpf_ringbuf_reserve(&ring, 8192, 0);
	if (huge)
		bpf_ringbuf_discard(huge, 0);
	else
		out[2] = 1;
	return XDP_PASS;
}

SEC("xdp")
int write_perf(struct xdp_md *ctx)
{
	struct note n = {7, ctx->data_end - ctx->data, "perfect"};
	u64 take = 6; /* bytes of the packet, after the note */
	out[0] = bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU | take << 32, &n, sizeof(n));
	out[1] = bpf_perf_event_output(ctx, &perf, 4095, &n, sizeof(n));
	return XDP_PASS;
}

SEC("xdp")
int print(struct xdp_md *ctx)
{
	static const char words[] = "skep story %d 0x%llx %s";
	static const char many[] = "skep story %u %u %u %u";
	char text[] = "end";
	u64 four[] = {1, 2, 3, 4};
	out[0] = bpf_trace_printk(words, sizeof(words), -5, 0xabcdefULL, text);
	out[1] = bpf_trace_vprintk(many, sizeof(many), four, sizeof(four));
	return ctx->data ? XDP_PASS : XDP_DROP;
}

char text[64];

SEC("xdp")
int format(struct xdp_md *ctx)
{
	(void)ctx;
	static const char words[] = "%d %u %x|%5d|%-5d|%05d|%lld %%";
	u64 values[] = {-1, 4294967295ULL, 255, 42, 42, 42, -1};
	out[0] = bpf_snprintf(text, sizeof(text), words, values, sizeof(values));
	char few[8];
	out[1] = bpf_snprintf(few, sizeof(few), words, values, sizeof(values));
	out[2] = few[7];
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
