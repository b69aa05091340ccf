package corpus

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Cache keeps the running kernel's verdicts on disk, an object a file, under a
// name made of the object's bytes and the kernel's release.
type Cache struct {
	dir string
}

// Format changes when what the kernel is asked does.
const Format = "8"

// OpenCache opens a cache below dir; "" means the user's cache directory.
func OpenCache(dir string) (*Cache, error) {
	release, err := KernelRelease()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("corpus: no place for a cache: %w", err)
		}
		dir = filepath.Join(user, "skep", "corpus")
	}
	dir = filepath.Join(dir, "verdicts-"+Format+"-"+release)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	return &Cache{dir}, nil
}

// verdicts are those on one object. It is used by one goroutine.
type verdicts struct {
	path    string
	byCase  map[string]savedVerdict
	changed bool
}

// savedVerdict is a verdict as it is stored.
type savedVerdict struct {
	Accepted     bool   `json:"accepted,omitempty"`
	Log          string `json:"log,omitempty"`
	Err          string `json:"error,omitempty"`
	NotSupported string `json:"not_supported,omitempty"`
	Stats        Stats  `json:"stats"`
}

func save(v Verdict) savedVerdict {
	s := savedVerdict{v.Accepted, v.Log, "", v.NotSupported, v.Stats}
	if v.Err != nil {
		s.Err = v.Err.Error()
	}
	return s
}

func (s savedVerdict) verdict() Verdict {
	v := Verdict{Accepted: s.Accepted, Log: s.Log, NotSupported: s.NotSupported, Stats: s.Stats}
	if s.Err != "" {
		v.Err = errors.New(s.Err)
	}
	return v
}

// open reads what is known of an object. A nil cache knows nothing and forgets.
func (c *Cache) open(object string) (*verdicts, error) {
	if c == nil {
		return nil, nil
	}
	data, err := os.ReadFile(object)
	if err != nil {
		return nil, err
	}
	v := &verdicts{
		path:   filepath.Join(c.dir, fmt.Sprintf("%s-%x.json.gz", ObjectName(object), sha256.Sum256(data))),
		byCase: map[string]savedVerdict{},
	}
	f, err := os.Open(v.path)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		err = json.NewDecoder(z).Decode(&v.byCase)
	}
	if err != nil {
		v.byCase = map[string]savedVerdict{} // damaged: ask again
	}
	return v, nil
}

func (v *verdicts) get(c *Case) (Verdict, bool) {
	if v == nil {
		return Verdict{}, false
	}
	s, ok := v.byCase[c.Name()]
	return s.verdict(), ok
}

func (v *verdicts) put(c *Case, verdict Verdict) {
	if v != nil {
		v.byCase[c.Name()] = save(verdict)
		v.changed = true
	}
}

// close writes what is new.
func (v *verdicts) close() (err error) {
	if v == nil || !v.changed {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(v.path), "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	z := gzip.NewWriter(f)
	err = json.NewEncoder(z).Encode(v.byCase)
	if err = errors.Join(err, z.Close(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), v.path)
}
