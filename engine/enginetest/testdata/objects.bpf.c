// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Objects that programs allocate, and what owns them. */
#include "bpf/lib/helpers.h"

#define __ksym                        __attribute__((section(".ksyms"), weak))
#define __kptr                        __attribute__((btf_type_tag("kptr")))
#define __percpu_kptr                 __attribute__((btf_type_tag("percpu_kptr")))
#define __contains(type, member)      __attribute__((btf_decl_tag("contains:" #type ":" #member)))
#define private(name)                 SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
#define container_of(p, type, member) ((type *)((void *)(p) - __builtin_offsetof(type, member)))
#define type_id(type)                 __builtin_btf_type_id(*(type *)0, 0)

struct bpf_list_head {
	u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_list_node {
	u64 opaque[3];
} __attribute__((aligned(8)));

struct bpf_rb_root {
	u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_rb_node {
	u64 opaque[4];
} __attribute__((aligned(8)));

struct bpf_refcount {
	u32 opaque[1];
} __attribute__((aligned(4)));

struct cpumask {
	u64 bits[1];
} __attribute__((preserve_access_index));

struct bpf_cpumask {
	struct cpumask cpumask;
} __attribute__((preserve_access_index));

HELPER(void *, bpf_per_cpu_ptr, 153, const void *p, u32 cpu);
HELPER(void *, bpf_this_cpu_ptr, 154, const void *p);
HELPER(void *, bpf_kptr_xchg, 194, void *field, void *p);

extern void *bpf_obj_new_impl(u64 type, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *p, void *meta) __ksym;
extern void *bpf_percpu_obj_new_impl(u64 type, void *meta) __ksym;
extern void bpf_percpu_obj_drop_impl(void *p, void *meta) __ksym;
extern void *bpf_refcount_acquire_impl(void *p, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *n, void *meta,
				    u64 off) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *n, void *meta,
				   u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_back(struct bpf_list_head *head) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root,
					     struct bpf_rb_node *n) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *n,
			       bool(less)(struct bpf_rb_node *a, const struct bpf_rb_node *b),
			       void *meta, u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *n) __ksym;
extern struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *n) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym;
extern struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *m) __ksym;
extern void bpf_cpumask_release(struct bpf_cpumask *m) __ksym;
extern u32 bpf_cpumask_first(const struct cpumask *m) __ksym;
extern u32 bpf_cpumask_first_zero(const struct cpumask *m) __ksym;
extern void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *m) __ksym;
extern void bpf_cpumask_clear_cpu(u32 cpu, struct bpf_cpumask *m) __ksym;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *m) __ksym;
extern bool bpf_cpumask_test_and_set_cpu(u32 cpu, struct bpf_cpumask *m) __ksym;
extern bool bpf_cpumask_test_and_clear_cpu(u32 cpu, struct bpf_cpumask *m) __ksym;
extern void bpf_cpumask_setall(struct bpf_cpumask *m) __ksym;
extern void bpf_cpumask_clear(struct bpf_cpumask *m) __ksym;
extern bool bpf_cpumask_and(struct bpf_cpumask *to, const struct cpumask *a,
			    const struct cpumask *b) __ksym;
extern void bpf_cpumask_or(struct bpf_cpumask *to, const struct cpumask *a,
			   const struct cpumask *b) __ksym;
extern void bpf_cpumask_xor(struct bpf_cpumask *to, const struct cpumask *a,
			    const struct cpumask *b) __ksym;
extern bool bpf_cpumask_equal(const struct cpumask *a, const struct cpumask *b) __ksym;
extern bool bpf_cpumask_intersects(const struct cpumask *a, const struct cpumask *b) __ksym;
extern bool bpf_cpumask_subset(const struct cpumask *a, const struct cpumask *b) __ksym;
extern bool bpf_cpumask_empty(const struct cpumask *m) __ksym;
extern bool bpf_cpumask_full(const struct cpumask *m) __ksym;
extern void bpf_cpumask_copy(struct bpf_cpumask *to, const struct cpumask *from) __ksym;
extern u32 bpf_cpumask_any_distribute(const struct cpumask *m) __ksym;
extern u32 bpf_cpumask_weight(const struct cpumask *m) __ksym;

struct item {
	struct bpf_list_node list;
	struct bpf_rb_node tree;
	struct bpf_refcount refs;
	u64 key;
};

struct plain {
	u64 a, b;
};

struct owner {
	u64 tag;
	struct plain __kptr *plain;
	struct bpf_cpumask __kptr *mask;
};

struct shared {
	struct plain __percpu_kptr *each;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct owner);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct shared);
} shareds SEC(".maps");

s64 out[24];

private(lists) struct bpf_spin_lock lock;
private(lists) struct bpf_list_head head __contains(item, list);
private(trees) struct bpf_spin_lock tree_lock;
private(trees) struct bpf_rb_root root __contains(item, tree);

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container_of(a, struct item, tree)->key < container_of(b, struct item, tree)->key;
}

