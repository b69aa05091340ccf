package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kernel is a fetched kernel.
type Kernel struct {
	// Release as uname -r says it: "6.1.0-56-amd64".
	Release string
	// Image is the file to boot; Modules the directory that holds the modules
	// that were kept, flat.
	Image, Modules string
}

// CacheDir is where kernels are kept.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("vmtest: no place for a cache: %w", err)
	}
	return filepath.Join(dir, "skep", "vmtest"), nil
}

// Fetch finds the newest Debian kernel of a version ("6.1", "6.12") and keeps
// it below cache. With no package source at hand a kernel of that version that
// is in the cache already will do.
func Fetch(ctx context.Context, version, cache string) (*Kernel, error) {
	if !regexp.MustCompile(`^\d+\.\d+$`).MatchString(version) {
		return nil, fmt.Errorf("vmtest: kernel version %q: want one like 6.12", version)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	if k := cached(cache, version); k != nil {
		return k, nil
	}
	prefix := "linux-image-" + version + "."
	var kernel *Kernel
	err := FetchPackage(ctx, cache, prefix, func(names []string) string { return newest(names, version) }, func(name, deb string) error {
		dir := filepath.Join(filepath.Dir(deb), name)
		if err := unpack(ctx, deb, dir); err != nil {
			return err
		}
		final := filepath.Join(cache, name)
		if err := os.Rename(dir, final); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		var err error
		kernel, err = openKernel(final)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("vmtest: fetch kernel %s: %w", version, err)
	}
	return kernel, nil
}

// FetchPackage downloads a Debian package through apt, with the machine's own
// sources and else with Debian's. Pick chooses among the names of packages that
// start with prefix; "" means none fits. Use gets the name and the file, which is
// gone when FetchPackage returns. Work goes on below cache, which must exist.
func FetchPackage(ctx context.Context, cache, prefix string, pick func(names []string) string, use func(name, deb string) error) error {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: what is fetched comes as Debian packages, through apt", tool)
		}
	}
	var errs []error
	for _, source := range []aptSource{systemApt(), privateApt(cache)} {
		err := source.fetch(ctx, cache, prefix, pick, use)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", source.name, err))
	}
	return errors.Join(errs...)
}

// cached is the newest kernel of a version that was fetched before.
func cached(cache, version string) *Kernel {
	dirs, err := filepath.Glob(filepath.Join(cache, "linux-image-"+version+".*"))
	if err != nil {
		return nil
	}
	slices.SortFunc(dirs, compareVersions)
	for _, dir := range slices.Backward(dirs) {
		if k, err := openKernel(dir); err == nil {
			return k
		}
	}
	return nil
}

// openKernel looks into a directory that unpack made.
func openKernel(dir string) (*Kernel, error) {
	images, err := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("%s: no kernel image: %w", dir, fs.ErrNotExist)
	}
	return &Kernel{
		Release: strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-"),
		Image:   images[0],
		Modules: filepath.Join(dir, "modules"),
	}, nil
}

// aptSource is one configuration of apt.
type aptSource struct {
	name    string
	options []string
	prepare func(ctx context.Context) error
}

// systemApt is the machine's own.
func systemApt() aptSource {
	return aptSource{name: "apt", prepare: func(context.Context) error { return nil }}
}

// privateApt is one of our own, with the releases that have these kernels, for
// machines whose sources lack them or were never updated. It touches nothing of
// the machine's.
func privateApt(cache string) aptSource {
	root := filepath.Join(cache, "apt")
	list := filepath.Join(root, "sources.list")
	s := aptSource{name: "apt with Debian's releases", options: []string{
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(root, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(root, "cache"),
		"-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64",
	}}
	s.prepare = func(ctx context.Context) error {
		for _, d := range []string{"lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
				return err
			}
		}
		const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
		var b strings.Builder
		for _, suite := range []string{"bookworm", "bookworm-backports", "trixie"} {
			fmt.Fprintf(&b, "deb [arch=amd64 signed-by=%s] http://deb.debian.org/debian %s main\n", keyring, suite)
		}
		if err := os.WriteFile(list, []byte(b.String()), 0o644); err != nil {
			return err
		}
		_, err := s.run(ctx, root, "apt-get", "-q", "update")
		return err
	}
	return s
}

// run runs a tool of apt and returns what it printed.
func (s aptSource) run(ctx context.Context, dir, tool string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, tool, append(slices.Clone(s.options), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, lastLines(stderr.String(), 3))
	}
	return string(out), nil
}

func (s aptSource) fetch(ctx context.Context, cache, prefix string, pick func([]string) string, use func(name, deb string) error) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	out, err := s.run(ctx, cache, "apt-cache", "pkgnames", prefix)
	if err != nil {
		return err
	}
	name := pick(strings.Fields(out))
	if name == "" {
		return fmt.Errorf("no fitting package %s*", prefix)
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if _, err := s.run(ctx, tmp, "apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("download of %s left %d packages", name, len(debs))
	}
	return use(name, debs[0])
}

// newest is the package with the highest version among the ordinary kernels:
// no debug symbols, no special flavours. An unsigned image boots as well.
func newest(names []string, version string) string {
	ordinary := regexp.MustCompile(`^linux-image-` + regexp.QuoteMeta(version) + `\.\d+[^ ]*-amd64(-unsigned)?$`)
	special := regexp.MustCompile(`-(rt|cloud)-amd64`)
	var fit []string
	for _, n := range names {
		if ordinary.MatchString(n) && !special.MatchString(n) {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	slices.SortFunc(fit, compareVersions)
	return fit[len(fit)-1]
}

// compareVersions orders names by the numbers in them, and of equal numbers the
// signed package last.
func compareVersions(a, b string) int {
	digits := regexp.MustCompile(`\d+`)
	na, nb := digits.FindAllString(filepath.Base(a), -1), digits.FindAllString(filepath.Base(b), -1)
	if c := slices.CompareFunc(na, nb, func(x, y string) int {
		i, _ := strconv.ParseUint(x, 10, 64) // matched as digits; a huge one sorts first
		j, _ := strconv.ParseUint(y, 10, 64)
		return int(int64(i) - int64(j))
	}); c != 0 {
		return c
	}
	return len(b) - len(a)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
