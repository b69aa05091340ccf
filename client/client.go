// Package client speaks to a running agent (skep up) over its local socket.
//
//	c := client.New("/run/skep/agent.sock")
//	services, err := c.Services(ctx)
//	steps, err := c.Apply(ctx, "web.yaml", text)
//
// The API is JSON over HTTP; the types here are what goes over it. Package agent
// is the other side.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"
)

// Socket is where an agent listens unless told otherwise.
const Socket = "/run/skep/agent.sock"

// ErrNoAgent: nobody listens on the socket.
var ErrNoAgent = errors.New("no agent is running")

// Service is a service as the agent runs it.
type Service struct {
	// Name is namespace/name.
	Name  string `json:"name"`
	Pools []Pool `json:"pools"`
	// Problems are what could not be done.
	Problems []string `json:"problems,omitempty"`
}

// Pool is one port of a service in one address family.
type Pool struct {
	Name      string         `json:"name"`
	Algorithm string         `json:"algorithm"`
	Forward   string         `json:"forward,omitempty"`
	Affinity  string         `json:"affinity,omitempty"`
	Sources   []netip.Prefix `json:"sources,omitempty"`
	Frontends []Frontend     `json:"frontends"`
	Backends  []Backend      `json:"backends"`
	Counters
}

// Counters count packets and bytes to backends, and connections begun.
type Counters struct {
	Connections uint64 `json:"connections"`
	Packets     uint64 `json:"packets"`
	Bytes       uint64 `json:"bytes"`
}

// Frontend is an address that clients use.
type Frontend struct {
	Addr netip.AddrPort `json:"address"`
	Kind string         `json:"kind"`
}

// Backend is an address that does the work.
type Backend struct {
	Addr   netip.AddrPort `json:"address"`
	State  string         `json:"state"`
	Weight int            `json:"weight"`
	Node   string         `json:"node,omitempty"`
	// Active connections, as of the agent's last count.
	Active uint32 `json:"active"`
	Counters
	// Check is the last active check, absent if there is none.
	Check *Check `json:"check,omitempty"`
}

// Check is what is known from active checks.
type Check struct {
	Healthy   bool    `json:"healthy"`
	Checks    uint64  `json:"checks"`
	Failures  uint64  `json:"failures"`
	LatencyMS float64 `json:"latency_ms"`
	Error     string  `json:"error,omitempty"`
}

// Step is a thing that an update did, as text: "+ backend 10.0.0.1:80".
type Step struct {
	Op   string `json:"op"`
	Kind string `json:"kind"`
	Pool string `json:"pool"`
	What string `json:"what"`
	Text string `json:"text"`
}

// Event is a change of a service.
type Event struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Steps   []Step    `json:"steps"`
	Error   string    `json:"error,omitempty"`
}

// Status is what an agent says of itself.
type Status struct {
	PID        int      `json:"pid"`
	Engine     string   `json:"engine"`
	Node       string   `json:"node,omitempty"`
	Interfaces []string `json:"interfaces,omitempty"`
	Cgroup     string   `json:"cgroup,omitempty"`
	Services   int      `json:"services"`
	Problems   []string `json:"problems,omitempty"`
	// Reasons count packets that were dropped, or were remarkable.
	Reasons map[string]uint64 `json:"reasons,omitempty"`
}

// Client is safe for concurrent use.
type Client struct {
	socket string
	http   *http.Client
}

// New returns a client of the agent at a socket.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &Client{socket, &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}}
}

// do sends a request and returns the answer, whose body the caller closes.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" && !errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("reach the agent at %s: %w", c.socket, ErrNoAgent)
		}
		return nil, fmt.Errorf("reach the agent at %s: %w", c.socket, err)
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		var e struct{ Error string }
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if json.Unmarshal(text, &e) == nil && e.Error != "" {
			return nil, errors.New(e.Error)
		}
		return nil, fmt.Errorf("the agent answers %s", res.Status)
	}
	return res, nil
}

func get[T any](ctx context.Context, c *Client, method, path string, body []byte) (T, error) {
	var v T
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	return v, json.NewDecoder(res.Body).Decode(&v)
}

// Services lists all services, by name.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	return get[[]Service](ctx, c, http.MethodGet, "/v1/services", nil)
}

// Apply applies resources as people write them; name is what errors call the
// text. They stay until they are deleted, also when the agent restarts.
func (c *Client) Apply(ctx context.Context, name string, text []byte) ([]Step, error) {
	return get[[]Step](ctx, c, http.MethodPut, "/v1/resources?name="+url.QueryEscape(name), text)
}

// Delete deletes an applied resource, by its key: service/namespace/name.
func (c *Client) Delete(ctx context.Context, key string) ([]Step, error) {
	return get[[]Step](ctx, c, http.MethodDelete, "/v1/resources?key="+url.QueryEscape(key), nil)
}

// Status asks the agent about itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Trace explains where a packet would go; the answer is lb.Explanation as JSON.
func (c *Client) Trace(ctx context.Context, packet string) (json.RawMessage, error) {
	return get[json.RawMessage](ctx, c, http.MethodGet, "/v1/trace?packet="+url.QueryEscape(packet), nil)
}

// Tables reads the dataplane's tables; the answer is lb.Tables as JSON.
func (c *Client) Tables(ctx context.Context) (json.RawMessage, error) {
	return get[json.RawMessage](ctx, c, http.MethodGet, "/v1/tables", nil)
}

// Metrics returns what Prometheus scrapes.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	res, err := c.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// Connections calls yield with each remembered connection, lb.Connection as
// JSON, until it returns false.
func (c *Client) Connections(ctx context.Context, yield func(json.RawMessage) bool) error {
	return c.lines(ctx, "/v1/connections", yield)
}

// Watch calls yield for each change from now on until it returns false or ctx
// ends.
func (c *Client) Watch(ctx context.Context, yield func(Event) bool) error {
	var bad error
	err := c.lines(ctx, "/v1/watch", func(line json.RawMessage) bool {
		var e Event
		if bad = json.Unmarshal(line, &e); bad != nil {
			return false
		}
		return yield(e)
	})
	return errors.Join(bad, err)
}

func (c *Client) lines(ctx context.Context, path string, yield func(json.RawMessage) bool) error {
	res, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	sc := bufio.NewScanner(res.Body)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		if !yield(sc.Bytes()) {
			return nil
		}
	}
	return sc.Err()
}