static struct item *make(u64 key)
{
	struct item *i = bpf_obj_new_impl(type_id(struct item), 0);

	if (i)
		i->key = key;
	return i;
}

static void push(u64 key, bool back)
{
	struct item *i = make(key);

	if (!i)
		return;
	bpf_spin_lock(&lock);
	if (back)
		bpf_list_push_back_impl(&head, &i->list, 0, 0);
	else
		bpf_list_push_front_impl(&head, &i->list, 0, 0);
	bpf_spin_unlock(&lock);
}

static s64 pop(bool back)
{
	struct bpf_list_node *n;
	struct item *i;
	s64 key;

	bpf_spin_lock(&lock);
	n = back ? bpf_list_pop_back(&head) : bpf_list_pop_front(&head);
	bpf_spin_unlock(&lock);
	if (!n)
		return -1;
	i = container_of(n, struct item, list);
	key = i->key;
	bpf_obj_drop_impl(i, 0);
	return key;
}

SEC("tc")
int lists(struct __sk_buff *ctx)
{
	out[0] = pop(false);
	push(1, true);
	push(2, true);
	push(3, false);
	out[1] = pop(false);
	out[2] = pop(true);
	out[3] = pop(true);
	out[4] = pop(true);
	push(9, true); /* stays, and goes with the map */
	return 0;
}

SEC("tc")
int ends(struct __sk_buff *ctx)
{
	struct bpf_list_node *n;

	push(5, true);
	push(6, true);
	bpf_spin_lock(&lock);
	n = bpf_list_front(&head);
	if (n)
		out[0] = container_of(n, struct item, list)->key;
	n = bpf_list_back(&head);
	if (n)
		out[1] = container_of(n, struct item, list)->key;
	bpf_spin_unlock(&lock);
	return 0;
}

static int insert(u64 key)
{
	struct item *i = make(key);
	int ret;

	if (!i)
		return -12;
	bpf_spin_lock(&tree_lock);
	ret = bpf_rbtree_add_impl(&root, &i->tree, less, 0, 0);
	bpf_spin_unlock(&tree_lock);
	return ret;
}

static s64 least(void)
{
	struct bpf_rb_node *n;
	struct item *i;
	s64 key;

	bpf_spin_lock(&tree_lock);
	n = bpf_rbtree_first(&root);
	if (!n) {
		bpf_spin_unlock(&tree_lock);
		return -1;
	}
	n = bpf_rbtree_remove(&root, n);
	bpf_spin_unlock(&tree_lock);
	if (!n)
		return -2;
	i = container_of(n, struct item, tree);
	key = i->key;
	bpf_obj_drop_impl(i, 0);
	return key;
}

SEC("tc")
int trees(struct __sk_buff *ctx)
{
	out[0] = least();
	out[1] = insert(30) | insert(10) | insert(20) | insert(40) | insert(10);
	out[2] = least();
	out[3] = least();
	out[4] = least();
	out[5] = least();
	insert(50);
	out[6] = least();
	insert(60);
	return 0;
}

/* The shape of a tree, as far as its root, and what is below. */
SEC("tc")
int shape(struct __sk_buff *ctx)
{
	struct bpf_rb_node *n, *c;

	insert(5);
	insert(4);
	insert(3);
	insert(2);
	insert(1);
	insert(6);
	insert(7);
	insert(8);
	bpf_spin_lock(&tree_lock);
	n = bpf_rbtree_root(&root);
	if (n) {
		out[0] = container_of(n, struct item, tree)->key;
		c = bpf_rbtree_left(&root, n);
		if (c)
			out[1] = container_of(c, struct item, tree)->key;
		c = bpf_rbtree_right(&root, n);
		if (c) {
			out[2] = container_of(c, struct item, tree)->key;
			c = bpf_rbtree_right(&root, c);
			if (c)
				out[3] = container_of(c, struct item, tree)->key;
		}
	}
	bpf_spin_unlock(&tree_lock);
	return 0;
}

/* In a list and a tree at once, and twice in one. */
SEC("tc")
int both(struct __sk_buff *ctx)
{
	struct item *i = make(7), *j, *k;

	if (!i)
		return 0;
	j = bpf_refcount_acquire_impl(i, 0);
	k = bpf_refcount_acquire_impl(i, 0);
	bpf_spin_lock(&lock);
	out[0] = bpf_list_push_back_impl(&head, &i->list, 0, 0);
	bpf_spin_unlock(&lock);
	bpf_spin_lock(&tree_lock);
	out[1] = bpf_rbtree_add_impl(&root, &j->tree, less, 0, 0);
	bpf_spin_unlock(&tree_lock);
	bpf_spin_lock(&tree_lock);
	out[2] = bpf_rbtree_add_impl(&root, &k->tree, less, 0, 0);
	bpf_spin_unlock(&tree_lock);
	out[3] = pop(true);
	out[4] = least();
	out[5] = least();
	return 0;
}

