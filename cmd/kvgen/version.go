// kvgen version.

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// runVersion prints which kvgen this is.
func runVersion(c *console, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "-h", "-help", "--help":
			return runHelp(c, []string{"version"})
		}
		return &usageError{fmt.Sprintf("kvgen version takes no argument, not %q", args[0]), ""}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	_, err := fmt.Fprintln(c.stdout, versionLine(info))
	return err
}

// versionLine tells the module's version, the commit where the build knows it, and the toolchain.
func versionLine(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	parts := []string{"kvgen", version}
	for _, s := range info.Settings {
		// A pseudo-version holds the commit already.
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && !strings.Contains(version, s.Value[:12]) {
			parts = append(parts, s.Value[:12])
		}
	}
	return strings.Join(append(parts, runtime.Version()), " ")
}
