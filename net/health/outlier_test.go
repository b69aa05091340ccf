package health

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skepdev/skep/net/service"
)

func TestOutliers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int32
		o := NewOutliers(func(s string) {
			if s != "s" {
				t.Errorf("told of %q", s)
			}
			told.Add(1)
		})
		defer o.Close()
		var addrs []netip.AddrPort
		for i := range 4 {
			addrs = append(addrs, netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:80", i+1)))
		}
		rule := &service.Ejection{Failures: 3, Time: service.Duration(10 * time.Second), MaxPercent: 50}
		o.Set("s", rule, addrs)
		down := errors.New("refused")
		fail := func(i, times int) {
			for range times {
				o.Report("s", addrs[i], down)
			}
		}
		out := func() (n string) {
			for i, a := range addrs {
				if o.Ejected("s", a) {
					n += fmt.Sprint(i)
				}
			}
			return n
		}
		expect := func(what, want string, told32 int32) {
			t.Helper()
			synctest.Wait()
			if got := out(); got != want || told.Load() != told32 {
				t.Errorf("%s: ejected %q, want %q; told %d times, want %d", what, got, want, told.Load(), told32)
			}
		}
		fail(0, 2)
		o.Report("s", addrs[0], nil)
		fail(0, 2)
		expect("failures, not in a row", "", 0)
		fail(0, 1)
		expect("three in a row", "0", 1)
		fail(0, 5)
		expect("more while it is out", "0", 1)
		fail(1, 3)
		fail(2, 9)
		expect("no more than half", "01", 2)
		time.Sleep(10*time.Second + time.Millisecond)
		expect("time is over", "", 4)
		fail(0, 3)
		expect("again", "0", 5)
		time.Sleep(11 * time.Second)
		expect("twice as long", "0", 5)
		time.Sleep(10 * time.Second)
		expect("twice as long is over", "", 6)
		o.Report("s", addrs[0], nil)
		fail(0, 3)
		time.Sleep(11 * time.Second)
		expect("a good one between", "", 8)
		// Who stays keeps what is known of it; who leaves is forgotten.
		fail(3, 3)
		expect("the last", "3", 9)
		o.Set("s", rule, addrs[2:])
		expect("a smaller service", "3", 9)
		fail(2, 9)
		expect("one always stays", "3", 9)
		o.Set("s", nil, nil)
		time.Sleep(time.Minute)
		expect("without a rule", "", 9)
	})
}
