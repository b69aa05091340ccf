// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The load balancer at sockets of a cgroup: connect and sendmsg go to a backend
 * at once, so that packets need no translation; recvmsg and getpeername show the
 * service's address, as the application expects.
 */
#include "bpf/lib/lbpick.h"

#define AF_INET 2

/* What a socket believes to talk to, by its cookie and its real peer. */
struct lb_peer_key {
	union address address;
	u64 cookie;
	be16 port;
	u8 protocol;
	u8 reserved[5];
};

struct lb_peer {
	union address address;
	be16 port;
	u16 reserved;
	u32 backend;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct lb_peer_key);
	__type(value, struct lb_peer);
} lb_peer SEC(".maps");

static __always_inline struct lb_frontend *lb_sock_frontend(const union address *a, u32 family,
							    be16 port, u8 protocol)
{
	if (family == 4) {
		struct lb_frontend4_key key = {
		    .address = a->words[3], .port = port, .protocol = protocol};
		return bpf_map_lookup_elem(&lb_frontend4, &key);
	}
	struct lb_frontend6_key key = {.address = *a, .port = port, .protocol = protocol};
	return bpf_map_lookup_elem(&lb_frontend6, &key);
}

static __always_inline void lb_sock_count(u32 id)
{
	struct lb_counters *n = bpf_map_lookup_elem(&lb_counters, &id);
	if (n)
		n->connections++;
}

/* Where the socket last went for this service, if it may still go there: a
 * connected look at datagrams that are sent one by one. */
static __always_inline u32 lb_sock_choose(struct bpf_sock_addr *ctx, const struct lb_frontend *fe,
					  u64 cookie)
{
	/* The client is this host: affinity is kept per namespace, as a client's
	 * address is not known before it is routed. */
	union address client = {};
	if (fe->flags & LB_AFFINITY)
		client.halves[0] = bpf_get_netns_cookie(ctx);
	return lb_choose(fe, &client, lb_mix(cookie), lb_now());
}

/*
 * Replaces the address that a socket wants to reach; 1 lets the call go on, 0
 * refuses it (the service has no backend).
 */
static __always_inline int lb_sock_forward(struct bpf_sock_addr *ctx, union address *to, u32 family,
					   be16 *port)
{
	u8 protocol = ctx->protocol;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 1;
	struct lb_frontend *fe = lb_sock_frontend(to, family, *port, protocol);
	if (!fe)
		return 1;
	u64 cookie = bpf_get_socket_cookie(ctx);
	u32 id = lb_sock_choose(ctx, fe, cookie);
	struct lb_backend *be = lb_backend_at(id);
	if (!id || !be) {
		lb_count_reason(LB_REASON_NO_BACKEND);
		return 0;
	}
	/* A socket of IPv4 cannot go there; its packets can, translated. One of IPv6
	 * reaches IPv4 by a mapped address, but not with each datagram anew. */
	if (be->family != family && (ctx->family == AF_INET || protocol == IPPROTO_UDP))
		return 1;
	struct lb_peer_key key = {
	    .address = be->address, .cookie = cookie, .port = be->port, .protocol = protocol};
	struct lb_peer peer = {.address = *to, .port = *port, .backend = id};
	if (bpf_map_update_elem(&lb_peer, &key, &peer, BPF_ANY))
		return 0;
	*to = be->address;
	*port = be->port;
	lb_sock_count(id);
	return 1;
}

/* Shows the service instead of the backend. */
static __always_inline bool lb_sock_reverse(struct bpf_sock_addr *ctx, union address *from,
					    be16 *port)
{
	struct lb_peer_key key = {.address = *from,
				  .cookie = bpf_get_socket_cookie(ctx),
				  .port = *port,
				  .protocol = ctx->protocol};
	struct lb_peer *peer = bpf_map_lookup_elem(&lb_peer, &key);
	if (!peer)
		return false;
	*from = peer->address;
	*port = peer->port;
	return true;
}

static __always_inline int lb_sock4(struct bpf_sock_addr *ctx, bool forward)
{
	union address a = {};
	be16 port = ctx->user_port;
	a.words[2] = net32(0xffff);
	a.words[3] = ctx->user_ip4;
	if (forward) {
		if (!lb_sock_forward(ctx, &a, 4, &port))
			return 0;
	} else if (!lb_sock_reverse(ctx, &a, &port)) {
		return 1;
	}
	ctx->user_ip4 = a.words[3];
	ctx->user_port = port;
	return 1;
}

static __always_inline int lb_sock6(struct bpf_sock_addr *ctx, bool forward)
{
	union address a;
	be16 port = ctx->user_port;
	a.words[0] = ctx->user_ip6[0];
	a.words[1] = ctx->user_ip6[1];
	a.words[2] = ctx->user_ip6[2];
	a.words[3] = ctx->user_ip6[3];
	/* An IPv6 socket that talks IPv4. */
	u32 family = !a.halves[0] && a.words[2] == net32(0xffff) ? 4 : 6;
	if (forward) {
		if (!lb_sock_forward(ctx, &a, family, &port))
			return 0;
	} else if (!lb_sock_reverse(ctx, &a, &port)) {
		return 1;
	}
	ctx->user_ip6[0] = a.words[0];
	ctx->user_ip6[1] = a.words[1];
	ctx->user_ip6[2] = a.words[2];
	ctx->user_ip6[3] = a.words[3];
	ctx->user_port = port;
	return 1;
}

SEC("cgroup/connect4")
int lb_connect4(struct bpf_sock_addr *ctx)
{
	return lb_sock4(ctx, true);
}

SEC("cgroup/connect6")
int lb_connect6(struct bpf_sock_addr *ctx)
{
	return lb_sock6(ctx, true);
}

SEC("cgroup/sendmsg4")
int lb_sendmsg4(struct bpf_sock_addr *ctx)
{
	return lb_sock4(ctx, true);
}

SEC("cgroup/sendmsg6")
int lb_sendmsg6(struct bpf_sock_addr *ctx)
{
	return lb_sock6(ctx, true);
}

SEC("cgroup/recvmsg4")
int lb_recvmsg4(struct bpf_sock_addr *ctx)
{
	return lb_sock4(ctx, false);
}

SEC("cgroup/recvmsg6")
int lb_recvmsg6(struct bpf_sock_addr *ctx)
{
	return lb_sock6(ctx, false);
}

SEC("cgroup/getpeername4")
int lb_getpeername4(struct bpf_sock_addr *ctx)
{
	return lb_sock4(ctx, false);
}

SEC("cgroup/getpeername6")
int lb_getpeername6(struct bpf_sock_addr *ctx)
{
	return lb_sock6(ctx, false);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
