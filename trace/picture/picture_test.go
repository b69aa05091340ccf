package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// draw makes a page of messages, one a second, and checks that its pictures are
// well-formed.
func draw(t testing.TB, messages ...string) string {
	t.Helper()
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	p := &Page{Title: "a<b", Now: func() time.Time { now = now.Add(time.Second); return now }}
	for _, m := range messages {
		if _, err := io.WriteString(p, m+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := p.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(b.String(), -1) {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v\n%s", err, svg)
			}
		}
	}
	return b.String()
}

func wants(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("no %q in\n%s", w, page)
		}
	}
}

func hist(counts ...int) string {
	var parts []string
	for i, c := range counts {
		parts = append(parts, fmt.Sprintf(`{"min": %d, "max": %d, "count": %d}`, i*10, i*10+9, c))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func TestHistogram(t *testing.T) {
	page := draw(t, `{"type": "hist", "data": {"@h": {"a&b": `+hist(4, 2)+`, "c": `+hist(1)+`}}}`)
	wants(t, page, "<h2>@h</h2>", "<h3>a&amp;b</h3>", "<title>0 … 9: 4 of 6</title>", `width="620.0"`, "<title>10 … 19: 2 of 6</title>", `width="310.0"`, "<title>a&lt;b</title>")
	if strings.Contains(page, "heat map") {
		t.Error("one state has no course")
	}
}

// Between prints a histogram grows; a map that was cleared begins again.
func TestHeatMap(t *testing.T) {
	page := draw(t,
		`{"type": "hist", "data": {"@h": `+hist(0, 5)+`}}`, `{"type": "hist", "data": {"@h": `+hist(3, 5)+`}}`, `{"type": "hist", "data": {"@h": `+hist(1, 0)+`}}`)
	wants(t, page, "heat map of 3 histograms", "<title>12:00:01, 10 … 19: 5</title>", "<title>12:00:02, 0 … 9: 3</title>", "<title>12:00:03, 0 … 9: 1</title>")
	if n := strings.Count(page, `class="heat"`); n != 3 {
		t.Errorf("%d cells, want 3", n)
	}
}

func TestTimeSeries(t *testing.T) {
	page := draw(t, `{"type": "tseries", "data": {"@t": [{"interval_start":"2030-01-01 00:00:00.5","value":3},{"interval_start":"2030-01-01 00:00:01.5","value":-4}]}}`)
	wants(t, page, "<polyline", "<title>00:00:00.500: 3</title>", "<title>00:00:01.500: -4</title>")
}

func TestCounts(t *testing.T) {
	page := draw(t, `{"type": "map", "data": {"@c": {"small": 1, "big": 200000, "huge": "18446744073709551615"}}}`, `{"type": "map", "data": {"@n": 7}}`,
		`{"type": "stats", "data": {"@s": {"count": 8, "average": 4, "total": 32}}}`)
	wants(t, page, "<title>big: 200000</title>", ">200k<", "<h2>@n</h2>", "<th>average</th>", "<td>32</td>")
	if strings.Index(page, ">big<") > strings.Index(page, ">small<") {
		t.Error("the greatest does not come first")
	}
	page = draw(t, `{"type": "map", "data": {"@c": {"x": 1}}}`, `{"type": "map", "data": {"@c": {"x": 4}}}`, `{"type": "map", "data": {"@c": {"x": 9}}}`)
	wants(t, page, "<title>x 12:00:03.000: 9</title>")
}

// What cannot be drawn is left out; the rest is there.
func TestOtherMessages(t *testing.T) {
	page := draw(t, "no JSON", `{"type": "printf", "data": "hi"}`, `{"type": "map", "data": {"@text": "abc"}}`, `{"type": "hist", "data": {"@h": [{"min": 1.5}]}}`,
		strings.Repeat("x", maxLine+1), `{"type": "map", "data": {"@n": 1}}`)
	wants(t, page, "<h2>@n</h2>", "3 messages were left out")
	wants(t, draw(t), "Nothing was measured")
	draw(t, `{"type": "map", "data": {"@c\u0001": {"\u0000\uffff": 1, "\ud800": 2}}}`)
}

func TestPageIsBounded(t *testing.T) {
	var all []string
	for i := range maxStates + 5 {
		all = append(all, fmt.Sprintf(`{"type": "map", "data": {"@n": %d}}`, i))
	}
	wants(t, draw(t, all...), "The first 5 of its states were left out")
	var keys []string
	for i := range maxKeys + 3 {
		keys = append(keys, fmt.Sprintf(`"k%d": %d`, i, i))
	}
	wants(t, draw(t, `{"type": "map", "data": {"@c": {`+strings.Join(keys, ",")+`}}}`), "3 more keys were left out")
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"type": "hist", "data": {"@h": ` + hist(1, 2) + `}}` + "\n"))
	f.Add([]byte(`{"type": "map", "data": {"@c": {"x": 1}}}` + "\n" + `{"type": "stats", "data": {"@s": {"count": 8}}}` + "\n"))
	f.Add([]byte(`{"type": "tseries", "data": {"@t": [{"interval_start":"2030-01-01 00:00:00.5","value":3}]}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		draw(t, string(b), string(b), string(b))
	})
}
