// Subjects, and the other names that the server takes in the settings of a bucket: what it would refuse
// when the bucket is made is refused here.

package schema

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// subjectKind says what a subject is for.
type subjectKind int

const (
	plainSubject   subjectKind = iota // one subject: no wildcards
	subjectFilter                     // of subjects to take
	subjectMapping                    // to publish to: wildcards, {{wildcard(1)}} and $1 stand for tokens of the filter
)

// subject reads a subject into a field of the model.
func (l *loader) subject(target *Text, kind subjectKind) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		t, ok := l.scalar(key.Value, "a text", n)
		if !ok {
			return
		}
		*target = t
		if problem, hint := subjectProblem(t.Value, kind); problem != "" {
			l.report("invalid-subject", t.Pos, fmt.Sprintf("%s %s is not a subject: %s", key.Value, quote(t.Value), problem), hint)
		}
	}
}

// maxSubject is the most bytes of a subject that is sent with a payload, in one line of the protocol.
const maxSubject = 1024

// subjectProblem tells why s is not a subject, or returns "".
func subjectProblem(s string, kind subjectKind) (problem, hint string) {
	const separated = "tokens are separated by single dots"
	if s == "" {
		return "it is empty", `write tokens separated by dots: "repub.orders.>"`
	}
	if len(s) > maxSubject {
		return fmt.Sprintf("it has %d bytes", len(s)), fmt.Sprintf("a subject has at most %d", maxSubject)
	}
	tokens := subjectTokens(s)
	for i, token := range tokens {
		if kind == subjectMapping && strings.HasPrefix(token, "{{") && strings.HasSuffix(token, "}}") {
			continue
		}
		switch {
		case token == "" && i == 0:
			return "it begins with a dot", separated
		case token == "" && i == len(tokens)-1:
			return "it ends with a dot", separated
		case token == "":
			return "it has an empty token", separated
		case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return "it has white space or a control character", "remove it; the server reads a space as the end of the subject"
		case kind == plainSubject && (token == "*" || token == ">"):
			return "it has a wildcard", "write the subject out"
		case token == ">" && i < len(tokens)-1:
			return "the wildcard > is not its last token", "> stands for all that follows; for one token, write *"
		case token != "*" && token != ">" && strings.ContainsAny(token, "*>"):
			return fmt.Sprintf("%s has a wildcard with other text", quote(token)), "a wildcard stands for whole tokens: separate it by a dot"
		}
	}
	return "", ""
}

// subjectTokens splits a subject at its dots, but not at those within {{ }}.
func subjectTokens(s string) []string {
	var tokens []string
	from, within := 0, false
	for i := range len(s) {
		switch rest := s[i:]; {
		case strings.HasPrefix(rest, "{{"):
			within = true
		case strings.HasPrefix(rest, "}}"):
			within = false
		case s[i] == '.' && !within:
			tokens = append(tokens, s[from:i])
			from = i + 1
		}
	}
	return append(tokens, s[from:])
}

// serverWord reads a name that is one token of a subject: of a stream, or of a JetStream domain.
func (l *loader) serverWord(target *Text, what string) func(Text, *yaml.Node) {
	return func(key Text, n *yaml.Node) {
		t, ok := l.scalar(key.Value, "a text", n)
		if !ok {
			return
		}
		*target = t
		switch i := strings.IndexFunc(t.Value, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`.*>/\`, r) }); {
		case t.Value == "":
			l.report("invalid-subject", t.Pos, key.Value+" is empty", "give the name of "+what+", or remove it")
		case len(t.Value) > maxBucketName:
			l.report("invalid-subject", t.Pos, fmt.Sprintf("%s has %d bytes", key.Value, len(t.Value)), fmt.Sprintf("the server allows %d", maxBucketName))
		case i >= 0:
			l.report("invalid-subject", t.Pos, fmt.Sprintf("%s %s is not the name of %s: %q cannot stand in it", key.Value, quote(t.Value), what, []rune(t.Value[i:])[0]),
				"a name has no white space, and none of . * > / \\")
		}
	}
}
