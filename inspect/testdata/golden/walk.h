struct key {
	__u32 hash; /* 0 */
	__u16 first; /* 4 */
	__u8 kind; /* 6 */
	__u8 length : 5; /* 7:0 */
	__u8 odd : 3; /* 7:5 */
}; /* 8 bytes */

enum kind {
	KIND_NONE = 0,
	KIND_SHORT = 1,
	KIND_LONG = 7,
};

struct entry {
	__u64 seen; /* 0 */
	union {
		__u64 bytes; /* 0 */
		struct {
			__u32 low; /* 0 */
			__u32 high; /* 4 */
		}; /* 0 */
	}; /* 8 */
	enum kind kind; /* 16 */
	__u8 name[12]; /* 20 */
	struct key *(*pick)(const struct key *, int); /* 32 */
}; /* 40 bytes */

struct xdp_md {
	__u32 data; /* 0 */
	__u32 data_end; /* 4 */
	__u32 data_meta; /* 8 */
	__u32 ingress_ifindex; /* 12 */
	__u32 rx_queue_index; /* 16 */
	__u32 egress_ifindex; /* 20 */
}; /* 24 bytes */

struct task_struct {
	int pid; /* 0 */
	struct task_struct *group_leader; /* 8 */
	struct {
		int values[4]; /* 0 */
	} nested; /* 16 */
}; /* 32 bytes */

