// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Another filter of HTTP requests: nothing lies under /admin any more, and a
 * client that sent more than a thousand requests waits for the next second.
 */
#include "bpf/lib/helpers.h"
#include "bpf/lib/maps.h"
#include "docs/examples/http_request.h"

#define PER_SECOND 1000

struct client {
	u8 address[16];
};

struct rate {
	u64 second;
	u64 requests;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct client);
	__type(value, struct rate);
	__uint(max_entries, 4096);
} rates SEC(".maps");

static __always_inline bool too_many(struct http_request *ctx)
{
	struct rate first = {.second = bpf_ktime_get_ns() / 1000000000, .requests = 1};
	struct client c;
	struct rate *r;

	__builtin_memcpy(&c, (const void *)ctx->client, sizeof(c));
	r = bpf_map_lookup_elem(&rates, &c);
	if (!r || r->second != first.second) {
		bpf_map_update_elem(&rates, &c, &first, BPF_ANY);
		return false;
	}
	return __sync_fetch_and_add(&r->requests, 1) >= PER_SECOND;
}

SEC("http/request")
int limit(struct http_request *ctx)
{
	const char *path = ctx->path, *end = ctx->path_end;

	ctx->filter = 2;
	if (path + 6 <= end && __builtin_memcmp(path, "/admin", 6) == 0) {
		ctx->status = 404;
		return HTTP_DENY;
	}
	if (too_many(ctx)) {
		ctx->status = 429;
		return HTTP_DENY;
	}
	return HTTP_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
