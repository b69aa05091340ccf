package lab

// openEmbedded opens the embedded world.
func openEmbedded(cfg Config) (world, error) {
	return &embeddedWorld{queueLen: cfg.QueueLength, newDevice: func(c deviceConfig) (engineDevice, error) { return plainDevice{c}, nil }}, nil
}

// plainDevice is an engine's device without programs.
type plainDevice struct{ cfg deviceConfig }

func (d plainDevice) Receive(f []byte)  { d.cfg.Deliver(f) }
func (d plainDevice) Transmit(f []byte) { d.cfg.Send(f) }
func (d plainDevice) Close() error      { return nil }
