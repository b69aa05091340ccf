// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A filter of HTTP requests: what lies under /admin wants a token.
 */
#include "bpf/lib/types.h"
#include "docs/examples/http_request.h"

static __always_inline bool under(struct http_request *ctx, const char *prefix, u32 n)
{
	const char *path = ctx->path, *end = ctx->path_end;

	if (path + n > end)
		return false;
	for (u32 i = 0; i < n; i++)
		if (path[i] != prefix[i])
			return false;
	return true;
}

SEC("http/request")
int guard(struct http_request *ctx)
{
	char token[8] = {};

	ctx->filter = 1;
	if (!under(ctx, "/admin", 6))
		return HTTP_ALLOW;
	if (http_header(ctx, "X-Token", token, sizeof(token)) != 6 ||
	    __builtin_memcmp(token, "sesame", 6) != 0) {
		ctx->status = 401;
		return HTTP_DENY;
	}
	return HTTP_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
