# CO-RE: the types at load time are those of core_types.

packet any = eth / zero:30

story facts: what exists, where, how large, and enum values
object core facts
types core_types
in any
run facts
wantvar out = u64:1,0,12,1,1,0,1,0,56,70,3,0,0x123456789

story accesses: fields that moved
object core accesses
types core_types
map memory u32:0 = u32:1,2 u32:0x7b5f07 u32:9 u32:1,11,2,22,3,33 u16:44,0 u32:0 u64:0x55 zero:8
in any
run accesses
wantvar out = u64:9,22,0x55,2,1
want memory u32:0 = any:12 u32:99 any:48

story bit-fields: taken apart by offset, size and shifts
object core bit_fields
types core_types
map memory u32:0 = u32:1,2 u32:0x7b5f07 zero:52
in any
run bit_fields
wantvar out = s64:21,-3

story guarded: an access to a field that is not there, where it cannot run
object core guarded
types core_types
in any
run guarded
wantvar out = s64:1
