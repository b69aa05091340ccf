/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the profiler's programs and package trace/profile share: layouts, maps,
 * and what makes a sample of a stack. Stacks are counted here, in the kernel;
 * every sample taken is in prof_samples or in one of prof_stats' losses.
 */
#pragma once

#include "helpers.h"

#define PROF_FRAMES   127 /* of the kernel, and of the process */
#define PROF_MAPPINGS 256
#define PROF_SLOTS    4
#define PROF_COMM     16

enum prof_flags {
	PROF_TARGETS = 1,     /* only processes in prof_targets */
	PROF_CGROUP = 2,      /* only a cgroup and those below it */
	PROF_THREADS = 4,     /* threads apart */
	PROF_KERNEL = 8,      /* with the kernel's stack */
	PROF_USER = 16,       /* with the process's stack */
	PROF_FOLLOW = 32,     /* children of targets are targets */
	PROF_UNWIND = 64,     /* with tables, where there are some */
	PROF_PAUSED = 128,    /* nothing is taken */
	PROF_NAMESPACE = 256, /* process ids as a PID namespace counts; others' are left out */
};

struct prof_config {
	u32 flags;
	u32 level; /* of the cgroup in its hierarchy */
	u64 cgroup;
	u64 shortest; /* of waits that are counted, in nanoseconds */
	u64 device;   /* of the PID namespace's file, and its inode */
	u64 inode;
};

/* A stack, and how often it was met. */
struct prof_key {
	u64 hash; /* of the stack */
	u32 tgid;
	u32 tid; /* 0 unless threads are told apart */
};

struct prof_value {
	u64 count;
	u64 sum; /* of what the probe measures: nanoseconds, bytes */
	char comm[PROF_COMM];
	u16 kernel; /* frames */
	u16 user;
	u32 how; /* enum prof_how */
	u64 kernel_frames[PROF_FRAMES];
	u64 user_frames[PROF_FRAMES];
};

/* How the walk of a process's stack ended. */
enum prof_how {
	PROF_BY_KERNEL = 0, /* the kernel followed frame pointers */
	PROF_COMPLETE = 1,  /* it reached the outermost function */
	PROF_TOO_DEEP = 2,
	PROF_STOPPED = 3, /* something could not be read or is not known */
};

struct prof_stats {
	u64 taken;
	u64 full; /* lost: no room in prof_samples */
	u64 busy; /* lost: more samples at once than there is room for */
	u64 complete;
	u64 too_deep;
	u64 stopped;
	u64 by_kernel;
	u64 guessed; /* frames that were unwound without a table */
};

/* Part of a process's address space that holds code; bias is what to subtract
 * from an address there to look it up in rows, of which it has some from first
 * on; none means frame pointers. */
struct prof_mapping {
	u64 start;
	u64 end;
	u64 bias;
	u32 first;
	u32 rows;
};

struct prof_process {
	u32 count;
	u32 reserved;
	struct prof_mapping mappings[PROF_MAPPINGS];
};

/* unwind.Row of package trace/unwind. */
struct prof_row {
	u32 pc;
	u16 offset;
	u8 kind;
	s8 fp;
};

enum prof_kind {
	PROF_NONE = 0,
	PROF_SP = 1,
	PROF_FP = 2,
	PROF_PLT = 3,
	PROF_DEREF = 4,
	PROF_SIGNAL = 5,
	PROF_END = 6,
	PROF_UNSUPPORTED = 7,
	PROF_FRAME = 8,
};

#define PROF_FP_SAME  0
#define PROF_FP_AT_FP 127

/* What a sample is made in. A program may be interrupted by another, or lose the
 * processor to one: each takes a slot that nobody else has. */
struct prof_slot {
	u64 busy;
	struct prof_key key;
	u64 ip;
	u64 sp;
	u64 fp;
	u32 low; /* of a binary search, here so that the verifier forgets what it knows */
	u32 high;
	u32 back; /* 1 if ip is a return address */
	u32 how;
	struct prof_value value;
};

/* A thread that waits since some time, and where. */
struct prof_wait {
	u64 since;
	struct prof_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct prof_config);
} prof_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct prof_stats);
} prof_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct prof_key);
	__type(value, struct prof_value);
} prof_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROF_SLOTS);
	__type(key, u32);
	__type(value, struct prof_slot);
} prof_slots SEC(".maps");

/* Process ids. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u32);
} prof_targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct prof_process);
} prof_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4194304);
	__type(key, u32);
	__type(value, struct prof_row);
} prof_rows SEC(".maps");

/* Processes whose mappings are not known, or not all. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, u32);
} prof_wanted SEC(".maps");

/* Threads that wait, by thread id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct prof_wait);
} prof_waits SEC(".maps");
