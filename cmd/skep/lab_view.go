package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/skepdev/skep/lab"
)

// labReport is what a lab's commands print.
type labReport struct {
	Name      string            `json:"name"`
	World     string            `json:"world"`
	Why       string            `json:"why"`
	Endpoints []labEndpoint     `json:"endpoints"`
	Links     []string          `json:"links"`
	Programs  []attachedProgram `json:"programs,omitempty"`
	Pings     []labPing         `json:"pings,omitempty"`
}

type labEndpoint struct {
	Name  string   `json:"name"`
	Addrs []string `json:"addrs"`
	Link  string   `json:"link"`
}

type labPing struct {
	From         string  `json:"from"`
	To           string  `json:"to"`
	Addr         string  `json:"addr"`
	Milliseconds float64 `json:"ms,omitempty"`
	Error        string  `json:"error,omitempty"`
}

func (b *builtLab) describe() *labReport {
	r := &labReport{Name: b.lab.Name(), World: b.lab.World().String(), Why: b.lab.Why(), Programs: b.attached}
	for _, e := range b.endpoints {
		le := labEndpoint{Name: e.Name(), Link: e.Link().Name()}
		for _, a := range e.Addrs() {
			le.Addrs = append(le.Addrs, a.String())
		}
		r.Endpoints = append(r.Endpoints, le)
	}
	for _, k := range b.lab.Links() {
		r.Links = append(r.Links, k.Name())
	}
	return r
}

// pingAll pings from every endpoint to every address of every other.
func (b *builtLab) pingAll(ctx context.Context) []labPing {
	var out []labPing
	for _, from := range b.endpoints {
		for _, to := range b.endpoints {
			if from == to {
				continue
			}
			for _, a := range to.Addrs() {
				if ctx.Err() != nil {
					return out
				}
				out = append(out, onePing(ctx, from, to.Name(), a))
			}
		}
	}
	return out
}

func onePing(ctx context.Context, from *lab.Endpoint, to string, a netip.Addr) labPing {
	p := labPing{From: from.Name(), To: to, Addr: a.String()}
	reply, err := from.Ping(ctx, a, lab.PingOptions{Seq: 1})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.Error = "no reply"
	case errors.Is(err, lab.ErrUnreachable):
		p.Error = "unreachable"
	case err != nil:
		p.Error = err.Error()
	default:
		p.Milliseconds = float64(reply.RTT) / float64(time.Millisecond)
	}
	return p
}

func (r *labReport) print(s *streams) error {
	fmt.Fprintf(s.out, "%s: %s\n\n", s.paint(bold, r.Name), r.Why)
	t := newTable("ENDPOINT", "LINK", "ADDRESSES")
	for _, e := range r.Endpoints {
		t.add(e.Name, e.Link, strings.Join(e.Addrs, " "))
	}
	if err := t.write(s, s.out); err != nil {
		return err
	}
	if len(r.Programs) > 0 {
		fmt.Fprintln(s.out)
		t := newTable("PROGRAM", "AT", "OBJECT")
		for _, p := range r.Programs {
			t.add(p.Program, p.Target, p.Object)
		}
		if err := t.write(s, s.out); err != nil {
			return err
		}
	}
	if len(r.Pings) == 0 {
		return nil
	}
	fmt.Fprintln(s.out)
	t = newTable("FROM", "TO", "ADDRESS", "<PING")
	for _, p := range r.Pings {
		c := cell{fmt.Sprintf("%.2f ms", p.Milliseconds), green}
		if p.Error != "" {
			c = cell{p.Error, red}
		}
		t.addCells(cell{text: p.From}, cell{text: p.To}, cell{text: p.Addr}, c)
	}
	return t.write(s, s.out)
}
