// Suggestions: did you mean …?

package schema

import (
	"slices"
	"strings"
)

// maxCandidates is how many names are compared with a mistyped one: there may be many of both.
const maxCandidates = 2000

// Suggest returns the candidate that is nearest to name, if it is near enough to be meant, or "".
func Suggest(name string, candidates []string) string {
	candidates = candidates[:min(len(candidates), maxCandidates)]
	lower := strings.ToLower(name)
	best, bestDistance := "", min(len(name)/3+2, len(name)) // at least one letter stays
	for _, c := range candidates {
		if diff := len(name) - len(c); diff >= bestDistance || -diff >= bestDistance {
			continue
		}
		if d := distance(lower, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// synonym returns the candidate that another word stands for elsewhere: in SQL, in other languages, among
// the settings of other tools; or "".
func synonym(word string, candidates []string) string {
	meant := ""
	switch strings.ToLower(word) {
	case "str", "text", "varchar", "char":
		meant = "string"
	case "integer", "number", "long", "bigint":
		meant = "int64"
	case "short", "smallint":
		meant = "int16"
	case "byte":
		meant = "uint8"
	case "boolean":
		meant = "bool"
	case "double", "float", "real":
		meant = "float64"
	case "blob", "binary", "[]byte", "bytearray":
		meant = "bytes"
	case "timestamp", "datetime":
		meant = "time"
	case "interval":
		meant = "duration"
	case "any", "object", "interface{}", "rawmessage":
		meant = "json"
	case "guid":
		meant = "uuid"
	case "ro", "r", "readonly", "read-only", "read_only":
		meant = "read"
	case "wo", "w", "writeonly", "write-only", "write_only":
		meant = "write"
	case "rw", "read-write", "read_write", "all":
		meant = "readwrite"
	case "disk", "files", "filesystem":
		meant = "file"
	case "ram", "mem":
		meant = "memory"
	case "protobuf", "pb", "protobuffer":
		meant = "proto"
	case "off", "no", "false":
		meant = "none"
	}
	if slices.Contains(candidates, meant) {
		return meant
	}
	return ""
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour to turn a into b.
func distance(a, b string) int {
	const longest = 100 // longer ones are no typing errors
	if len(a) > longest || len(b) > longest {
		return len(a) + len(b)
	}
	var before, last, row [longest + 1]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
