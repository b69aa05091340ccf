package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/health"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/proxy"
	"github.com/skepdev/skep/net/service"
)

// Config describes an agent.
type Config struct {
	// Files and folders with resources; of folders, *.yaml, *.yml and *.json.
	Files []string
	// Socket is the path of the API's unix socket; empty: no API.
	Socket string
	// State is a folder where resources from the API are kept; empty: they
	// last as long as the agent.
	State string
	// LB configures the dataplane.
	LB lb.Config
	// Interfaces whose packets are balanced on XDP, and the cgroup whose sockets
	// are; either may be empty.
	Interfaces []engine.XDP
	Cgroup     string
	// TC are devices whose packets are translated on tc, by NAT.
	TC []engine.Device
	// Userspace takes the services' connections and datagrams in this process instead,
	// on the frontends' addresses, or on Listen if that is set.
	Userspace bool
	Listen    netip.Addr
	// Place is where this host is: node, zone and addresses.
	Place service.Options
	// Poll is how often files are looked at; 0 means 200 ms.
	Poll time.Duration
	// Log; nil means slog's default.
	Log *slog.Logger
}

// Agent is a running agent. Its methods are safe for concurrent use.
type Agent struct {
	cfg     Config
	eng     engine.Engine
	log     *slog.Logger
	plane   *lb.Dataplane
	sockets *lb.Sockets
	tc      *lb.TC
	proxy   *proxy.Proxy
	links   []engine.Link
	monitor *health.Monitor
	passive *health.Outliers
	ln      net.Listener

	mu       sync.Mutex
	files    *files
	set      service.Set
	origin   map[string]string // which file a resource is from; "" is the API
	pools    map[string][]*service.Pool
	problems map[string][]string // by service
	deaf     []string            // what the proxy cannot listen for
	watchers map[chan client.Event]struct{}
	due      chan string // services whose checks have news
}

// Open reads the resources, makes the dataplane (or finds that of an agent
// before), brings all services to it, and attaches. The caller calls Run and
// then Close; the engine stays open.
func Open(ctx context.Context, eng engine.Engine, cfg Config) (a *Agent, err error) {
	a = &Agent{
		cfg: cfg, eng: eng, log: cmp.Or(cfg.Log, slog.Default()),
		origin: map[string]string{}, pools: map[string][]*service.Pool{}, problems: map[string][]string{},
		watchers: map[chan client.Event]struct{}{}, due: make(chan string, 1024),
	}
	orDefault(&a.cfg.Poll, 200*time.Millisecond)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
			a = nil
		}
	}()
	if err := a.read(); err != nil {
		return nil, err
	}
	cfg.LB.Size = a.fit(cfg.LB.Size)
	if a.plane, err = lb.Open(ctx, eng, cfg.LB); err != nil {
		return nil, err
	}
	a.monitor, a.passive = health.New(a.news), health.NewOutliers(a.news)
	a.cfg.Place.State = a.state
	a.mu.Lock()
	for _, key := range a.set.Services() {
		a.bring(key)
	}
	steps, err := a.plane.Settle()
	if cfg.Userspace {
		a.proxy = proxy.New(a.plane, proxy.Options{At: cfg.Listen, Log: a.log, Report: a.outcome})
	}
	a.listen()
	a.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("remove what is left from before: %w", err)
	}
	a.tell("", steps, nil)
	if err := a.attach(ctx); err != nil {
		return nil, err
	}
	if cfg.Socket != "" {
		if a.ln, err = listen(cfg.Socket); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// read reads all files, and what the API was given before.
func (a *Agent) read() error {
	a.files = newFiles(a.cfg.Files)
	changed, err := a.files.scan()
	if err != nil {
		return err
	}
	for _, f := range changed {
		if f.err != nil {
			return f.err // at the start a mistake is not to be overlooked
		}
		a.take(f)
	}
	return a.readState()
}

func (a *Agent) attach(ctx context.Context) error {
	for _, i := range a.cfg.Interfaces {
		l, err := a.plane.AttachXDP(i)
		if err != nil {
			return fmt.Errorf("attach to %v: %w", i.Device, err)
		}
		a.links = append(a.links, l)
	}
	var err error
	if len(a.cfg.TC) > 0 {
		if a.tc, err = a.plane.AttachTC(ctx, a.cfg.TC...); err != nil {
			return err
		}
	}
	if a.cfg.Cgroup == "" {
		return nil
	}
	a.sockets, err = a.plane.AttachSockets(ctx, a.cfg.Cgroup)
	return err
}

// Run follows files, checks and the API until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	served := make(chan error, 1)
	stop := a.serve(served)
	defer stop()
	poll := time.NewTicker(a.cfg.Poll)
	defer poll.Stop()
	count := time.NewTicker(2 * time.Second)
	defer count.Stop()
	neighbours := time.NewTicker(50 * time.Millisecond)
	defer neighbours.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-served:
			return fmt.Errorf("serve the API: %w", err)
		case <-poll.C:
			a.reread()
			a.plane.Expire()
		case <-neighbours.C:
			a.resolve(ctx)
		case key := <-a.due:
			a.mu.Lock()
			steps, err := a.bring(key)
			a.mu.Unlock()
			a.tell(key, steps, err)
		case <-count.C:
			if _, err := a.plane.CountConnections(); err != nil {
				a.log.Error("count connections", "err", err)
			}
		}
	}
}

