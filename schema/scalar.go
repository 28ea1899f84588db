// Scalars: numbers, sizes, durations, switches and words, each refused with the spelling to use.

package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func (l *loader) boolean(what string, n *yaml.Node) Setting[bool] {
	t, ok := l.text(what, n)
	if !ok {
		return Setting[bool]{}
	}
	if n.Style == 0 && (t.Value == "true" || t.Value == "false") {
		return Setting[bool]{t.Value == "true", t.Pos}
	}
	hint := "write true or false"
	switch strings.ToLower(t.Value) {
	case "yes", "on", "y", "true":
		hint = "write true"
	case "no", "off", "n", "false":
		hint = "write false"
	}
	l.report("wrong-type", t.Pos, fmt.Sprintf("%s must be true or false, not %q", what, t.Value), hint)
	return Setting[bool]{}
}

// integer reads a decimal number.
func (l *loader) integer(what string, n *yaml.Node) Setting[int] {
	t, ok := l.text(what, n)
	if !ok {
		return Setting[int]{}
	}
	v, err := strconv.Atoi(t.Value)
	if err != nil || strconv.Itoa(v) != t.Value || n.Style != 0 {
		hint := "write a decimal number, such as 10"
		if other, err := strconv.ParseInt(t.Value, 0, 64); err == nil {
			hint = fmt.Sprintf("write %d", other)
			if trimmed := strings.TrimLeft(t.Value, "0"); trimmed != t.Value && trimmed != "" && strings.Trim(trimmed, "0123456789") == "" {
				hint = "write " + trimmed
			}
		}
		l.report("wrong-type", t.Pos, fmt.Sprintf("%s must be a whole number, not %q", what, t.Value), hint)
		return Setting[int]{}
	}
	return Setting[int]{v, t.Pos}
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1000}, {"MB", 1000 * 1000}, {"GB", 1000 * 1000 * 1000}}

// size reads a number of bytes; limit is the most the server can hold.
func (l *loader) size(what string, n *yaml.Node, limit int64) Setting[int64] {
	t, ok := l.text(what, n)
	if !ok {
		return Setting[int64]{}
	}
	digits, unit := t.Value, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(t.Value, u.suffix); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != digits || v <= 0 {
		l.report("invalid-size", t.Pos, fmt.Sprintf("%s must be a size, not %q", what, t.Value), "write bytes as a number, alone or with KiB, MiB, GiB, KB, MB or GB: 64KiB")
		return Setting[int64]{}
	}
	if v > limit/unit {
		l.report("invalid-size", t.Pos, fmt.Sprintf("%s of %s is more than the server can hold", what, t.Value), fmt.Sprintf("the limit is %d bytes", limit))
		return Setting[int64]{}
	}
	return Setting[int64]{v * unit, t.Pos}
}

// parseDuration reads Go syntax, or days: 7d.
func parseDuration(s string) (time.Duration, bool) {
	if digits, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || strconv.FormatInt(days, 10) != digits || days > math.MaxInt64/int64(24*time.Hour) || days < math.MinInt64/int64(24*time.Hour) {
			return 0, false
		}
		return time.Duration(days) * 24 * time.Hour, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// ttl reads a duration of at least a second.
func (l *loader) ttl(what string, n *yaml.Node) Setting[time.Duration] {
	t, ok := l.text(what, n)
	if !ok {
		return Setting[time.Duration]{}
	}
	d, ok := parseDuration(t.Value)
	if !ok {
		l.report("invalid-duration", t.Pos, fmt.Sprintf("%s must be a duration, not %q", what, t.Value), "write it as 30s, 15m, 72h or 7d")
		return Setting[time.Duration]{}
	}
	if d < time.Second {
		l.report("ttl-too-short", t.Pos, fmt.Sprintf("%s of %s is below one second", what, t.Value), "the server counts in whole seconds; use 1s or more")
		return Setting[time.Duration]{}
	}
	return Setting[time.Duration]{d, t.Pos}
}

// word reads one of a closed set, and returns its index or -1.
func (l *loader) word(rule, what string, n *yaml.Node, words ...string) (int, Text) {
	t, ok := l.text(what, n)
	if !ok {
		return -1, t
	}
	for i, w := range words {
		if t.Value == w {
			return i, t
		}
	}
	hint := "allowed are: " + strings.Join(words, ", ")
	if s := Suggest(t.Value, words); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	l.report(rule, t.Pos, fmt.Sprintf("%s cannot be %q", what, t.Value), hint)
	return -1, t
}
