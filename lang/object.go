package lang

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// Type is a type of the language, as the layouts of maps and events name it.
type Type = types.Type

// Kind tells types apart.
type Kind = types.Kind

// Kinds of types.
const (
	KindNone       = types.None
	KindInt        = types.Int
	KindBool       = types.Bool
	KindPtr        = types.Ptr
	KindString     = types.String
	KindBuffer     = types.Buffer
	KindArray      = types.Array
	KindStruct     = types.Struct
	KindTuple      = types.Tuple
	KindRecord     = types.Record
	KindKStack     = types.KStack
	KindUStack     = types.UStack
	KindKSym       = types.KSym
	KindUSym       = types.USym
	KindInet       = types.Inet
	KindMAC        = types.MAC
	KindTime       = types.Time
	KindCgroupPath = types.CgroupPath
	KindCount      = types.Count
	KindSum        = types.Sum
	KindMin        = types.Min
	KindMax        = types.Max
	KindAvg        = types.Avg
	KindStats      = types.Stats
	KindHist       = types.Hist
	KindLHist      = types.LHist
	KindTSeries    = types.TSeries
)

// Object is a compiled script.
type Object struct {
	// Spec loads on any engine.
	Spec *ebpf.CollectionSpec
	// Probes say where programs go, in the script's order.
	Probes []Probe
	// Maps are the script's maps, by name with "@".
	Maps map[string]*Map
	// MapOrder is the order in which they first appear.
	MapOrder []string
	// Events are the records of the ring buffer, by number.
	Events []Event
	// Stacks are the names of stack maps in Spec.
	Stacks []string
	// Formats of strftime, by number.
	Formats []string
	// Filters of cgroup_path, by number.
	Filters []string
	// Config is what settings came out as.
	Config Config
	// Warnings found while compiling.
	Warnings syntax.Errors
	// Places are what run-time errors refer to, by number.
	Places []Place
	// ProbeNames are the names that records refer to by number.
	ProbeNames []string
}

// Place is somewhere a helper may fail at run time.
type Place struct {
	Where, Helper string
	Map           string
	// Msg is what is wrong if no helper failed.
	Msg    string
	Source []string
}

// Names in [Object.Spec].
const (
	// RingMap is the ring buffer; its records begin with the event's number, 4
	// bytes, and 4 more that are 0.
	RingMap = "ringbuf"
	// LostMap counts, per CPU, records that did not fit the ring.
	LostMap = "lost"
	// DataMap holds what programs ask of the runtime: see Data…
	DataMap = "data"
	// ErrorMap counts failures by place.
	ErrorMap = "errors"
)

// Offsets in [DataMap]'s value, 8 bytes each.
const (
	DataStart  = 0  // nanoseconds since boot when tracing began
	DataCPID   = 8  // the child's process id
	DataTAI    = 16 // nanoseconds from boot time to TAI
	DataResult = 24 // what a test probe returned
	DataExited = 32 // 1 since exit() was called: timers fire no more
	DataSize   = 40
)

// Probe is a program and where it is to be attached.
type Probe struct {
	Program string
	Attach  Attach
	// Name is what the builtin probe says.
	Name string
	// Index in [Object.ProbeNames].
	Index int
	// Cookie to attach with.
	Cookie uint64
	// Raw is the raw tracepoint to attach to instead, once for all probes of
	// the program; "" for most.
	Raw string
}

// Map is a map of the script.
type Map struct {
	// Name has its "@"; Spec is its name in the collection.
	Name, Spec string
	// Key is nil for scalars. Integers and pointers alone take 8 bytes.
	Key, Value *Type
	// PerCPU values are one per CPU.
	PerCPU bool
	// KeySize and ValueSize in bytes, as in the collection.
	KeySize, ValueSize int
	// Bits of hist; Min, Max and Step of lhist.
	Bits           int
	Min, Max, Step int64
	// Interval in nanoseconds, Intervals and Agg of tseries.
	Interval, Intervals int64
	Agg                 string
}

// EventKind is what a record asks for.
type EventKind int

// Kinds of events.
const (
	EventPrintf EventKind = iota
	EventErrorf
	EventWarnf
	EventPrintValue
	EventPrintMap
	EventClear
	EventZero
	EventExit
	EventTime
	EventJoin
	EventSystem
	EventCat
	EventFailure
	EventUnwatch
	EventDebug
)

// Event is the layout of a record.
type Event struct {
	Kind EventKind
	// Format of printf and friends, of time, or the separator of join.
	Format string
	// Args lie at Offsets from the record's beginning. Integers and pointers
	// take 8 bytes.
	Args    []*Type
	Offsets []int
	Size    int
	// Map that is printed, cleared or zeroed.
	Map string
	// Where and Source are the place of errorf and warnf.
	Where  string
	Source []string
	// Expanded are the places of macros' calls around it.
	Expanded []Place
	Probe    string
}

// TypeField is a member of a record or C struct.
type TypeField = types.Field
