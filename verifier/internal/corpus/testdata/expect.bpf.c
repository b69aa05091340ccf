// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that carry expectations in each of the ways the reader knows. */
#include "bpf/lib/helpers.h"

#define TEXT_(x)  #x
#define TEXT(x)   TEXT_(x)
#define TAG(text) __attribute__((btf_decl_tag("comment:test_" text)))
#define MSG(text) TAG("expect_msg=" TEXT(__COUNTER__) "=" text)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} unrelated SEC(".maps");

TAG("expect_success")
TAG("description=a lookup with its check")
SEC("socket")
int checked(void *ctx)
{
	u32 key = 1;
	u64 *v = bpf_map_lookup_elem(&counts, &key);

	(void)ctx;
	return v ? *v : 0;
}

TAG("expect_failure")
MSG("R0 invalid mem access")
MSG("map_value_or_null")
SEC("socket")
int unchecked(void *ctx)
{
	u32 key = 1;

	(void)ctx;
	return *(u64 *)bpf_map_lookup_elem(&counts, &key);
}

TAG("expect_failure")
MSG("{{R[0-9] invalid}} mem access 'map_{{[^ ]*}}null'")
TAG("log_level=2")
TAG("prog_flags=BPF_F_TEST_STATE_FREQ")
TAG("prog_flags=!BPF_F_TEST_RND_HI32")
SEC("socket")
int unchecked_regex(void *ctx)
{
	u32 key = 1;

	(void)ctx;
	return *(u64 *)bpf_map_lookup_elem(&counts, &key);
}

TAG("expect_success")
TAG("expect_failure_unpriv")
TAG("expect_msg_unpriv=" TEXT(__COUNTER__) "=R0 leaks addr")
TAG("retval=0x2a")
SEC("socket")
int two_modes(void *ctx)
{
	(void)ctx;
	return 42;
}

TAG("expect_success")
TAG("arch=ARM64")
SEC("socket")
int elsewhere(void *ctx)
{
	(void)ctx;
	return 0;
}

TAG("auxiliary")
SEC("socket")
int helps(void *ctx)
{
	u32 key = 0;

	(void)ctx;
	return bpf_map_lookup_elem(&unrelated, &key) != 0;
}

/* Without a tag: expected to load, because others of the object have some. */
SEC("socket")
int silent(void *ctx)
{
	(void)ctx;
	return 0;
}

/* Expected to fail, and does not. */
TAG("expect_failure")
SEC("socket")
int wrong(void *ctx)
{
	(void)ctx;
	return 0;
}

/* Fails, with other words. */
TAG("expect_failure")
MSG("no such words")
SEC("socket")
int other_words(void *ctx)
{
	u32 key = 1;

	(void)ctx;
	return *(u64 *)bpf_map_lookup_elem(&counts, &key);
}

char _license[] SEC("license") = "Dual BSD/GPL";
