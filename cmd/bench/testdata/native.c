// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The programs of plain.bpf.c as code of this machine: prints the best time of
 * a run of each in nanoseconds, of several rounds. */
#include "cmd/bench/testdata/plain.bpf.c"

int printf(const char *format, ...);
struct timespec {
	long seconds, nanoseconds;
};
int clock_gettime(int clock, struct timespec *t);

static double now(void)
{
	struct timespec t;
	clock_gettime(1, &t);
	return t.seconds * 1e9 + t.nanoseconds;
}

static u8 packet[1500] __aligned(8);

static void measure(const char *name, int (*volatile f)(struct xdp_md *))
{
	struct xdp_md ctx = {packet, packet + sizeof packet};
	double best = 1e18;
	long times = 1;
	for (int round = 0; round < 40; round++) {
		double start = now();
		for (long i = 0; i < times; i++)
			f(&ctx);
		double took = now() - start;
		if (took < 2e6) {
			times *= 2;
			continue;
		}
		if (took / times < best)
			best = took / times;
	}
	printf("%s %.2f\n", name, best);
}

int main(void)
{
	for (unsigned i = 0; i < sizeof packet; i++)
		packet[i] = i * 7;
	memcpy(packet, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0\x05\xce\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2\x30\x39\0\x35\0\0\0\0", 42);
#define MEASURE(f) measure(#f, f)
	MEASURE(noop);
	MEASURE(arithmetic);
	MEASURE(division);
	MEASURE(sieve);
	MEASURE(checksum);
	MEASURE(copy);
	MEASURE(search);
	MEASURE(calls);
	MEASURE(parse);
	return 0;
}
