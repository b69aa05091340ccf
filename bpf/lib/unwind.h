/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Walks a process's stack with tables made from .eh_frame (x86-64). */
#pragma once

#include "profile.h"

/* What a process's registers are when it enters the kernel: struct pt_regs of
 * x86-64, whose layout has not changed since Linux 2.6. */
struct user_regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax, ip, cs, flags, sp, ss;
};

#define USER_CS 0x33 /* 64-bit code */

/* Where the kernel's struct ucontext keeps registers on a signal's frame. */
#define UC_FP 120
#define UC_SP 160
#define UC_IP 168

static __always_inline u64 user_word(u64 at, u64 *to)
{
	return bpf_probe_read_user(to, sizeof(*to), (void *)at);
}

static __always_inline void prof_want(u32 tgid)
{
	u32 one = 1;
	bpf_map_update_elem(&prof_wanted, &tgid, &one, BPF_NOEXIST);
}

/* The mapping that holds an address; NULL if it is not known. */
static __always_inline struct prof_mapping *prof_find(struct prof_slot *s, u64 pc)
{
	u32 tgid = s->key.tgid;
	struct prof_process *p = bpf_map_lookup_elem(&prof_processes, &tgid);
	if (!p)
		return NULL;
	s->low = 0;
	s->high = p->count;
	for (int i = 0; i < 9; i++) { /* 2^8 mappings */
		u32 low = s->low, high = s->high;
		if (low >= high)
			break;
		u32 mid = ((low + high) / 2) & (PROF_MAPPINGS - 1);
		if (p->mappings[mid].end <= pc)
			s->low = mid + 1;
		else
			s->high = mid;
	}
	u32 at = s->low;
	if (at >= p->count || at >= PROF_MAPPINGS)
		return NULL;
	struct prof_mapping *m = &p->mappings[at];
	return m->start <= pc ? m : NULL;
}

/* The row that holds at pc, which counts as rows do; NULL if there is none. */
static __always_inline struct prof_row *prof_row(struct prof_slot *s, u32 first, u32 rows, u64 pc)
{
	s->low = first;
	s->high = first + rows;
	for (int i = 0; i < 23; i++) { /* 2^22 rows */
		u32 low = s->low, high = s->high;
		if (low >= high)
			break;
		u32 mid = low + (high - low) / 2;
		struct prof_row *r = bpf_map_lookup_elem(&prof_rows, &mid);
		if (!r)
			return NULL;
		if (r->pc <= pc)
			s->low = mid + 1;
		else
			s->high = mid;
	}
	u32 at = s->low;
	if (at <= first)
		return NULL;
	at--;
	return bpf_map_lookup_elem(&prof_rows, &at);
}

/* To the caller by the frame pointer, where no table says more. */
static __always_inline long prof_by_frame(struct prof_slot *s)
{
	u64 fp = s->fp, ip, up;
	if (fp == 0) {
		s->how = PROF_COMPLETE;
		return 1;
	}
	if (fp < s->sp || user_word(fp, &up) || user_word(fp + 8, &ip)) {
		s->how = PROF_STOPPED;
		return 1;
	}
	s->ip = ip;
	s->fp = up;
	s->sp = fp + 16;
	s->back = 1;
	return 0;
}

/* Out of a signal handler, to what it interrupted. */
static __always_inline long prof_signal(struct prof_slot *s)
{
	u64 uc = s->sp, ip, sp, fp;
	if (user_word(uc + UC_IP, &ip) || user_word(uc + UC_SP, &sp) ||
	    user_word(uc + UC_FP, &fp)) {
		s->how = PROF_STOPPED;
		return 1;
	}
	s->ip = ip;
	s->sp = sp;
	s->fp = fp;
	s->back = 0;
	return 0;
}

/* The CFA by a row; 0 if it cannot be had. */
static __always_inline u64 prof_cfa(struct prof_slot *s, u8 kind, u32 offset)
{
	u64 cfa = 0;
	switch (kind) {
	case PROF_SP:
		return s->sp + offset * 8;
	case PROF_FP:
		return s->fp + offset * 8;
	case PROF_FRAME:
		return s->fp + 16;
	case PROF_PLT:
		return s->sp + 8 + ((s->ip & 15) >= offset ? 8 : 0);
	case PROF_DEREF:
		if (user_word(s->fp - offset * 8, &cfa))
			return 0;
		return cfa;
	}
	return 0;
}

/* To the caller by a row. */
static __always_inline long prof_by_row(struct prof_slot *s, u8 kind, u32 offset, s8 saved)
{
	u64 cfa = prof_cfa(s, kind, offset), fp = s->fp, ip;
	if (kind == PROF_FRAME)
		saved = -2;
	if (cfa <= s->sp || user_word(cfa - 8, &ip))
		goto stopped;
	if (saved == PROF_FP_AT_FP) {
		if (user_word(s->fp, &fp))
			goto stopped;
	} else if (saved != PROF_FP_SAME) {
		if (user_word(cfa + (s64)saved * 8, &fp))
			goto stopped;
	}
	if (ip == 0) {
		s->how = PROF_COMPLETE;
		return 1;
	}
	s->ip = ip;
	s->sp = cfa;
	s->fp = fp;
	s->back = 1;
	return 0;
stopped:
	s->how = PROF_STOPPED;
	return 1;
}

/* One frame; what it leaves in s->how counts if it ends the walk. */
static long prof_step(u32 i, void *data)
{
	u32 index = *(u32 *)data, zero = 0;
	struct prof_slot *s = bpf_map_lookup_elem(&prof_slots, &index);
	if (!s || i >= PROF_FRAMES)
		return 1;
	s->value.user_frames[i] = s->ip;
	s->value.user = i + 1;
	u64 pc = s->ip - (s->back ? 1 : 0);
	struct prof_mapping *m = prof_find(s, pc);
	if (!m) {
		prof_want(s->key.tgid);
		return prof_by_frame(s);
	}
	u64 bias = m->bias;
	struct prof_row *r = prof_row(s, m->first, m->rows, pc - bias);
	u8 kind = r ? r->kind : PROF_NONE;
	switch (kind) {
	case PROF_END:
		s->how = PROF_COMPLETE;
		return 1;
	case PROF_UNSUPPORTED:
		s->how = PROF_STOPPED;
		return 1;
	case PROF_SIGNAL:
		return prof_signal(s);
	case PROF_NONE: {
		struct prof_stats *n = bpf_map_lookup_elem(&prof_stats, &zero);
		if (n)
			__sync_fetch_and_add(&n->guessed, 1);
		return prof_by_frame(s);
	}
	}
	return prof_by_row(s, kind, r->offset, r->fp);
}

/* Walks the current process's stack into the slot. False if that cannot be done:
 * the process is not known yet, or runs 32-bit code. */
static __always_inline bool prof_walk(struct prof_slot *s, u32 index, bool allowed)
{
	u32 tgid = s->key.tgid;
	if (!bpf_map_lookup_elem(&prof_processes, &tgid)) {
		prof_want(tgid);
		return false;
	}
	if (!allowed)
		return false;
	struct user_regs regs;
	void *task = bpf_get_current_task_btf();
	void *at = bpf_task_pt_regs(task);
	if (bpf_probe_read_kernel(&regs, sizeof(regs), at) || regs.cs != USER_CS)
		return false;
	s->ip = regs.ip;
	s->sp = regs.sp;
	s->fp = regs.bp;
	s->back = 0;
	s->how = PROF_TOO_DEEP;
	bpf_loop(PROF_FRAMES, prof_step, &index, 0);
	return true;
}
