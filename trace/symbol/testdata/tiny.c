/* gcc -O1 -g -nostdlib -static -fno-asynchronous-unwind-tables -ffile-prefix-map=$PWD=. -Wl,--build-id -o tiny tiny.c */
static inline __attribute__((always_inline)) int twice(int x) { return x + x * (x & 3); }
__attribute__((noinline)) int leaf(int x) { return twice(x) + 1; }
void _start(void)
{
	for (volatile int i = 0;; i++)
		i = leaf(i);
}
