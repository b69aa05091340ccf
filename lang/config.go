package lang

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Config are a script's settings. Names and defaults are bpftrace's.
type Config struct {
	MaxStrlen        int
	MaxMapKeys       int
	MaxProbes        int
	MaxPrograms      int
	MaxCatBytes      int
	OnStackLimit     int
	LogSize          int
	RingPages        int // 0: not set
	StackMode        string
	StrTrunc         string
	MissingProbes    string
	License          string
	PrintMapsOnExit  bool
	LazySymbols      bool
	Demangle         bool
	ShowDebugInfo    bool
	CacheUserSymbols string
	// Unstable features that were switched on or off by name.
	Unstable map[string]string
}

func defaultConfig() Config {
	return Config{
		MaxStrlen: 1024, MaxMapKeys: 4096, MaxProbes: 1024, MaxPrograms: 1024, MaxCatBytes: 10240, OnStackLimit: 32,
		LogSize: 1000000, StackMode: "bpftrace", StrTrunc: "..", MissingProbes: "error", License: "GPL",
		PrintMapsOnExit: true, Demangle: true, ShowDebugInfo: true, Unstable: map[string]string{},
	}
}

// setting changes a Config from text.
type setting func(c *Config, v string) error

func intSetting(field func(*Config) *int, least int) setting {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(strings.ReplaceAll(v, "_", ""))
		if err != nil || n < least {
			return fmt.Errorf("expected a number of at least %d, found %q", least, v)
		}
		*field(c) = n
		return nil
	}
}

func boolSetting(field func(*Config) *bool) setting {
	return func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "1", "true":
			*field(c) = true
		case "0", "false":
			*field(c) = false
		default:
			return fmt.Errorf("expected true or false, found %q", v)
		}
		return nil
	}
}

func wordSetting(field func(*Config) *string, words ...string) setting {
	return func(c *Config, v string) error {
		for _, w := range words {
			if strings.EqualFold(w, v) {
				*field(c) = w
				return nil
			}
		}
		if len(words) > 0 {
			return badf("Invalid value: %s, expected one of %s", v, strings.Join(words, ", "))
		}
		*field(c) = v
		return nil
	}
}

var settings = map[string]setting{
	"max_strlen":        intSetting(func(c *Config) *int { return &c.MaxStrlen }, 1),
	"max_map_keys":      intSetting(func(c *Config) *int { return &c.MaxMapKeys }, 1),
	"max_probes":        intSetting(func(c *Config) *int { return &c.MaxProbes }, 1),
	"max_bpf_progs":     intSetting(func(c *Config) *int { return &c.MaxPrograms }, 1),
	"max_cat_bytes":     intSetting(func(c *Config) *int { return &c.MaxCatBytes }, 0),
	"on_stack_limit":    intSetting(func(c *Config) *int { return &c.OnStackLimit }, 0),
	"log_size":          intSetting(func(c *Config) *int { return &c.LogSize }, 0),
	"perf_rb_pages":     intSetting(func(c *Config) *int { return &c.RingPages }, 1),
	"stack_mode":        wordSetting(func(c *Config) *string { return &c.StackMode }, "bpftrace", "perf", "raw", "build_id"),
	"str_trunc_trailer": wordSetting(func(c *Config) *string { return &c.StrTrunc }),
	"missing_probes":    wordSetting(func(c *Config) *string { return &c.MissingProbes }, "error", "warn", "ignore"),
	"license": func(c *Config, v string) error {
		// Those of the kernel's license_is_gpl_compatible().
		known := []string{"Dual MIT/GPL", "Dual BSD/GPL", "Dual MPL/GPL", "GPL and additional rights", "GPL v2", "GPL"}
		if wordSetting(func(c *Config) *string { return &c.License }, known...)(c, v) != nil {
			return &settingError{badf("Invalid value for license. Found: %s. Valid values: %s", v, strings.Join(known, ", "))}
		}
		return nil
	},
	"print_maps_on_exit": boolSetting(func(c *Config) *bool { return &c.PrintMapsOnExit }),
	"lazy_symbolication": boolSetting(func(c *Config) *bool { return &c.LazySymbols }),
	"cpp_demangle":       boolSetting(func(c *Config) *bool { return &c.Demangle }),
	"show_debug_info":    boolSetting(func(c *Config) *bool { return &c.ShowDebugInfo }),
	"use_blazesym":       boolSetting(func(c *Config) *bool { return &c.ShowDebugInfo }),
	"cache_user_symbols": wordSetting(func(c *Config) *string { return &c.CacheUserSymbols }, "PER_PID", "PER_PROGRAM", "NONE", "1", "0"),
}

// unstable features and what they are called in messages.
var unstable = []string{
	"unstable_tseries", "unstable_dw_ustack", "unstable_import", "unstable_map_decl", "unstable_addr", "unstable_typeinfo", "unstable_macro",
}

// settingError names its setting itself.
type settingError struct{ error }

// set changes one setting; the name may be the environment's.
func (c *Config) set(name, v string) error {
	n := strings.TrimPrefix(strings.ToLower(name), "bpftrace_")
	for _, u := range unstable {
		if n == u {
			switch v {
			case "enable", "warn", "error", "1", "0", "true", "false":
				c.Unstable[n] = v
				return nil
			}
			return badf("Invalid value for %s: %s, expected error, warn or enable", n, v)
		}
	}
	f, ok := settings[n]
	if !ok {
		return fmt.Errorf("%s: not a known configuration option", name)
	}
	if err := f(c, v); err != nil {
		var whole *settingError
		if errors.As(err, &whole) {
			return whole.error
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
