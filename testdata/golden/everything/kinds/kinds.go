// Package kinds holds Go types that the golden schema names.
package kinds

import (
	"fmt"
	"strconv"
	"strings"
)

// Level is a parameter type: its text form is on the pointer.
type Level struct{ N int }

// MarshalText writes the level as L and its number.
func (l *Level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "L%d", l.N), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimPrefix(string(text), "L"))
	l.N = n
	return err
}

// Blob has a binary form.
type Blob struct{ Data []byte }

// MarshalBinary returns the data.
func (b Blob) MarshalBinary() ([]byte, error) { return b.Data, nil }

// UnmarshalBinary keeps a copy of the data.
func (b *Blob) UnmarshalBinary(data []byte) error {
	b.Data = append([]byte(nil), data...)
	return nil
}

// Reversed is a codec of strings.
var Reversed reversed

type reversed struct{}

func (reversed) Encode(value string) ([]byte, error) { return []byte(reverse(value)), nil }

func (reversed) Decode(data []byte) (string, error) { return reverse(string(data)), nil }

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
