package enginetest

import (
	"fmt"
	"strings"
)

// story is one story of a file.
type story struct {
	file, name, title string
	packets           map[string]string
	steps             []step
}

// step is one line: a verb and its words. Quoted words keep their quotes.
type step struct {
	line  int
	verb  string
	words []string
}

// readStories reads a file of stories: the grammar of doc.go.
func readStories(file, text string) ([]story, error) {
	var stories []story
	shared := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		fail := func(format string, args ...any) ([]story, error) {
			return nil, fmt.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		switch verb {
		case "story":
			name, title, _ := strings.Cut(rest, ":")
			if name == "" || strings.ContainsAny(name, " /") {
				return fail("story %q: want a name without spaces and slashes", name)
			}
			stories = append(stories, story{file: file, name: name, title: strings.TrimSpace(title), packets: shared})
			continue
		case "packet":
			name, layers, ok := strings.Cut(rest, "=")
			name = strings.TrimSpace(name)
			if !ok || name == "" {
				return fail("packet: want NAME = LAYERS")
			}
			if _, dup := shared[name]; dup {
				return fail("packet %s: defined twice", name)
			}
			shared[name] = strings.TrimSpace(layers)
			continue
		}
		if len(stories) == 0 {
			return fail("%s before the first story", verb)
		}
		words, err := splitWords(rest)
		if err != nil {
			return fail("%v", err)
		}
		s := &stories[len(stories)-1]
		s.steps = append(s.steps, step{line: i + 1, verb: verb, words: words})
	}
	return stories, nil
}

// splitWords splits at spaces outside double quotes.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted && i+1 < len(s):
			word.WriteByte(c)
			i++
			word.WriteByte(s[i])
		case c == '"':
			quoted = !quoted
			word.WriteByte(c)
		case (c == ' ' || c == '\t') && !quoted:
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
		default:
			word.WriteByte(c)
		}
	}
	if quoted {
		return nil, fmt.Errorf("quote without its end: %s", s)
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, nil
}

// cutWords splits words around the first that equals sep.
func cutWords(words []string, sep string) (before, after []string, found bool) {
	for i, w := range words {
		if w == sep {
			return words[:i], words[i+1:], true
		}
	}
	return words, nil, false
}
