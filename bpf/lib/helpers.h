/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Helpers of the bpf(2) ABI by number: those that the programs here call. */
#pragma once

#include "contexts.h"
#include "maps.h"

#define HELPER(ret, name, number, ...) \
	static ret (*const name)(__VA_ARGS__) __attribute__((unused)) = (void *)(number)

HELPER(void *, bpf_map_lookup_elem, 1, void *map, const void *key);
HELPER(long, bpf_map_update_elem, 2, void *map, const void *key, const void *value, u64 flags);
HELPER(long, bpf_map_delete_elem, 3, void *map, const void *key);
HELPER(u64, bpf_ktime_get_ns, 5, void);
HELPER(long, bpf_trace_printk, 6, const char *format, u32 size, ...);
HELPER(u32, bpf_get_prandom_u32, 7, void);
HELPER(u32, bpf_get_smp_processor_id, 8, void);
HELPER(long, bpf_skb_store_bytes, 9, struct __sk_buff *skb, u32 offset, const void *from, u32 size,
       u64 flags);
HELPER(long, bpf_l3_csum_replace, 10, struct __sk_buff *skb, u32 offset, u64 from, u64 to,
       u64 flags);
HELPER(long, bpf_l4_csum_replace, 11, struct __sk_buff *skb, u32 offset, u64 from, u64 to,
       u64 flags);
HELPER(long, bpf_tail_call, 12, void *ctx, void *array, u32 index);
HELPER(u64, bpf_get_current_pid_tgid, 14, void);
HELPER(u64, bpf_get_current_uid_gid, 15, void);
HELPER(long, bpf_get_current_comm, 16, void *buf, u32 size);
HELPER(long, bpf_skb_vlan_push, 18, struct __sk_buff *skb, be16 protocol, u16 tci);
HELPER(long, bpf_skb_vlan_pop, 19, struct __sk_buff *skb);
HELPER(long, bpf_skb_get_tunnel_key, 20, struct __sk_buff *skb, void *key, u32 size, u64 flags);
HELPER(long, bpf_skb_set_tunnel_key, 21, struct __sk_buff *skb, const void *key, u32 size,
       u64 flags);
HELPER(long, bpf_redirect, 23, u32 ifindex, u64 flags);
HELPER(long, bpf_perf_event_output, 25, void *ctx, void *map, u64 flags, void *data, u64 size);
HELPER(long, bpf_skb_load_bytes, 26, const void *skb, u32 offset, void *to, u32 size);
HELPER(long, bpf_get_stackid, 27, void *ctx, void *map, u64 flags);
HELPER(s64, bpf_csum_diff, 28, be32 *from, u32 from_size, be32 *to, u32 to_size, u32 seed);
HELPER(long, bpf_skb_get_tunnel_opt, 29, struct __sk_buff *skb, void *options, u32 size);
HELPER(long, bpf_skb_set_tunnel_opt, 30, struct __sk_buff *skb, const void *options, u32 size);
HELPER(long, bpf_skb_change_proto, 31, struct __sk_buff *skb, be16 protocol, u64 flags);
HELPER(long, bpf_skb_change_type, 32, struct __sk_buff *skb, u32 type);
HELPER(u32, bpf_get_hash_recalc, 34, struct __sk_buff *skb);
HELPER(u64, bpf_get_current_task, 35, void);
HELPER(long, bpf_current_task_under_cgroup, 37, void *map, u32 index);
HELPER(long, bpf_skb_change_tail, 38, struct __sk_buff *skb, u32 size, u64 flags);
HELPER(long, bpf_skb_pull_data, 39, struct __sk_buff *skb, u32 size);
HELPER(s64, bpf_csum_update, 40, struct __sk_buff *skb, u32 csum);
HELPER(void, bpf_set_hash_invalid, 41, struct __sk_buff *skb);
HELPER(long, bpf_get_numa_node_id, 42, void);
HELPER(long, bpf_skb_change_head, 43, struct __sk_buff *skb, u32 size, u64 flags);
HELPER(long, bpf_xdp_adjust_head, 44, struct xdp_md *xdp, int delta);
HELPER(u64, bpf_get_socket_cookie, 46, void *ctx);
HELPER(u32, bpf_set_hash, 48, struct __sk_buff *skb, u32 hash);
HELPER(long, bpf_skb_adjust_room, 50, struct __sk_buff *skb, s32 delta, u32 mode, u64 flags);
HELPER(long, bpf_redirect_map, 51, void *map, u64 key, u64 flags);
HELPER(long, bpf_xdp_adjust_meta, 54, struct xdp_md *xdp, int delta);
HELPER(long, bpf_xdp_adjust_tail, 65, struct xdp_md *xdp, int delta);
HELPER(long, bpf_get_stack, 67, void *ctx, void *buf, u32 size, u64 flags);
HELPER(long, bpf_skb_load_bytes_relative, 68, const void *skb, u32 offset, void *to, u32 size,
       u32 header);
