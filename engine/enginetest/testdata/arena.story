# Memory that programs share with the user side.

story pages: allocated, freed, and what is not there
object arena pages
needs kfunc bpf_arena_alloc_pages
run pages
return 0
wantvar out = s64:4096,0,5,1,1,1,1,1,0,0,1,0,6

story reserved-pages: that nobody allocates
object arena reserve
needs kfunc bpf_arena_reserve_pages
run reserve
return 0
wantvar out = s64:-16,0,-16,0,-22,12288,4096

story arena-list: linked by pointers, from a variable
object arena lists
needs kfunc bpf_arena_alloc_pages
run lists
return 0
wantvar out = s64:45,10,42,42,43
