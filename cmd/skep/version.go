package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what skep knows about its own making.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func version() versionInfo {
	v := versionInfo{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func newVersionCommand(s *streams) *cobra.Command {
	var f format
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  skep version\n  skep version -o json",
		Args:    args(),
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if f != formatTable {
				return s.print(f, v)
			}
			text := "skep " + v.Version
			if v.Revision != "" {
				text += " " + v.Revision[:min(12, len(v.Revision))]
				if v.Modified {
					text += "+changes"
				}
			}
			_, err := fmt.Fprintf(s.out, "%s, %s %s/%s\n", text, v.Go, v.OS, v.Arch)
			return err
		},
	}
	addFormat(cmd, &f)
	return cmd
}
