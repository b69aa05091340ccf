# Settings of the kernel, from a configuration that the story brings along:
# Linux 6.12, CONFIG_BPF=y, CONFIG_HZ=250, CONFIG_VETH=m, CONFIG_LOCALVERSION="-story".

packet any = eth / zero:30

story settings: externs of every kind, and a weak one that is not set
object kconfig
in any
run settings
return XDP_PASS
wantvar out = u64:0x60c00,1,250,2,0,115