// resolve sends an empty datagram (to the discard port, RFC 863) where the
// dataplane does not know the next hop's hardware address: the host then asks.
func (a *Agent) resolve(ctx context.Context) {
	addrs, err := a.plane.Unresolved()
	if err != nil {
		a.log.Error("read unresolved addresses", "err", err)
	}
	for _, addr := range addrs {
		conn, err := new(net.Dialer).DialContext(ctx, "udp", netip.AddrPortFrom(addr, 9).String())
		if err != nil {
			a.log.Debug("resolve", "address", addr, "err", err)
			continue
		}
		_, _ = conn.Write(nil) // what comes of it does not matter
		_ = conn.Close()
	}
}

// bring brings one service to the dataplane. a.mu is held.
func (a *Agent) bring(key string) ([]lb.Step, error) {
	a.watchHealth(key)
	pools, problems := a.set.Resolve(key, &a.cfg.Place)
	steps, err := a.plane.Apply(key, pools)
	var texts []string
	if !a.cfg.Userspace && slices.ContainsFunc(pools, func(p *service.Pool) bool { return p.ProxyProtocol != 0 }) {
		texts = append(texts, "proxyProtocol is not sent: only balancing in user space can")
	}
	for _, p := range problems {
		texts = append(texts, p.Reason)
	}
	if err != nil {
		texts = append(texts, err.Error())
	}
	if err := a.endLeft(a.pools[key], pools); err != nil {
		texts = append(texts, err.Error())
	}
	a.pools[key], a.problems[key] = pools, texts
	if len(pools) == 0 {
		delete(a.pools, key)
	}
	if len(texts) == 0 {
		delete(a.problems, key)
	}
	return steps, err
}

// endLeft ends the sockets connected to backends that have left, where that is
// asked for: the packets of those sockets pass no program that could lead them
// elsewhere.
func (a *Agent) endLeft(before, now []*service.Pool) error {
	if a.cfg.Cgroup == "" {
		return nil
	}
	left := map[netip.AddrPort]bool{}
	for _, p := range before {
		for _, b := range p.Backends {
			if p.EndSockets && p.Protocol == service.TCP {
				left[b.Addr] = true
			}
		}
	}
	for _, p := range now {
		for _, b := range p.Backends {
			delete(left, b.Addr)
		}
	}
	var errs []error
	for addr := range left {
		n, err := endSockets(addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("end the sockets to %v: %w", addr, err))
		}
		a.log.Info("ended sockets", "backend", addr, "sockets", n)
	}
	return errors.Join(errs...)
}

