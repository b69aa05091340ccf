/* gcc -O1 -c tiny.c && objcopy -O binary --only-section=.eh_frame tiny.o tiny.eh_frame
 * (not linked: addresses are 0) */
int other(int *);
int frame(int n)
{
	int v[n];
	v[0] = n;
	return other(v) + v[n - 1];
}
int plain(int n) { return other(&n) + 1; }
