package lb

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/maglev"
	"github.com/skepdev/skep/net/service"
)

// Config describes a dataplane. The zero value balances by NAT without an
// address of its own, which works for sockets only; XDP needs Source4, Source6
// or both.
type Config struct {
	// Size of the tables; pinned tables keep the size they have.
	Size bpf.LBSize
	// Source4 and Source6 are our own addresses: outer sources of tunnels, and
	// what NAT puts in the client's place.
	Source4, Source6 netip.Addr
	// Prefix6, if valid, is where IPv4 clients appear to IPv6 backends instead
	// of Source6: their address stands inside (RFC 6052), and the network has to
	// route the prefix to the balancer. Its length is 32, 40, 48, 56, 64 or 96.
	Prefix6 netip.Prefix
	// Gateway is the hardware address that everything is sent to, back out of
	// the interface it came in; empty: the routing table is asked.
	Gateway net.HardwareAddr
	// MTU of the way to backends, without the Ethernet header; packets that no
	// longer fit with a tunnel's header are answered with a path MTU error.
	// 0: not checked.
	MTU uint16
	// Forward is how pools that do not say themselves are forwarded; empty
	// means NAT.
	Forward service.Forward
	// GUEPort and GenevePort; 0 means 6080 and 6081.
	GUEPort, GenevePort uint16
	// NATPorts are the source ports of NAT, both ends included; zeros mean
	// 61000 to 65535, which is outside Linux's ephemeral range.
	NATPorts [2]uint16
	// How long idle connections are remembered. Zeros mean 1 min half open,
	// 6 h established, 2 min of datagrams, 30 s closing.
	HalfOpen, Established, Datagram, Closing time.Duration
	// PinPath is a directory in a bpffs: tables stay there when the process
	// ends. Empty: they end with it.
	PinPath string
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c *Config) defaults() {
	orDefault(&c.Forward, service.ForwardNAT)
	orDefault(&c.GUEPort, 6080)
	orDefault(&c.GenevePort, 6081)
	orDefault(&c.NATPorts, [2]uint16{61000, 65535})
	orDefault(&c.HalfOpen, time.Minute)
	orDefault(&c.Established, 6*time.Hour)
	orDefault(&c.Datagram, 2*time.Minute)
	orDefault(&c.Closing, 30*time.Second)
	c.Size = c.Size.WithDefaults()
}

func (c *Config) check() error {
	if c.Source4.IsValid() && !c.Source4.Is4() || c.Source6.IsValid() && !c.Source6.Is6() {
		return fmt.Errorf("configure load balancer: source addresses %v and %v must be IPv4 and IPv6", c.Source4, c.Source6)
	}
	if p := c.Prefix6; p.IsValid() && (!p.Addr().Is6() || p.Addr().Is4In6() || !slices.Contains([]int{32, 40, 48, 56, 64, 96}, p.Bits()) || p.Addr().As16()[8] != 0) {
		return fmt.Errorf("configure load balancer: %v is no prefix for IPv4 addresses: RFC 6052 has lengths of 32, 40, 48, 56, 64 and 96, and bits 64 to 71 zero", p)
	}
	if c.NATPorts[0] == 0 || c.NATPorts[0] > c.NATPorts[1] {
		return fmt.Errorf("configure load balancer: NAT ports %d to %d are no range", c.NATPorts[0], c.NATPorts[1])
	}
	if len(c.Gateway) != 0 && len(c.Gateway) != 6 {
		return fmt.Errorf("configure load balancer: gateway %v is no Ethernet address", c.Gateway)
	}
	return nil
}

// tick is the programs' unit of time.
const tick = 1 << 30 * time.Nanosecond

func ticks(d time.Duration) uint32 { return uint32((d + tick - 1) / tick) }

// Dataplane is a load balancer's tables and programs. It is safe for
// concurrent use.
type Dataplane struct {
	mu     sync.Mutex
	eng    engine.Engine
	coll   *engine.Collection
	cfg    Config
	seed   uint64
	mask   uint32
	maglev []byte // memory of the slab, backends and connections,
	backs  []byte // shared with running programs
	conns  []byte

	pools     map[string]*pool
	owners    map[frontendKey]string // which pool has a frontend
	echoes    map[netip.Addr]int     // how many frontends an address has
	echoIDs   map[netip.Addr]uint32
	services  map[string][]string // pools of what was applied, by its key
	found     *found              // what an earlier process left and nobody adopted yet
	slab      *slab
	frontends *ids
	backends  *ids
	poolIDs   *ids
	builder   maglev.Builder
	scratch   []uint32
	leaving   []leaving
	asked     int
	closed    bool
	peeking   bool // tables are read only
	now       func() time.Time
}

// Open makes the tables, or opens those that are pinned, and loads the programs.
// The caller closes the dataplane; the engine stays open.
func Open(ctx context.Context, eng engine.Engine, cfg Config) (*Dataplane, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	spec, err := bpf.LoadBalancer(cfg.Size)
	if err != nil {
		return nil, err
	}
	opts, err := pins(eng, spec, cfg.PinPath)
	if err != nil {
		return nil, err
	}
	coll, err := eng.Load(ctx, spec, opts)
	if err != nil {
		return nil, fmt.Errorf("load the load balancer: %w", err)
	}
	d := &Dataplane{
		eng: eng, coll: coll, cfg: cfg, now: time.Now,
		pools: map[string]*pool{}, owners: map[frontendKey]string{}, services: map[string][]string{},
		echoes: map[netip.Addr]int{}, echoIDs: map[netip.Addr]uint32{},
	}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, coll.Close())
	}
	return d, nil
}

// scratchMaps hold nothing between packets and are not pinned.
func scratchMap(name string) bool { return strings.HasSuffix(name, "_scratch") }