// tell logs a change and sends it to those who watch.
func (a *Agent) tell(key string, steps []lb.Step, err error) {
	if len(steps) == 0 && err == nil {
		return
	}
	e := client.Event{Time: time.Now(), Service: key, Steps: views(steps)}
	if err != nil {
		e.Error = err.Error()
		a.log.Error("apply", "service", key, "err", err)
	}
	for _, s := range steps {
		a.log.Debug(s.String(), "service", key)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for w := range a.watchers {
		select {
		case w <- e:
		default: // who does not read is not waited for
		}
	}
}

// reread applies what changed in files.
func (a *Agent) reread() {
	a.mu.Lock()
	changed, err := a.files.scan()
	if err != nil {
		a.mu.Unlock()
		a.log.Error("read resources", "err", err)
		return
	}
	touched := map[string]bool{}
	for _, f := range changed {
		if f.err != nil {
			a.log.Error("keep what the file said before", "err", f.err)
			continue
		}
		for _, key := range a.take(f) {
			touched[key] = true
		}
	}
	type outcome struct {
		key   string
		steps []lb.Step
		err   error
	}
	var done []outcome
	for _, key := range slices.Sorted(maps.Keys(touched)) {
		steps, err := a.bring(key)
		done = append(done, outcome{key, steps, err})
	}
	if len(done) > 0 {
		a.listen()
	}
	a.mu.Unlock()
	for _, o := range done {
		a.tell(o.key, o.steps, o.err)
	}
}

// take puts a file's resources into the set, removes those that it no longer
// has, and returns the services touched.
func (a *Agent) take(f *file) []string {
	var touched []string
	wanted := map[string]bool{}
	for _, r := range f.resources {
		key := r.Key()
		if from, ok := a.origin[key]; ok && from != f.path {
			a.log.Warn("a resource is described twice; the later is ignored", "resource", key, "first", cmp.Or(from, "API"), "also", f.path)
			continue
		}
		wanted[key] = true
		a.origin[key] = f.path
		touched = append(touched, a.set.Put(r)...)
	}
	for key, from := range maps.Clone(a.origin) {
		if from == f.path && !wanted[key] {
			touched = append(touched, a.set.Delete(key)...)
			delete(a.origin, key)
		}
	}
	return touched
}

// Close stops checks and the API and gives the dataplane up. What is pinned
// goes on balancing.
func (a *Agent) Close() error {
	if a == nil {
		return nil
	}
	var errs []error
	if a.ln != nil {
		_ = a.ln.Close() // closed already where Run served
		a.ln = nil
	}
	errs = append(errs, a.proxy.Close(), a.monitor.Close(), a.passive.Close(), a.sockets.Close(), a.tc.Close())
	for _, l := range a.links {
		errs = append(errs, l.Close())
	}
	a.links = nil
	return errors.Join(append(errs, a.plane.Close())...)
}

// Plan says what an agent with this configuration would change, and changes
// nothing: tables of an agent before are only read. problems are valid resources
// that cannot be done.
func Plan(ctx context.Context, eng engine.Engine, cfg Config) (steps []lb.Step, problems []service.Problem, err error) {
	a := &Agent{cfg: cfg, log: cmp.Or(cfg.Log, slog.Default()), origin: map[string]string{}}
	if err := a.read(); err != nil {
		return nil, nil, err
	}
	plane, err := lb.Peek(ctx, eng, cfg.LB)
	if err != nil {
		return nil, nil, err
	}
	defer plane.Close()
	var all []*service.Pool
	for _, key := range a.set.Services() {
		pools, p := a.set.Resolve(key, &a.cfg.Place)
		problems = append(problems, p...)
		steps = append(steps, plane.Plan(key, pools)...)
		all = append(all, pools...)
	}
	steps = append(steps, plane.Leftovers(all)...)
	return steps, append(problems, a.set.Orphans()...), nil
}

// stateFile is where a resource from the API is kept.
func (a *Agent) stateFile(key string) string {
	return filepath.Join(a.cfg.State, "resources", fileName(key))
}

func (a *Agent) readState() error {
	if a.cfg.State == "" {
		return nil
	}
	kept := newFiles([]string{filepath.Join(a.cfg.State, "resources")})
	kept.optional = true
	changed, err := kept.scan()
	if err != nil {
		return err
	}
	for _, f := range changed {
		if f.err != nil {
			return f.err
		}
		for _, r := range f.resources {
			if from, ok := a.origin[r.Key()]; ok {
				a.log.Warn("a resource applied over the API is in a file now; the file counts", "resource", r.Key(), "file", from)
				continue
			}
			a.origin[r.Key()] = ""
			a.set.Put(r)
		}
	}
	return nil
}

func (a *Agent) keep(key string, text []byte) error {
	if a.cfg.State == "" {
		return nil
	}
	path := a.stateFile(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
