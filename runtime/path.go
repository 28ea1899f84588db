// Path and Date: the two parameter types that Go has no comparable standard type for.

package kvrt

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Path is the value of a {name...} parameter: one or more tokens, each any string. It is comparable,
// so that key structs are. The zero Path has no token, and no key.
type Path struct {
	escaped string // tokens escaped and joined by dots: equal paths have equal text
}

// PathOf returns the path of the tokens; none gives the zero Path.
func PathOf(tokens ...string) Path {
	var b strings.Builder
	for i, token := range tokens {
		if i > 0 {
			b.WriteByte('.')
		}
		if token == "" {
			b.WriteByte('=')
			continue
		}
		for j := 0; j < len(token); j++ {
			if isUnescaped(token[j]) {
				b.WriteByte(token[j])
			} else {
				fmt.Fprintf(&b, "=%02X", token[j])
			}
		}
	}
	return Path{b.String()}
}

// Tokens returns the tokens as they were given to PathOf.
func (p Path) Tokens() []string {
	if p.escaped == "" {
		return nil
	}
	tokens := strings.Split(p.escaped, ".")
	for i, token := range tokens {
		tokens[i], _ = unescape(token) // PathOf and parsePath make no other text
	}
	return tokens
}

// String returns the tokens escaped and joined by dots, as they stand in an escaped key.
func (p Path) String() string { return p.escaped }

func parsePath(text string) (Path, error) {
	for rest, more := text, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if _, err := unescape(token); err != nil {
			return Path{}, err
		}
	}
	return Path{text}, nil
}

// Date is a day of the Gregorian calendar, without time and zone. It is comparable.
type Date struct {
	Year  int // 0 to 9999
	Month time.Month
	Day   int
}

// DateOf returns the day of t in t's location.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{year, month, day}
}

// ParseDate reads a date written as 2006-01-02.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date as in 2006-01-02", text)
	}
	return DateOf(t), nil
}

// IsValid reports whether the calendar has the day.
func (d Date) IsValid() bool {
	return d.Year >= 0 && d.Year <= 9999 && DateOf(d.In(time.UTC)) == d
}

// In returns the start of the day in loc.
func (d Date) In(loc *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
}

// String returns the date as 2006-01-02.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// MarshalText returns the date as 2006-01-02.
func (d Date) MarshalText() ([]byte, error) {
	if !d.IsValid() {
		return nil, errors.New("not a date: " + d.String())
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads a date written as 2006-01-02.
func (d *Date) UnmarshalText(text []byte) error {
	date, err := ParseDate(string(text))
	if err == nil {
		*d = date
	}
	return err
}
