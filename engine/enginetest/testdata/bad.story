# Programs that reach for what is not theirs: refused by a verifier, or stopped
# by checks while they run.

packet any = eth / ip4 10.0.0.1 > 10.0.0.2 / udp 1000 > 53 / zero:22

story null-pointer: a lookup's result used without looking
object bad null_pointer
in any
refuse null_pointer

story past-the-packet: no comparison with data_end
object bad past_the_packet
in any
refuse past_the_packet

story past-the-value: the word after a map value
object bad past_the_value
in any
refuse past_the_value

story below-the-stack: further down than 512 bytes
object bad below_the_stack
in any
refuse below_the_stack

story stale-pointer: a packet pointer from before the packet was cut
object bad stale_pointer
in any
refuse stale_pointer

story write-to-context: a field that may only be read
object bad write_to_context
in any
refuse write_to_context

story past-the-context: behind its last field
object bad past_the_context
in any
refuse past_the_context

story made-up-pointer: an address out of thin air
object bad made_up_pointer
in any
refuse made_up_pointer

story forever: a loop that does not end
object bad forever
in any
refuse forever
