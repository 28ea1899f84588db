// Names of buckets on the server, in which parameters may stand.

package schema

import (
	"fmt"
	"strings"
)

// maxBucketName is the most bytes that a bucket's name may have: the server allows 255 for the stream,
// which is called KV_ and the name.
const maxBucketName = 252

// isBucketName reports whether s can be a bucket's name on the server.
func isBucketName(s string) bool {
	return s != "" && len(s) <= maxBucketName && badInBucketName(s) < 0
}

// badInBucketName returns the offset of the first character that a bucket's name cannot have, or -1.
func badInBucketName(s string) int {
	return strings.IndexFunc(s, func(r rune) bool { return !isKeyRune(r) || r == '/' || r == '=' })
}

// serverName takes the name of a bucket apart; at gives the place of a part of its text. A name
// that is wrong has no parts, and ok is false.
func (l *loader) serverName(b *Bucket, at func(from, to int) Pos) (ok bool) {
	text := b.ServerName.Value
	fail := func(from, to int, message, hint string, places ...Related) bool {
		l.report("invalid-bucket-name", at(from, to), message, hint, places...)
		return false
	}
	const charset = "a bucket's name has letters, digits, - and _, and {parameters}"
	if text == "" {
		return fail(0, 0, "the bucket's name is empty", charset)
	}
	var parts []NamePart
	names := map[string]Pos{}
	length := 0
	for from := 0; from < len(text) && length <= maxBucketName; {
		literal, rest, more := strings.Cut(text[from:], "{")
		if i := badInBucketName(literal); i >= 0 {
			r := []rune(literal[i:])[0]
			if r == '}' {
				return fail(from+i, from+i+1, "} without a { before it", "a parameter is {name}")
			}
			return fail(from+i, from+i+len(string(r)), fmt.Sprintf("%q cannot stand in a bucket's name", r), charset)
		}
		if literal != "" {
			parts = append(parts, NamePart{Literal: literal})
		}
		length += len(literal)
		if !more {
			break
		}
		from += len(literal) + 1
		if len(names) > 0 && !strings.Contains(literal, "_") {
			return fail(from-1, from+len(rest), "two parameters of a bucket's name are not separated by _",
				"put a _ between them: different values could name the same bucket")
		}
		name, _, shut := strings.Cut(rest, "}")
		switch before, twice := names[name]; {
		case !shut:
			return fail(from-1, from, "{ without a } behind it", "a parameter is {name}")
		case name == "":
			return fail(from-1, from+1, "a parameter without a name", "give it one: {env}")
		case strings.ContainsAny(name, ":."):
			return fail(from, from+len(name), quote(name)+" cannot be a parameter of a bucket's name", "it has a name, and no type: {env}")
		case !entryName.MatchString(name):
			return fail(from, from+len(name), quote(name)+" cannot be the name of a parameter", "a name is a letter, followed by letters, digits, _ and -")
		case twice:
			return fail(from, from+len(name), fmt.Sprintf("parameter %q occurs twice", name), "give each parameter a name of its own",
				related(l.file, before, "the first one is here"))
		}
		pos := at(from, from+len(name))
		names[name] = pos
		parts = append(parts, NamePart{Param: &BucketParam{Name: Text{name, pos}}})
		length++
		from += len(name) + 1
	}
	if length > maxBucketName {
		return fail(0, len(text), fmt.Sprintf("the bucket's name has at least %d bytes", length), fmt.Sprintf("the server allows %d", maxBucketName))
	}
	b.NameParts = parts
	return true
}