// pins makes the maps of spec pinned by name. Maps that are there already keep
// their size: it is what connections were remembered under.
func pins(eng engine.Engine, spec *ebpf.CollectionSpec, path string) (*engine.LoadOptions, error) {
	if path == "" {
		return nil, nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("pin tables: %w", err)
	}
	for name, m := range spec.Maps {
		if scratchMap(name) {
			continue
		}
		m.Pinning = ebpf.PinByName
		if err := adjust(eng, m, filepath.Join(path, name)); err != nil {
			return nil, err
		}
	}
	return &engine.LoadOptions{PinPath: path}, nil
}

// start maps the shared memory, writes the configuration and reads what is
// there.
func (d *Dataplane) start() error {
	for name, mem := range map[string]*[]byte{bpf.LBMaglevMap: &d.maglev, bpf.LBBackendMap: &d.backs, bpf.LBConnMap: &d.conns} {
		m, err := d.coll.Map(name)
		if err != nil {
			return err
		}
		if *mem, err = m.Memory(); err != nil {
			return fmt.Errorf("map table %s: %w", name, err)
		}
		*mem = (*mem)[:m.Info().MaxEntries*m.Info().ValueSize]
	}
	d.mask = uint32(len(d.conns)/(bpf.LBWays*16)) - 1
	if len(d.conns) == 0 || (d.mask+1)&d.mask != 0 {
		return fmt.Errorf("the connection table has %d bytes: no power of two", len(d.conns))
	}
	d.slab = newSlab(uint32(len(d.maglev) / 4 / bpf.LBLine))
	fronts, err := d.coll.Map(bpf.LBFrontend4Map)
	if err != nil {
		return err
	}
	d.frontends = newIDs("frontend", min(bpf.LBMaxFrontends, uint32(fronts.Info().MaxEntries)))
	d.backends = newIDs("backend", uint32(len(d.backs)/backendSize)-1)
	d.poolIDs = newIDs("pool", 1<<31)
	if !d.peeking {
		if err := d.configure(); err != nil {
			return err
		}
	}
	return d.adopt()
}

// configure writes the configuration. The hash's seed stays as long as the
// connection table.
func (d *Dataplane) configure() error {
	v, err := view[uint32, bpf.LBConfig](d, bpf.LBConfigMap)
	if err != nil {
		return err
	}
	old, err := v.Get(0)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if old.Layout > bpf.LBLayout {
		return fmt.Errorf("the pinned tables have layout %d, made by a newer version (this one knows %d): run that, or skep down, which ends connections", old.Layout, bpf.LBLayout)
	}
	c := bpf.LBConfig{
		Layout: bpf.LBLayout,
		Seed:   old.Seed, ConnMask: d.mask, MTU: d.cfg.MTU,
		GUEPort: port16(d.cfg.GUEPort), GenevePort: port16(d.cfg.GenevePort), TunnelSourcePort: port16(49152),
		NATLow: d.cfg.NATPorts[0], NATHigh: d.cfg.NATPorts[1],
		IdleHalfOpen: ticks(d.cfg.HalfOpen), IdleEstablished: ticks(d.cfg.Established),
		IdleDatagram: ticks(d.cfg.Datagram), IdleClosing: ticks(d.cfg.Closing),
	}
	if c.Seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // does not fail (crypto/rand)
		c.Seed = binary.LittleEndian.Uint64(b[:]) | 1
	}
	if d.cfg.Source4.IsValid() {
		c.Source4 = d.cfg.Source4.As4()
	}
	if d.cfg.Source6.IsValid() {
		c.Source6 = d.cfg.Source6.As16()
	}
	if p := d.cfg.Prefix6; p.IsValid() {
		c.Prefix6Bits, c.Prefix6 = uint8(p.Bits()), p.Masked().Addr().As16()
		for i := range p.Bits() {
			c.Prefix6Mask[i/8] |= 0x80 >> (i % 8)
		}
	}
	copy(c.Gateway[:], d.cfg.Gateway)
	d.seed = c.Seed
	return v.Put(0, c)
}

func port16(p uint16) (b [2]byte) {
	binary.BigEndian.PutUint16(b[:], p)
	return b
}

func view[K, V any](d *Dataplane, name string) (engine.View[K, V], error) {
	m, err := d.coll.Map(name)
	if err != nil {
		return engine.View[K, V]{}, err
	}
	return engine.NewView[K, V](m)
}

// Program returns the XDP program. It belongs to the dataplane.
func (d *Dataplane) Program() (engine.Program, error) { return d.coll.Program(bpf.LBXDP) }

// Maps returns the dataplane's tables by name, for programs that share them.
// They belong to the dataplane.
func (d *Dataplane) Maps() map[string]engine.Map { return maps.Clone(d.coll.Maps) }

// Close gives the tables and programs up. Pinned tables and links that are
// pinned stay, and with them the balancing.
func (d *Dataplane) Close() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	d.maglev, d.backs, d.conns = nil, nil, nil
	return d.coll.Close()
}

// unpin removes the pinned tables under path and returns how many there were.
func unpin(eng engine.Engine, path string) (int, error) {
	xdp, err := bpf.LoadBalancer(bpf.LBSize{})
	if err != nil {
		return 0, err
	}
	names := append(slices.Collect(maps.Keys(xdp.Maps)), bpf.LBPeerMap)
	slices.Sort(names)
	var errs []error
	n := 0
	for _, name := range names {
		m, err := eng.OpenMap(filepath.Join(path, name))
		if errors.Is(err, engine.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n++
		errs = append(errs, m.Unpin(), m.Close())
	}
	return n, errors.Join(errs...)
}

var errClosed = fmt.Errorf("the dataplane is closed: %w", engine.ErrClosed)
