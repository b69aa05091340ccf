package lab

import "testing"

// plainDevice is an engine's device without programs.
type plainDevice struct{ cfg deviceConfig }

func (d plainDevice) Receive(f []byte)  { d.cfg.Deliver(f) }
func (d plainDevice) Transmit(f []byte) { d.cfg.Send(f) }
func (d plainDevice) Close() error      { return nil }

func plainLab(t testing.TB, cfg Config) *Lab {
	t.Helper()
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	w := &embeddedWorld{
		queueLen:  4096,
		newDevice: func(c deviceConfig) (engineDevice, error) { return plainDevice{c}, nil },
	}
	l := newLab(cfg, w, Embedded, "a test asked for it")
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