HELPER(long, bpf_fib_lookup, 69, void *ctx, struct bpf_fib_lookup *params, u32 size, u32 flags);
HELPER(u64, bpf_get_current_cgroup_id, 80, void);
HELPER(long, bpf_sk_release, 86, void *sock);
HELPER(long, bpf_map_push_elem, 87, void *map, const void *value, u64 flags);
HELPER(long, bpf_map_pop_elem, 88, void *map, void *value);
HELPER(long, bpf_map_peek_elem, 89, void *map, void *value);
HELPER(long, bpf_spin_lock, 93, struct bpf_spin_lock *lock);
HELPER(long, bpf_spin_unlock, 94, struct bpf_spin_lock *lock);
HELPER(long, bpf_probe_read_user, 112, void *to, u32 size, const void *from);
HELPER(long, bpf_probe_read_kernel, 113, void *to, u32 size, const void *from);
HELPER(u64, bpf_jiffies64, 118, void);
HELPER(u64, bpf_get_netns_cookie, 122, void *ctx);
HELPER(long, bpf_get_ns_current_pid_tgid, 120, u64 dev, u64 inode, void *to, u32 size);
HELPER(u64, bpf_get_current_ancestor_cgroup_id, 123, int level);
HELPER(u64, bpf_ktime_get_boot_ns, 125, void);
HELPER(long, bpf_ringbuf_output, 130, void *ring, void *data, u64 size, u64 flags);
HELPER(void *, bpf_ringbuf_reserve, 131, void *ring, u64 size, u64 flags);
HELPER(void, bpf_ringbuf_submit, 132, void *data, u64 flags);
HELPER(void, bpf_ringbuf_discard, 133, void *data, u64 flags);
HELPER(u64, bpf_ringbuf_query, 134, void *ring, u64 flags);
HELPER(long, bpf_csum_level, 135, struct __sk_buff *skb, u64 level);
HELPER(long, bpf_redirect_neigh, 152, u32 ifindex, void *params, u32 size, u64 flags);
HELPER(void *, bpf_task_storage_get, 156, void *map, void *task, void *value, u64 flags);
HELPER(long, bpf_task_storage_delete, 157, void *map, void *task);
HELPER(void *, bpf_get_current_task_btf, 158, void);
HELPER(u64, bpf_ktime_get_coarse_ns, 160, void);
HELPER(long, bpf_for_each_map_elem, 164, void *map, void *callback, void *ctx, u64 flags);
HELPER(long, bpf_snprintf, 165, char *to, u32 size, const char *format, u64 *data, u32 data_size);
HELPER(u64, bpf_get_attach_cookie, 174, void *ctx);
HELPER(void *, bpf_task_pt_regs, 175, void *task);
HELPER(long, bpf_trace_vprintk, 177, const char *format, u32 size, const void *data, u32 data_size);
HELPER(long, bpf_loop, 181, u32 count, void *callback, void *ctx, u64 flags);
HELPER(long, bpf_strncmp, 182, const char *a, u32 size, const char *b);
HELPER(u64, bpf_xdp_get_buff_len, 188, struct xdp_md *xdp);
HELPER(long, bpf_xdp_load_bytes, 189, struct xdp_md *xdp, u32 offset, void *to, u32 size);
HELPER(long, bpf_xdp_store_bytes, 190, struct xdp_md *xdp, u32 offset, void *from, u32 size);
HELPER(void *, bpf_map_lookup_percpu_elem, 195, void *map, const void *key, u32 cpu);
HELPER(long, bpf_dynptr_from_mem, 197, void *data, u32 size, u64 flags, void *dynptr);
