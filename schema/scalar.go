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

// isPlain reports whether a scalar is written without quotes.
func isPlain(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// boolean reads true or false, and none of the other spellings of YAML 1.1.
func (l *loader) boolean(what string, n *yaml.Node) Setting[bool] {
	const noun = "true or false"
	t, ok := l.scalar(what, noun, n)
	if !ok {
		return Setting[bool]{}
	}
	if isPlain(n) && (t.Value == "true" || t.Value == "false") {
		return Setting[bool]{t.Value == "true", t.Pos}
	}
	hint := "write true or false"
	switch strings.ToLower(t.Value) {
	case "yes", "on", "y", "true", "1":
		hint = "write true"
	case "no", "off", "n", "false", "0":
		hint = "write false"
	}
	if !isPlain(n) {
		hint += ", without quotes"
	}
	l.report("wrong-type", t.Pos, fmt.Sprintf("%s must be %s, not %s", what, noun, quote(t.Value)), hint)
	return Setting[bool]{}
}

// integer reads a decimal number, with its text for messages. One that an int cannot hold becomes
// the nearest that it can.
func (l *loader) integer(what string, n *yaml.Node) (Setting[int], Text) {
	t, ok := l.scalar(what, "a number", n)
	if !ok {
		return Setting[int]{}, t
	}
	if isPlain(n) && isDecimal(strings.TrimPrefix(t.Value, "-")) && t.Value != "-0" {
		v, err := strconv.Atoi(t.Value)
		if err != nil && strings.HasPrefix(t.Value, "-") {
			v = math.MinInt
		} else if err != nil {
			v = math.MaxInt
		}
		return Setting[int]{v, t.Pos}, t
	}
	l.report("wrong-type", t.Pos, fmt.Sprintf("%s must be a number, not %s", what, quote(t.Value)), numberHint(t.Value, isPlain(n)))
	return Setting[int]{}, t
}

func numberHint(s string, plain bool) string {
	switch spelling := decimalSpelling(s); {
	case spelling != "":
		return "write " + spelling
	case !plain && isDecimal(s):
		return "write " + s + ", without quotes"
	}
	return "write a decimal number, such as 10"
}

// isDecimal reports whether s is a number without leading zeros.
func isDecimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// sizeUnit returns the number of bytes that a suffix of sizes stands for, or 0.
func sizeUnit(suffix string) int64 {
	switch suffix {
	case "":
		return 1
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	case "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	}
	return 0
}

// size reads a number of bytes; limit is the most that the server can hold.
func (l *loader) size(what string, n *yaml.Node, limit int64) Setting[int64] {
	t, ok := l.scalar(what, "a size", n)
	if !ok {
		return Setting[int64]{}
	}
	refuse := func(problem, hint string) Setting[int64] {
		l.report("invalid-size", t.Pos, what+" "+problem, hint)
		return Setting[int64]{}
	}
	digits := strings.TrimRight(t.Value, "KMGiB")
	unit := sizeUnit(t.Value[len(digits):])
	if !isDecimal(digits) || unit == 0 {
		return refuse("must be a size, not "+quote(t.Value), sizeHint(t.Value))
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case v == 0 && err == nil:
		return refuse("of 0 would leave room for nothing", "for no limit, leave it out")
	case err != nil || v > limit/unit:
		return refuse("of "+quote(t.Value)+" is more than the server can hold", fmt.Sprintf("the limit is %d bytes", limit))
	}
	return Setting[int64]{v * unit, t.Pos}
}

// sizeHint is how a size may have been meant.
func sizeHint(s string) string {
	const general = "write bytes as a whole number, alone or with KiB, MiB, GiB, KB, MB or GB: 64KiB"
	if strings.HasPrefix(s, "-") {
		return "for no limit, leave it out"
	}
	number, unit := splitUnit(s)
	switch unit {
	case "", "b", "byte", "bytes":
		unit = ""
	case "k", "ki", "kib":
		unit = "KiB"
	case "m", "mi", "mib":
		unit = "MiB"
	case "g", "gi", "gib":
		unit = "GiB"
	case "kb", "mb", "gb":
		unit = strings.ToUpper(unit)
	default:
		return general
	}
	if spelling := decimalSpelling(number); spelling != "" {
		number = spelling
	}
	if !isDecimal(number) || number == "0" {
		return general
	}
	return "write " + number + unit
}

// splitUnit takes a number and a unit apart, in whatever way they are written.
func splitUnit(s string) (number, unit string) {
	s = strings.ToLower(strings.TrimSpace(s))
	if strings.HasPrefix(s, "0x") {
		return s, ""
	}
	number = strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz ")
	return number, strings.TrimSpace(s[len(number):])
}

const day = 24 * time.Hour

// parseDuration reads Go syntax, or days: 7d.
func parseDuration(s string) (time.Duration, bool) {
	digits, ok := strings.CutSuffix(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		return d, err == nil
	}
	if !isDecimal(strings.TrimPrefix(digits, "-")) {
		return 0, false
	}
	days, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || days > int64(math.MaxInt64/day) || days < int64(math.MinInt64/day) {
		return 0, false
	}
	return time.Duration(days) * day, true
}

// ttl reads a duration of at least a second; optional is the hint for the word that keys can have.
func (l *loader) ttl(what string, n *yaml.Node, optional string) Setting[time.Duration] {
	t, ok := l.scalar(what, "a duration", n)
	if !ok {
		return Setting[time.Duration]{}
	}
	d, ok := parseDuration(t.Value)
	switch {
	case !ok:
		hint := durationHint(t.Value)
		if optional != "" && Suggest(t.Value, []string{"optional"}) != "" {
			hint = optional
		}
		l.report("invalid-duration", t.Pos, fmt.Sprintf("%s must be a duration, not %s", what, quote(t.Value)), hint)
	case d < time.Second:
		l.report("ttl-too-short", t.Pos, fmt.Sprintf("%s of %s is below one second", what, t.Value), "the server takes no shorter one; use 1s or more, or leave it out")
	default:
		return Setting[time.Duration]{d, t.Pos}
	}
	return Setting[time.Duration]{}
}

// durationHint is how a duration may have been meant.
func durationHint(s string) string {
	const general = "write it as 30s, 15m, 72h, 1h30m or 7d"
	number, unit := splitUnit(s)
	switch unit {
	case "", "s", "sec", "secs", "second", "seconds":
		unit = "s"
	case "m", "min", "mins", "minute", "minutes":
		unit = "m"
	case "h", "hr", "hrs", "hour", "hours":
		unit = "h"
	case "d", "day", "days":
		unit = "d"
	case "w", "week", "weeks":
		weeks, err := strconv.ParseInt(number, 10, 16)
		if err != nil {
			return general
		}
		number, unit = strconv.FormatInt(7*weeks, 10), "d"
	default:
		return general
	}
	if spelling := decimalSpelling(number); spelling != "" {
		number = spelling
	}
	switch _, ok := parseDuration(number + unit); {
	case !ok && isDecimal(number):
		return fmt.Sprintf("the longest is %dd", int64(math.MaxInt64/day))
	case !ok || s == number+unit:
		return general
	}
	return "write " + number + unit
}

// word reads one of a closed set, and returns its index or -1.
func (l *loader) word(rule, what string, n *yaml.Node, words ...string) (int, Text) {
	t, ok := l.scalar(what, list(words, "or"), n)
	if !ok {
		return -1, t
	}
	for i, w := range words {
		if t.Value == w {
			return i, t
		}
	}
	hint := "allowed are: " + strings.Join(words, ", ")
	if near := didYouMean(t.Value, words, ""); near != "" {
		hint = strings.TrimPrefix(near+"; ", "; ") + hint
		hint = strings.Replace(hint, "?; ", "? ", 1)
	}
	l.report(rule, t.Pos, fmt.Sprintf("%s cannot be %s", what, quote(t.Value)), hint)
	return -1, t
}
