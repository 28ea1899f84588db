// Reading keys: the exact inverse of KeyEncoder. It accepts what the encoder produces and nothing
// else, so that one entry has one key and a listing cannot show a key twice under two spellings.

package kvrt

import (
	"encoding"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// KeyDecoder takes a key apart, token by token. Generated code makes it with DecodeKey.
type KeyDecoder struct {
	pattern string
	key     string
	rest    string // what has not been read yet
	more    bool   // a further token may be read; an empty rest is then an empty token
	plain   bool
	prefix  string
	suffix  string
	err     error
}

// DecodeKey starts to read key; pattern is for messages.
func DecodeKey(pattern, key string) KeyDecoder {
	return KeyDecoder{pattern: pattern, key: key, rest: key, more: key != ""}
}

// Plain makes the parameters of this key unescaped (escape: none).
func (d *KeyDecoder) Plain() { d.plain = true }

// Literal reads one or more literal tokens.
func (d *KeyDecoder) Literal(tokens string) {
	for {
		want, after, more := strings.Cut(tokens, ".")
		if d.token() != want {
			d.fail(errMismatch)
		}
		if !more || d.err != nil {
			return
		}
		tokens = after
	}
}

// Affix announces the literal text around the next parameter.
func (d *KeyDecoder) Affix(prefix, suffix string) { d.prefix, d.suffix = prefix, suffix }

// String reads a parameter that may be any string.
func (d *KeyDecoder) String(_ string) string { return d.text(d.param()) }

// Int reads a signed number of the given size in bits.
func (d *KeyDecoder) Int(_ string, bits int) int64 {
	token := d.param()
	if d.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(token, 10, bits)
	if err != nil || !isDecimal(strings.TrimPrefix(token, "-")) || token == "-0" {
		d.fail(errMismatch)
		return 0
	}
	return n
}

// Uint reads an unsigned number of the given size in bits.
func (d *KeyDecoder) Uint(_ string, bits int) uint64 {
	token := d.param()
	if d.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(token, 10, bits)
	if err != nil || !isDecimal(token) {
		d.fail(errMismatch)
		return 0
	}
	return n
}

// Bool reads true or false.
func (d *KeyDecoder) Bool(_ string) bool {
	switch d.param() {
	case "true":
		return true
	case "false":
	default:
		d.fail(errMismatch)
	}
	return false
}

// Date reads a date written as 2006-01-02.
func (d *KeyDecoder) Date(_ string) Date {
	token := d.param()
	if d.err != nil {
		return Date{}
	}
	date, err := ParseDate(token)
	if err != nil {
		d.fail(err)
	}
	return date
}

// Path reads all tokens that are left, at least one.
func (d *KeyDecoder) Path(_ string) Path {
	if d.err != nil {
		return Path{}
	}
	if !d.more {
		d.fail(errMismatch)
		return Path{}
	}
	rest := d.rest
	d.rest, d.more = "", false
	if !d.plain {
		p, err := parsePath(rest)
		if err != nil {
			d.fail(err)
		}
		return p
	}
	tokens := strings.Split(rest, ".")
	for _, t := range tokens {
		if !validPlain(t) {
			d.fail(errMismatch)
			return Path{}
		}
	}
	return PathOf(tokens...)
}

// DecodeText reads a parameter of a Go type through its UnmarshalText, and refuses text that the
// type would write differently.
func DecodeText[T any, P interface {
	*T
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}](d *KeyDecoder, name string) T {
	var value T
	text := d.String(name)
	if d.err != nil {
		return value
	}
	if err := P(&value).UnmarshalText([]byte(text)); err != nil {
		d.fail(err)
		return value
	}
	if again, err := P(&value).MarshalText(); err != nil || string(again) != text {
		d.fail(fmt.Errorf("%q is written %q", text, again))
	}
	return value
}

// DecodeEnum reads a word of an enum; one that the schema does not know is refused.
func DecodeEnum[T Enum](d *KeyDecoder, name string) T {
	value := T(d.String(name))
	if d.err == nil && !value.Valid() {
		d.fail(fmt.Errorf("%q is not a word of the enum", string(value)))
	}
	return value
}

// DecodedKey ends the reading: it returns key if all of the text was read without error, else
// ErrInvalidKey.
func DecodedKey[K any](d *KeyDecoder, key K) (K, error) {
	if d.err == nil && d.more {
		d.fail(errMismatch)
	}
	if d.err == nil && len(d.key) > MaxKeyLength {
		d.fail(fmt.Errorf("%d bytes, more than %d", len(d.key), MaxKeyLength))
	}
	if d.err == nil && d.key == reservedKey {
		d.fail(errors.New("reserved"))
	}
	if d.err != nil {
		var none K
		return none, &keyError{d.pattern, d.key, d.err}
	}
	return key, nil
}

// keyError defers its formatting: a listing skips unmatched keys without reading the message.
type keyError struct {
	pattern, key string
	err          error
}

func (e *keyError) Error() string {
	return fmt.Sprintf("%v: %q is not a key of pattern %s: %v", ErrInvalidKey, e.key, e.pattern, e.err)
}

func (e *keyError) Unwrap() []error { return []error{ErrInvalidKey, e.err} }

var errMismatch = errors.New("no match")

func (d *KeyDecoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// token reads up to the next dot.
func (d *KeyDecoder) token() string {
	if d.err != nil {
		return ""
	}
	if !d.more {
		d.fail(errMismatch)
		return ""
	}
	token, rest, more := strings.Cut(d.rest, ".")
	d.rest, d.more = rest, more
	return token
}

// param reads a token and takes its affixes off.
func (d *KeyDecoder) param() string {
	token := d.token()
	prefix, suffix := d.prefix, d.suffix
	d.prefix, d.suffix = "", ""
	if prefix == "" && suffix == "" {
		return token
	}
	token, ok := strings.CutPrefix(token, prefix)
	if ok {
		token, ok = strings.CutSuffix(token, suffix)
	}
	if !ok {
		d.fail(errMismatch)
	}
	return token
}

func (d *KeyDecoder) text(token string) string {
	if d.err != nil {
		return ""
	}
	if d.plain {
		if !validPlain(token) {
			d.fail(errMismatch)
		}
		return token
	}
	s, err := unescape(token)
	if err != nil {
		d.fail(err)
	}
	return s
}

// unescape is the inverse of the escaping of one token.
func unescape(token string) (string, error) {
	if token == "=" {
		return "", nil
	}
	plain := 0
	for plain < len(token) && isUnescaped(token[plain]) {
		plain++
	}
	if plain == len(token) {
		if token == "" {
			return "", errors.New("an empty token")
		}
		return token, nil
	}
	out := make([]byte, plain, len(token))
	copy(out, token)
	for i := plain; i < len(token); i++ {
		c := token[i]
		switch {
		case isUnescaped(c):
			out = append(out, c)
			continue
		case c != '=' || i+2 >= len(token):
			return "", fmt.Errorf("%q is not an escaped token", token)
		}
		hi, lo := hexDigit(token[i+1]), hexDigit(token[i+2])
		b := hi<<4 | lo
		if hi > 15 || lo > 15 || isUnescaped(b) {
			return "", fmt.Errorf("%q is not an escaped token", token)
		}
		out = append(out, b)
		i += 2
	}
	return string(out), nil
}

// hexDigit returns the value of an upper-case hex digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// isDecimal reports whether s is a decimal number without sign and leading zeros.
func isDecimal(s string) bool {
	if s == "" || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseUint reads a decimal number without further checks of its spelling.
func parseUint(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