SEC("tc")
int fields(struct __sk_buff *ctx)
{
	struct owner init = {.tag = 3}, *o;
	struct plain *p, *old;
	u32 key = 1;

	out[0] = bpf_map_update_elem(&owners, &key, &init, 0);
	o = bpf_map_lookup_elem(&owners, &key);
	if (!o)
		return 0;
	p = bpf_obj_new_impl(type_id(struct plain), 0);
	if (!p)
		return 0;
	p->a = 11;
	old = bpf_kptr_xchg(&o->plain, p);
	out[1] = old == 0;
	if (old)
		bpf_obj_drop_impl(old, 0);
	old = bpf_kptr_xchg(&o->plain, 0);
	if (old) {
		out[2] = old->a;
		out[3] = 1;
		old = bpf_kptr_xchg(&o->plain, old);
		if (old)
			bpf_obj_drop_impl(old, 0);
	}
	/* An update frees what the old element owned. */
	init.tag = 4;
	out[4] = bpf_map_update_elem(&owners, &key, &init, 0);
	o = bpf_map_lookup_elem(&owners, &key);
	if (!o)
		return 0;
	old = bpf_kptr_xchg(&o->plain, 0);
	out[5] = old == 0;
	if (old)
		bpf_obj_drop_impl(old, 0);
	out[6] = o->tag;
	p = bpf_obj_new_impl(type_id(struct plain), 0);
	if (!p)
		return 0;
	old = bpf_kptr_xchg(&o->plain, p);
	if (old)
		bpf_obj_drop_impl(old, 0);
	return 0;
}

SEC("tc")
int percpu(struct __sk_buff *ctx)
{
	struct plain *p, *each;
	struct shared *s;
	u32 key = 0;

	s = bpf_map_lookup_elem(&shareds, &key);
	if (!s)
		return 0;
	each = bpf_percpu_obj_new_impl(type_id(struct plain), 0);
	if (!each)
		return 0;
	each = bpf_kptr_xchg(&s->each, each);
	out[0] = each == 0;
	if (each)
		bpf_percpu_obj_drop_impl(each, 0);
	bpf_rcu_read_lock();
	each = s->each;
	if (each) {
		p = bpf_per_cpu_ptr(each, 0);
		if (p)
			p->a = 21;
		p = bpf_per_cpu_ptr(each, 100000);
		out[1] = p == 0;
		p = bpf_this_cpu_ptr(each);
		p->b = 22;
		p = bpf_per_cpu_ptr(each, 0);
		if (p)
			out[2] = p->a;
		p = bpf_this_cpu_ptr(each);
		out[3] = p->b;
	}
	bpf_rcu_read_unlock();
	return 0;
}

#define mask(m) ((struct cpumask *)(m))

SEC("syscall")
int masks(void *ctx)
{
	struct bpf_cpumask *a = bpf_cpumask_create(), *b;

	if (!a)
		return 0;
	b = bpf_cpumask_create();
	if (!b) {
		bpf_cpumask_release(a);
		return 0;
	}
	out[0] = bpf_cpumask_empty(mask(a));
	bpf_cpumask_set_cpu(0, a);
	bpf_cpumask_set_cpu(100000, a);
	out[1] = bpf_cpumask_first(mask(a));
	out[2] = bpf_cpumask_first_zero(mask(a));
	out[3] = bpf_cpumask_test_cpu(0, mask(a)) + 2 * bpf_cpumask_test_cpu(1, mask(a));
	out[4] = bpf_cpumask_test_and_set_cpu(0, b) + 2 * bpf_cpumask_test_and_set_cpu(0, b) +
		 4 * bpf_cpumask_test_and_clear_cpu(0, b) +
		 8 * bpf_cpumask_test_and_clear_cpu(0, b);
	bpf_cpumask_setall(b);
	out[5] = bpf_cpumask_full(mask(b));
	out[6] = bpf_cpumask_and(a, mask(a), mask(b));
	/* On a machine of one CPU, they are equal. */
	out[7] =
	    bpf_cpumask_subset(mask(a), mask(b)) + 4 * bpf_cpumask_intersects(mask(a), mask(b));
	out[8] = bpf_cpumask_weight(mask(a));
	bpf_cpumask_xor(b, mask(a), mask(b));
	out[9] = bpf_cpumask_test_cpu(0, mask(b));
	bpf_cpumask_or(b, mask(a), mask(b));
	out[10] = bpf_cpumask_full(mask(b));
	bpf_cpumask_copy(b, mask(a));
	out[11] = bpf_cpumask_equal(mask(a), mask(b));
	out[12] = bpf_cpumask_any_distribute(mask(a));
	bpf_cpumask_clear(b);
	out[13] = bpf_cpumask_empty(mask(b));
	bpf_cpumask_release(a);
	bpf_cpumask_release(b);
	return 0;
}

char _license[] SEC("license") = "GPL";
