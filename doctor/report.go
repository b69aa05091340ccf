package doctor

import "time"

// Report is what the examination found.
type Report struct {
	// Facts is what the system says about itself.
	Facts []Fact `json:"machine"`
	// Engines says of each engine whether it works here at all.
	Engines []Engine `json:"engines"`
	// Features is what was tried, in groups.
	Features []Feature `json:"features"`
	// Helpers counts, by program type, the helpers that can be called.
	Helpers []HelperCount `json:"helpers"`
	// Took is how long the examination took, in nanoseconds.
	Took time.Duration `json:"took_ns"`
}

// Fact is a property of the machine or of this process.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Missing says that something would work better otherwise; Gives is what,
	// and Remedy how to get it.
	Missing bool   `json:"missing,omitempty"`
	Gives   string `json:"gives,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Engine is one engine's state.
type Engine struct {
	Name string `json:"name"`
	// Works says that it can load a program.
	Works bool `json:"works"`
	// Why it does not, and what would make it.
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Groups of features.
const (
	GroupPrograms = "program types"
	GroupMaps     = "map types"
	GroupAttach   = "attach kinds"
	GroupOther    = "other features"
)

// Feature is something that was tried on each engine.
type Feature struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	// Gives is what it is good for.
	Gives string `json:"gives,omitempty"`
	// Answers in the order of [Report.Engines].
	Answers []Answer `json:"answers"`
}

// Answer is one engine's.
type Answer struct {
	Engine string `json:"engine"`
	Works  bool   `json:"works"`
	// Why not, and how to get it.
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// HelperCount is how many of a program type's helpers an engine has.
type HelperCount struct {
	Program string `json:"program"`
	Engine  string `json:"engine"`
	// Known is how many there are in Linux 6.18; Works how many can be called.
	Known int `json:"known"`
	Works int `json:"works"`
	// Missing are the names of the others.
	Missing []string `json:"missing,omitempty"`
	// Why the first one is missing.
	Why string `json:"why,omitempty"`
}

// Works says whether the named engine has the feature.
func (f *Feature) Works(engine string) bool {
	for _, a := range f.Answers {
		if a.Engine == engine {
			return a.Works
		}
	}
	return false
}
