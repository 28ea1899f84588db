// Limits: what bounds time, memory and the length of a report for a schema that nobody wrote by hand.

package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

const (
	maxFileSize    = 4 << 20 // bytes
	maxYAMLDepth   = 100     // levels
	maxYAMLNodes   = 100_000 // names, values, lists and mappings; a schema of 1,000 keys with a struct each has 25,000
	maxAccessors   = 10_000  // keys of all buckets, those of keys_from as often as they are shared
	maxNameLength  = 100     // bytes of a name of the schema, which makes Go names and names of files
	maxWordLength  = 1024    // bytes of an enum's word or a name in JSON; a key has no more
	maxTypeLength  = 1024    // bytes of a type expression
	maxRegexLength = 4096    // bytes
	maxFindings    = 1000    // errors of a file that are shown, and as many warnings
	maxMessage     = 4000    // bytes of a message or a hint
)

// collected holds the diagnostics of one file: no more than Limit shows, and one that tells it that
// there are more.
type collected struct {
	diags []Diagnostic
	count [2]int // by severity
}

func (c *collected) add(d Diagnostic) {
	if c.count[d.Severity]++; c.count[d.Severity] > maxFindings+1 {
		return
	}
	d.Message, d.Hint = shorten(d.Message), shorten(d.Hint)
	c.diags = append(c.diags, d)
}

// full reports whether there is no use in looking for more errors.
func (c *collected) full() bool { return c.count[Error] > maxFindings }

// Limit shortens sorted diagnostics to the first 1,000 errors and as many warnings of each file, and says so
// where it leaves out others.
func Limit(ds []Diagnostic) []Diagnostic {
	type group struct {
		file     string
		severity Severity
	}
	count := map[group]int{}
	told := map[group]bool{}
	limited := func(d Diagnostic) bool { return d.Rule == "too-many-errors" || d.Rule == "too-many-warnings" }
	for _, d := range ds {
		if !limited(d) {
			count[group{d.File, d.Severity}]++
		}
	}
	var out []Diagnostic
	kept := map[group]int{}
	for _, d := range ds {
		g := group{d.File, d.Severity}
		switch over := count[g] > maxFindings; {
		case limited(d) && (over || told[g]):
		case limited(d):
			told[g] = true
			out = append(out, d)
		case kept[g] < maxFindings:
			kept[g]++
			out = append(out, d)
		case !told[g]:
			told[g] = true
			if d.Severity == Error {
				out = append(out, moreOf("too-many-errors", d))
			} else {
				out = append(out, moreOf("too-many-warnings", d))
			}
		}
	}
	return out
}

// moreOf stands for the first diagnostic that is left out, and all behind it.
func moreOf(rule string, d Diagnostic) Diagnostic {
	d.Rule, d.Related = rule, nil
	d.Message = fmt.Sprintf("there are more %ss from here on, of which none is shown: %d of a file are", d.Severity, maxFindings)
	d.Hint = "mend those above first; often one cause has many effects"
	return d
}

// shorten cuts a text that grew with what somebody put into a schema.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// mayBeLarge reports whether a text can hold more nodes than a schema may have, so many that the
// parser must not even try: between two nodes there is at least one of these characters.
func mayBeLarge(text string) bool {
	n := strings.Count(text, "\n") + strings.Count(text, ",") + strings.Count(text, ":") + strings.Count(text, "[") +
		strings.Count(text, "{") + strings.Count(text, "- ") + strings.Count(text, "? ")
	return n > 3*maxYAMLNodes
}

// countNodes counts a node and those below it.
func countNodes(n *yaml.Node) int {
	total := 1
	for _, c := range n.Content {
		total += countNodes(c)
	}
	return total
}

const splitHint = "split the schema: those of one folder make one package"

// longestList is how many names a message tells.
const longestList = 24

// first returns the words that a message tells, and how many more there are.
func first(words []string) []string {
	if n := len(words) - longestList; n > 1 {
		return append(slices.Clone(words[:longestList]), fmt.Sprintf("%d more", n))
	}
	return words
}

// list joins words for a sentence: "a, b and c". Of many, it tells the first ones.
func list(words []string, conjunction string) string {
	words = first(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
