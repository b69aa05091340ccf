package vm

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// turn lets n workers handle their packets for d. It gives the sum of what each
// did in a second of processor time of its own, and the smallest part of the
// time that a worker had a processor: what other processes take of the machine
// slows nobody down, but those who do not run at the same time do not get in each
// other's way either.
func (s *scaler) turn(t testing.TB, n int, d time.Duration) (rate, share float64) {
	var stop atomic.Bool
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	share = 1
	ready.Add(n)
	for w := range n {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			out := make([]Verdict, len(s.packets[w]))
			ready.Done()
			ready.Wait()
			packets, start, cpu := 0, time.Now(), threadTime(t)
			for !stop.Load() {
				if _, err := s.p.RunXDPBatch(s.packets[w], nil, out); err != nil {
					t.Error(err)
					return
				}
				packets += len(out)
			}
			cpu = threadTime(t) - cpu
			wall := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			rate += float64(packets) / cpu.Seconds()
			share = min(share, float64(cpu)/float64(wall))
		})
	}
	time.Sleep(d)
	stop.Store(true)
	done.Wait()
	return rate, share
}

// threadTime is the processor time that this thread took.
func threadTime(t testing.TB) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Error(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkScaling: two cores beside one, on turns in which both workers had a
// processor nearly all of the time.
func BenchmarkScaling(b *testing.B) {
	const d, enough = 10 * time.Millisecond, 0.85
	for _, c := range scalingCases() {
		b.Run(c.name, func(b *testing.B) {
			s := newScaler(b, c, 2)
			var ones, twos []float64
			for range 400 {
				if rate, share := s.turn(b, 2, d); share >= enough {
					twos = append(twos, rate)
					one, _ := s.turn(b, 1, d)
					ones = append(ones, one)
				}
				if len(twos) == 15 {
					break
				}
			}
			if len(twos) == 0 {
				b.Skip("the machine never had two cores for us")
			}
			slices.Sort(ones)
			slices.Sort(twos)
			one, two := ones[len(ones)/2], twos[len(twos)/2]
			b.ReportMetric(1e9/one, "ns/packet")
			b.ReportMetric(two/one, "times-on-two-cores")
			b.ReportMetric(float64(len(twos)), "turns")
			b.ReportMetric(0, "ns/op")
		})
	}
}
