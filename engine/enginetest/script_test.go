package enginetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadStories(t *testing.T) {
	stories, err := readStories("x.story", `
# a comment
packet p = eth / ip4 10.0.0.1 > 10.0.0.2 / "a b"

story one: title: with a colon
  object xdp
	in p
story two:
print "quoted words"  plain
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(stories) != 2 || stories[0].name != "one" || stories[0].title != "title: with a colon" || stories[1].name != "two" {
		t.Fatalf("stories %+v", stories)
	}
	if d := cmp.Diff([]string{`"quoted words"`, "plain"}, stories[1].steps[0].words); d != "" {
		t.Error(d)
	}
	if s := stories[0].steps[1]; s.line != 7 || s.verb != "in" {
		t.Errorf("step %+v", s)
	}
	if stories[1].packets["p"] == "" {
		t.Error("the second story does not know the packet")
	}
}

func TestBadScriptsAreRefused(t *testing.T) {
	for want, text := range map[string]string{
		"before the first story": "object xdp",
		"without spaces":         "story a b: c",
		"defined twice":          "packet p = eth\npacket p = eth",
		"want NAME = LAYERS":     "packet p",
		"quote without its end":  "story a:\nprint \"x",
	} {
		if _, err := readStories("x", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestParseValue(t *testing.T) {
	v, err := parseValue([]string{"u8:1,0x10", "be16:258", "s8:-1", "be32:0x01020304", "ip:10.0.0.1,::1", "mac:02:00:00:00:00:01", "hex:00ff", `"q\n"`, "zero:2", "any:3"})
	if err != nil {
		t.Fatal(err)
	}
	want := "01100102ff01020304" + "0a000001" + "00000000000000000000000000000001" + "020000000001" + "00ff" + "710a" + "0000" + "......"
	if v.String() != want {
		t.Errorf("value %s, want %s", v, want)
	}
	b := append([]byte(nil), v.bytes...)
	for i := range b {
		b[i]++
		if v.matches(b) != v.any[i] {
			t.Errorf("byte %d changed: matches %v", i, v.matches(b))
		}
		b[i]--
	}
	if v.matches(b[1:]) || v.matches(append(b, 0)) {
		t.Error("another length matches")
	}
	for _, bad := range []string{"5", "u8:256", "u7:1", "be8x:1", "16:1", "ip:x", "mac:1", "hex:0", `"open`, "zero:-1", "u32:", "zero:70000"} {
		if v, err := parseValue([]string{bad}); err == nil {
			t.Errorf("%s is %s", bad, v)
		}
	}
	if _, err := parseValue(nil); err == nil {
		t.Error("nothing is a value")
	}
}

func FuzzReadStories(f *testing.F) {
	f.Add("packet p = eth / ip4 1.1.1.1 > 2.2.2.2 / udp 1 > 2\nstory s: t\nobject xdp\nin p\nwant m u32:1 = u64:2\n")
	f.Add("story s:\nprint \"a\\\"b\" c\nctx skb mark=1\n")
	f.Add("packet q = eth / vlan 5 / ip6 ::1 > ::2 / hopopts 8 / frag6 8 / icmp6 echo id=1 / hex:00 any:4\n")
	f.Fuzz(func(t *testing.T, text string) {
		stories, err := readStories("fuzz", text)
		if err != nil {
			return
		}
		for _, s := range stories {
			for _, layers := range s.packets {
				if len(layers) < 1000 {
					_, _ = buildPacket(layers)
				}
			}
			for _, st := range s.steps {
				_, _ = parseValue(st.words)
				_, _, _ = parseContext(st.words)
			}
		}
	})
}
