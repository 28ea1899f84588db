// Writing keys: the generated encode method of a key struct puts its tokens into a KeyEncoder,
// which escapes them, and which gives either the key or, with some parameters left open, the
// subject filter for it. One method per pattern serves both, so they cannot disagree.

package kvrt

import (
	"encoding"
	"errors"
	"fmt"
	"strconv"
)

// MaxKeyLength is the most bytes a key may have as NATS sees it. It keeps subjects well within the
// server's limit for a protocol line (4 KiB by default), which closes the connection when exceeded.
const MaxKeyLength = 1024

// reservedKey is written by this package itself, as the barrier of linearizable reads. The escaped
// encoding cannot produce it: 'k' is no hex digit.
const reservedKey = "=kvgen"

// maxParams is more than a key of MaxKeyLength has room for.
const maxParams = MaxKeyLength / 2

// KeyEncoder builds one key. The zero value is ready; generated code declares it as a local
// variable, where it does not allocate.
type KeyEncoder struct {
	buf     [MaxKeyLength]byte
	n       int
	plain   bool
	prefix  string
	suffix  string
	err     error
	filter  bool // Select was used
	below   string
	selects int // parameters announced by Select
	params  int // parameters written
	open    [maxParams / 64]uint64
}

// Plain makes the parameters of this key unescaped (escape: none).
func (e *KeyEncoder) Plain() { e.plain = true }

// Literal appends one or more literal tokens.
func (e *KeyEncoder) Literal(tokens string) {
	e.dot()
	e.write(tokens)
}

// Affix surrounds the next parameter's token with literal text.
func (e *KeyEncoder) Affix(prefix, suffix string) { e.prefix, e.suffix = prefix, suffix }

// String appends a parameter that may be any string.
func (e *KeyEncoder) String(name, value string) {
	if !e.begin() {
		return
	}
	e.text(name, value)
	e.end()
}

// Int appends a signed number in decimal.
func (e *KeyEncoder) Int(_ string, value int64) {
	if !e.begin() {
		return
	}
	var digits [20]byte
	e.writeBytes(strconv.AppendInt(digits[:0], value, 10))
	e.end()
}

// Uint appends an unsigned number in decimal.
func (e *KeyEncoder) Uint(_ string, value uint64) {
	if !e.begin() {
		return
	}
	var digits [20]byte
	e.writeBytes(strconv.AppendUint(digits[:0], value, 10))
	e.end()
}

// Bool appends true or false.
func (e *KeyEncoder) Bool(_ string, value bool) {
	if !e.begin() {
		return
	}
	e.write(strconv.FormatBool(value))
	e.end()
}

// Date appends a date as 2006-01-02.
func (e *KeyEncoder) Date(name string, value Date) {
	if !e.begin() {
		return
	}
	if !value.IsValid() {
		e.fail(name, fmt.Errorf("%v is not a date", value))
	}
	e.write(value.String())
	e.end()
}

// Path appends the tokens of a path, at least one.
func (e *KeyEncoder) Path(name string, value Path) {
	open := e.filter && e.isOpen()
	e.params++
	if !open {
		e.path(name, value)
		return
	}
	if e.below != "" {
		e.path(name, Path{e.below})
	}
	e.dot()
	e.write(">")
}

func (e *KeyEncoder) path(name string, value Path) {
	if value.escaped == "" {
		e.fail(name, errors.New("a path has at least one token"))
		return
	}
	e.dot()
	if !e.plain {
		e.write(value.escaped)
		return
	}
	for i, token := range value.Tokens() {
		if i > 0 {
			e.write(".")
		}
		e.text(name, token)
	}
}

// EncodeText appends a parameter of a Go type through its MarshalText.
func EncodeText[T encoding.TextMarshaler](e *KeyEncoder, name string, value T) {
	if !e.begin() {
		return
	}
	text, err := value.MarshalText()
	if err != nil {
		e.fail(name, err)
	}
	e.text(name, string(text))
	e.end()
}

// Enum is a generated enum type.
type Enum interface {
	~string
	Valid() bool
}

// EncodeEnum appends a word of an enum; one that the schema does not know is refused.
func EncodeEnum[T Enum](e *KeyEncoder, name string, value T) {
	if !e.begin() {
		return
	}
	if !value.Valid() {
		e.fail(name, fmt.Errorf("%q is not a word of the enum", string(value)))
	}
	e.text(name, string(value))
	e.end()
}

// Key returns the key, or ErrInvalidKey.
func (e *KeyEncoder) Key() (string, error) {
	if e.err != nil {
		return "", e.err
	}
	if e.n > MaxKeyLength {
		return "", wrapf(ErrInvalidKey, "%d bytes, more than %d", e.n, MaxKeyLength)
	}
	key := string(e.buf[:e.n])
	if key == reservedKey {
		return "", wrapf(ErrInvalidKey, "%q is reserved", key)
	}
	return key, nil
}

// KeyString is the text of a key for String methods: the key, or !invalid(…) with the reason.
func KeyString(key string, err error) string {
	if err != nil {
		return "!invalid(" + err.Error() + ")"
	}
	return key
}

// begin starts a parameter's token. It reports whether a value is wanted: false when a filter
// leaves the parameter open, and "*" stands for the whole token, affixes included.
func (e *KeyEncoder) begin() bool {
	e.dot()
	open := e.filter && e.isOpen()
	e.params++
	if open {
		e.write("*")
		e.prefix, e.suffix = "", ""
		return false
	}
	e.write(e.prefix)
	return true
}

func (e *KeyEncoder) end() {
	e.write(e.suffix)
	e.prefix, e.suffix = "", ""
}

func (e *KeyEncoder) dot() {
	if e.n > 0 {
		e.write(".")
	}
}

func (e *KeyEncoder) isOpen() bool {
	return e.params < maxParams && e.open[e.params/64]&(1<<(e.params%64)) != 0
}

func (e *KeyEncoder) text(name, value string) {
	if e.plain {
		if !validPlain(value) {
			e.fail(name, fmt.Errorf("%q is not one token of letters, digits and - / _ =", value))
		}
		e.write(value)
		return
	}
	if value == "" {
		e.write("=")
		return
	}
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(value); i++ {
		c := value[i]
		if isUnescaped(c) {
			if e.n < len(e.buf) {
				e.buf[e.n] = c
			}
			e.n++
			continue
		}
		e.writeBytes([]byte{'=', hex[c>>4], hex[c&15]})
	}
}

// write counts on past the end of the buffer, so that Key can tell the length that was asked for.
func (e *KeyEncoder) write(s string) {
	if e.n < len(e.buf) {
		copy(e.buf[e.n:], s)
	}
	e.n += len(s)
}

func (e *KeyEncoder) writeBytes(s []byte) {
	if e.n < len(e.buf) {
		copy(e.buf[e.n:], s)
	}
	e.n += len(s)
}

func (e *KeyEncoder) fail(name string, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("%w: parameter %s: %w", ErrInvalidKey, name, err)
	}
}

// isUnescaped reports whether c stands for itself in an escaped token.
func isUnescaped(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '/' || c == '_'
}

// validPlain reports whether s can be a token as it is.
func validPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isUnescaped(s[i]) && s[i] != '=' {
			return false
		}
	}
	return s != ""
}
