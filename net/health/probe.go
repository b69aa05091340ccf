package health

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/skepdev/skep/net/service"
)

// Probe checks a target once; ctx bounds the time.
func Probe(ctx context.Context, t Target) error {
	probes := map[service.HealthType]func(context.Context, Target, netip.AddrPort) error{
		service.HealthTCP: probeTCP, service.HealthHTTP: probeHTTP, service.HealthGRPC: probeGRPC, service.HealthCommand: probeCommand,
	}
	probe, ok := probes[t.Check.Type]
	if !ok {
		return fmt.Errorf("check of type %q is not known", t.Check.Type)
	}
	at := t.Addr
	if t.Check.Port != 0 {
		at = netip.AddrPortFrom(at.Addr(), t.Check.Port)
	}
	return probe(ctx, t, at)
}

func probeTCP(ctx context.Context, _ Target, at netip.AddrPort) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// client makes one request and keeps nothing.
func client(unencrypted2 bool) (*http.Client, func()) {
	tr := &http.Transport{DisableKeepAlives: !unencrypted2, Proxy: nil}
	if unencrypted2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, tr.CloseIdleConnections
}

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 64 << 10

func probeHTTP(ctx context.Context, t Target, at netip.AddrPort) error {
	path := t.Check.Path
	if path == "" {
		path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+path, nil)
	if err != nil {
		return err
	}
	req.Host = t.Check.Host
	req.Header.Set("User-Agent", "skep-health")
	c, done := client(false)
	defer done()
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	good := res.StatusCode >= 200 && res.StatusCode < 400
	if len(t.Check.Expect) > 0 {
		good = slices.Contains(t.Check.Expect, uint16(res.StatusCode))
	}
	if !good {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// probeGRPC calls grpc.health.v1.Health/Check over HTTP/2 without TLS. The
// messages are small enough to be written and read by hand: a request has a
// string as field 1, an answer an enum (1: SERVING) as field 1.
func probeGRPC(ctx context.Context, t Target, at netip.AddrPort) error {
	var message []byte
	if s := t.Check.Service; s != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(s))), s...)
	}
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.String()+"/grpc.health.v1.Health/Check", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	c, done := client(true)
	defer done()
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	code := res.Trailer.Get("Grpc-Status")
	if code == "" {
		code = res.Header.Get("Grpc-Status")
	}
	switch {
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", res.StatusCode)
	case code != "0":
		return fmt.Errorf("gRPC status %q %s", code, res.Trailer.Get("Grpc-Message"))
	}
	return serving(answer)
}

// serving reads a HealthCheckResponse behind its length prefix.
func serving(answer []byte) error {
	if len(answer) < 5 || answer[0] != 0 || int(binary.BigEndian.Uint32(answer[1:])) != len(answer)-5 {
		return errors.New("the answer is no gRPC message")
	}
	message := answer[5:]
	if len(message) == 0 {
		return errors.New("health is unknown")
	}
	status, n := binary.Uvarint(message[1:])
	if message[0] != 1<<3 || n <= 0 {
		return errors.New("the answer is no HealthCheckResponse")
	}
	if status != 1 {
		return fmt.Errorf("health is %d, not 1 (SERVING)", status)
	}
	return nil
}

func probeCommand(ctx context.Context, t Target, at netip.AddrPort) error {
	cmd := exec.CommandContext(ctx, t.Check.Command[0], t.Check.Command[1:]...)
	cmd.Env = append(os.Environ(), "SKEP_ADDRESS="+at.Addr().String(), "SKEP_PORT="+strconv.Itoa(int(at.Port())))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(string(out[:min(len(out), 200)])), "\n"); line != "" {
		return fmt.Errorf("%w: %s", err, strings.ToValidUTF8(line, "?"))
	}
	return err
}
