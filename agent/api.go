package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/internal/strictyaml"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// listen opens the API's socket for this user only. A socket that a dead agent
// left is replaced; one where somebody answers is not.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open the API's socket: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("open the API's socket: another agent answers at %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the API's socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the API's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("open the API's socket: %w", err), ln.Close())
	}
	return ln, nil
}

// serve answers on the socket until stop is called.
func (a *Agent) serve(failed chan<- error) (stop func()) {
	if a.ln == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		if err := srv.Serve(a.ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return func() {
		cancel()
		_ = srv.Close()
	}
}

// Handler is the API: JSON over HTTP, and /metrics for Prometheus.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				v = map[string]string{"error": err.Error()}
			}
			_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
		})
	}
	answer("GET /v1/services", func(*http.Request) (any, error) { return a.services() })
	answer("GET /v1/status", func(*http.Request) (any, error) { return a.status() })
	answer("GET /v1/tables", func(*http.Request) (any, error) { return a.plane.Tables() })
	answer("GET /v1/trace", func(r *http.Request) (any, error) {
		p, err := lb.ParsePacket(r.URL.Query().Get("packet"))
		if err != nil {
			return nil, err
		}
		return a.plane.Explain(p)
	})
	answer("PUT /v1/resources", a.putResources)
	answer("DELETE /v1/resources", a.deleteResource)
	mux.HandleFunc("GET /v1/connections", a.streamConnections)
	mux.HandleFunc("GET /v1/watch", a.streamEvents)
	mux.HandleFunc("GET /metrics", a.metrics)
	return mux
}

// putResources applies resources; all are read before the first is applied.
func (a *Agent) putResources(r *http.Request) (any, error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, strictyaml.MaxBytes))
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("name")
	rs, err := service.Read(name, text)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	for _, res := range rs {
		if from := a.origin[res.Key()]; from != "" {
			a.mu.Unlock()
			return nil, fmt.Errorf("%s is described by %s: change it there", res.Key(), from)
		}
	}
	var all []lb.Step
	var errs []error
	touched := map[string]bool{}
	for _, res := range rs {
		one, err := json.Marshal(res)
		if err == nil {
			err = a.keep(res.Key(), one)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("keep %s: %w", res.Key(), err))
		}
		a.origin[res.Key()] = ""
		for _, key := range a.set.Put(res) {
			touched[key] = true
		}
	}
	a.mu.Unlock()
	for key := range touched {
		steps, err := a.bringAndTell(key)
		all, errs = append(all, steps...), append(errs, err)
	}
	return views(all), errors.Join(errs...)
}

func (a *Agent) bringAndTell(key string) ([]lb.Step, error) {
	a.mu.Lock()
	steps, err := a.bring(key)
	a.listen()
	a.mu.Unlock()
	a.tell(key, steps, err)
	return steps, err
}

func (a *Agent) deleteResource(r *http.Request) (any, error) {
	key := r.URL.Query().Get("key")
	a.mu.Lock()
	from, ok := a.origin[key]
	if !ok || from != "" {
		a.mu.Unlock()
		if ok {
			return nil, fmt.Errorf("%s is described by %s: remove it there", key, from)
		}
		return nil, fmt.Errorf("there is no %s", key)
	}
	touched := a.set.Delete(key)
	delete(a.origin, key)
	var errs []error
	if a.cfg.State != "" {
		if err := os.Remove(a.stateFile(key)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	a.mu.Unlock()
	var all []lb.Step
	for _, t := range touched {
		steps, err := a.bringAndTell(t)
		all, errs = append(all, steps...), append(errs, err)
	}
	return views(all), errors.Join(errs...)
}

func (a *Agent) streamConnections(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	// Read first, written after: the table's lock is not held for a slow reader.
	var all []lb.Connection
	if err := a.plane.Connections(func(c lb.Connection) bool { all = append(all, c); return true }); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	enc := json.NewEncoder(w)
	for i := range all {
		if enc.Encode(&all[i]) != nil {
			return
		}
	}
}

func (a *Agent) streamEvents(w http.ResponseWriter, r *http.Request) {
	events := make(chan client.Event, 256)
	a.mu.Lock()
	a.watchers[events] = struct{}{}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.watchers, events)
		a.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	if flush.Flush() != nil {
		return
	}
	enc := json.NewEncoder(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			if enc.Encode(e) != nil || flush.Flush() != nil {
				return
			}
		}
	}
}
