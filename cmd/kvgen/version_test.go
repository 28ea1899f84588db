package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersionNamesReleaseOrCommit(t *testing.T) {
	revision := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}}
	tests := []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"a release", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "kvgen v1.2.3"},
		{"no module", debug.BuildInfo{}, "kvgen (devel)"},
		{"a clone", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: revision}, "kvgen (devel) 0123456789ab"},
		{"a pseudo-version names the commit", debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20260101000000-0123456789ab"}, Settings: revision}, "kvgen v0.0.0-20260101000000-0123456789ab"},
	}
	for _, test := range tests {
		if got, want := versionLine(&test.info), test.want+" "+runtime.Version(); got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
	}
}
