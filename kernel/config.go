package kernel

// Config configures the kernel engine. The zero value is good.
type Config struct{}
