# Instructions at their corners.

packet any = eth / zero:30

story divide: by zero gives zero, and the remainder is the dividend
object arith divide
in any
var a = u64:0x1122334455667788
run divide
wantvar out = u64:0,0x1122334455667788,0,0x55667788
var b = u64:0x100000003
run divide
wantvar out = u64:0x11223344,0x21ffddbc,0x1c777d2d,1

story operate: every operation at both widths
object arith operate
in any
var a = u64:0xfedcba9876543210
var b = u64:0x0123456789abcdf3
run operate
wantvar out = u64:3,0xfdb97530eca8641d,0x1da9c2f1beb25530,0xfffffffffffffff3,0x10,0xffffffffffffffe3,0x0123456789abcdf0,3,0xeca8641d,0xbeb25530,0xfffffff3,0x10,0xffffffe3,0x89abcdf3

story shift: by the low bits of the count, with and without sign
object arith shift
in any
var a = u64:0x8000000080000001
var b = u64:63
run shift
wantvar out = u64:0x8000000000000000,1,0xffffffffffffffff,0x80000000,1,0xffffffff
var b = u64:0
run shift
wantvar out = u64:0x8000000080000001,0x8000000080000001,0x8000000080000001,0x80000001,0x80000001,0x80000001

story swap: byte order and truncation
object arith swap
in any
var a = u64:0x0102030405060708
run swap
wantvar out = u64:0x0807,0x08070605,0x0807060504030201,0x0708,0x05060708,0x0102030405060708

story compare: signed and unsigned, 64 and 32 bits
object arith compare
in any
var a = u64:0xffffffff00000001
var b = u64:0x00000000ffffffff
run compare
wantvar out = u64:1806,1266
var a = u64:5
var b = u64:5
run compare
wantvar out = u64:1705,1705

story atomics: what they return and what they leave
object arith atomics
in any
var a = u64:0x1111111122222222
var b = u64:0x0f0f0f0ff0f0f0f0
run atomics
wantvar out = u64:0x1111111122222222,0x2020202113131312,0x2f2f2f2ff3f3f3f2,0x2020202003030302,0x3131313121212120,77,78,78

story widths: loads fill with zeroes, stores cut
object arith widths
in any
var a = u64:0x8899aabbccddeeff
var b = u64:0x1122334455667788
run widths
wantvar out = u64:0xff,0xeeff,0xccddeeff,0xffffffffffffff88,0xffffffffffff8899,0xffffffff8899aabb,0x8899aabbccdd88ff,0x8899aabb778888ff,0x55667788778888ff
