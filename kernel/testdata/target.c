// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A process to probe: for every byte it reads it calls probe_me, passes two
// places of the static probe skep:tick and answers with the probe's semaphore.
// Without a C library, so that it runs in any machine of its architecture.

typedef unsigned long u64;

volatile unsigned short tick_semaphore __attribute__((section(".probes"), used));

#define STRINGIFY(x) #x
// A probe's place: a nop, and a note that tells where it is (<sys/sdt.h>).
#define TICK(arg)                                                     \
	__asm__ volatile("990: nop\n"                                       \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"               \
			 ".balign 4\n"                                              \
			 ".4byte 992f-991f, 994f-993f, 3\n"                         \
			 "991: .asciz \"stapsdt\"\n"                                \
			 "992: .balign 4\n"                                         \
			 "993: .8byte 990b\n"                                       \
			 ".8byte _.stapsdt.base\n"                                  \
			 ".8byte tick_semaphore\n"                                  \
			 ".asciz \"skep\"\n"                                        \
			 ".asciz \"tick\"\n"                                        \
			 ".asciz \"-4@%0\"\n"                                       \
			 "994: .balign 4\n"                                         \
			 ".popsection\n"                                            \
			 ".ifndef _.stapsdt.base\n"                                 \
			 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
			 ".weak _.stapsdt.base\n"                                   \
			 ".hidden _.stapsdt.base\n"                                 \
			 "_.stapsdt.base: .space 1\n"                               \
			 ".size _.stapsdt.base, 1\n"                                \
			 ".popsection\n"                                            \
			 ".endif\n" ::"r"(arg))

static long call(long number, long a, long b, long c)
{
	long ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__attribute__((noinline, used)) int probe_me(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

__attribute__((noinline, used)) int probe_me_too(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 2;
}

__attribute__((force_align_arg_pointer)) void _start(void)
{
	unsigned char b;

	while (call(0, 0, (long)&b, 1) == 1) {
		int n = probe_me(b);
		n = probe_me_too(n);
		TICK(n);
		n++;
		TICK(n);
		b = (unsigned char)tick_semaphore;
		call(1, 1, (long)&b, 1);
	}
	call(60, 0, 0, 0);
}
