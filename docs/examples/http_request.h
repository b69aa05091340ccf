/* Programs at hook http/request: SEC("http/request"). Made by skep from its declaration in Go. */
#ifndef SKEP_HOOK_HTTP_REQUEST
#define SKEP_HOOK_HTTP_REQUEST

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;

#ifndef SEC
#define SEC(name) __attribute__((section(name), used))
#endif

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

/* What programs return. */
enum {
	HTTP_DENY = 0,
	HTTP_ALLOW = 1,
};

/* The context. What is const programs only read. */
struct http_request {
	const __u8 client[16];
	void *path;
	void *path_end;
	const __s64 length;
	__u32 status;
	__u32 filter;
};

/* What programs may call. */
extern long http_header(struct http_request *ctx, const char *name__str, char *value, __u32 value__sz) __ksym;

#endif
