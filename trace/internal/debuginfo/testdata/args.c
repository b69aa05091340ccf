/* gcc -g -O0 -nostdlib -static -Wl,--build-id=none -Wl,-z,noseparate-code -fdebug-prefix-map=$PWD=/src -o args args.c */
enum color { RED = -1, BLUE = 7 };
union both { int i; char c[4]; };
typedef unsigned long size;
struct node {
  struct node *next;
  const char *name;
  unsigned flag : 3;
  unsigned rest : 5;
  union both u;
  int a[2];
};
int sum(struct node *n, enum color c, size len)
{
  return n->a[0] + c + len;
}
void _start(void)
{
  struct node n = { 0 };
  sum(&n, BLUE, 1);
  for (;;)
    ;
}
