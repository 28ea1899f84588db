// Codecs: how values become bytes and back.

package kvrt

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Codec turns values into the bytes that are stored, and back. Its methods may be called by any
// number of goroutines. Decode must not keep or modify data; what it returns may share its memory.
type Codec[T any] interface {
	Encode(value T) ([]byte, error)
	Decode(data []byte) (T, error)
}

// JSON is encoding/json.
func JSON[T any]() Codec[T] { return new(jsonCodec[T]) }

type jsonCodec[T any] struct{}

// Encode passes a pointer, so that methods of *T within the value are found.
func (*jsonCodec[T]) Encode(value T) ([]byte, error) { return json.Marshal(&value) }

func (*jsonCodec[T]) Decode(data []byte) (T, error) {
	var value T
	err := json.Unmarshal(data, &value)
	if e, ok := err.(*json.UnmarshalTypeError); ok {
		e.Value, _, _ = strings.Cut(e.Value, " ") // the kind of it, not the number that is out of range
	}
	return value, err
}

// Raw stores strings and byte slices as they are.
func Raw[T ~string | ~[]byte]() Codec[T] { return rawCodec[T]{} }

type rawCodec[T ~string | ~[]byte] struct{}

func (rawCodec[T]) Encode(value T) ([]byte, error) { return []byte(value), nil }

func (rawCodec[T]) Decode(data []byte) (T, error) {
	if data == nil {
		data = []byte{}
	}
	return T(data), nil
}

// RawJSON stores JSON text as it is, and refuses what is not JSON.
func RawJSON() Codec[json.RawMessage] { return rawJSONCodec{} }

type rawJSONCodec struct{}

func (rawJSONCodec) Encode(value json.RawMessage) ([]byte, error) { return validJSON(value) }

func (rawJSONCodec) Decode(data []byte) (json.RawMessage, error) { return validJSON(data) }

func validJSON(data []byte) ([]byte, error) {
	if !json.Valid(data) {
		return nil, errors.New("not valid JSON")
	}
	return data, nil
}

// Binary is encoding.BinaryMarshaler and BinaryUnmarshaler, of T or of *T.
func Binary[T any, P interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}]() Codec[T] {
	return binaryCodec[T, P]{}
}

type binaryCodec[T any, P interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}] struct{}

func (binaryCodec[T, P]) Encode(value T) ([]byte, error) { return P(&value).MarshalBinary() }

func (binaryCodec[T, P]) Decode(data []byte) (T, error) {
	var value T
	err := P(&value).UnmarshalBinary(data)
	return value, err
}

// TextMarshaler is encoding.TextMarshaler and TextUnmarshaler, of T or of *T. Like all text codecs
// it ignores white space around the stored text, which command-line tools tend to add.
func TextMarshaler[T any, P interface {
	*T
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}]() Codec[T] {
	return textMarshalerCodec[T, P]{}
}

type textMarshalerCodec[T any, P interface {
	*T
	encoding.TextMarshaler
	encoding.TextUnmarshaler
}] struct{}

func (textMarshalerCodec[T, P]) Encode(value T) ([]byte, error) { return P(&value).MarshalText() }

func (textMarshalerCodec[T, P]) Decode(data []byte) (T, error) {
	var value T
	err := P(&value).UnmarshalText(bytes.TrimSpace(data))
	return value, err
}

// textCodec is a pair of functions over text without surrounding white space.
type textCodec[T any] struct {
	format func(T) string
	parse  func(string) (T, error)
}

func (c textCodec[T]) Encode(value T) ([]byte, error) { return []byte(c.format(value)), nil }

func (c textCodec[T]) Decode(data []byte) (T, error) { return c.parse(string(bytes.TrimSpace(data))) }

// TextString stores strings and enums as they are; reading ignores white space around them.
func TextString[T ~string]() Codec[T] {
	return textCodec[T]{
		func(v T) string { return string(v) },
		func(s string) (T, error) { return T(s), nil },
	}
}

// TextBool stores true or false.
func TextBool[T ~bool]() Codec[T] {
	return textCodec[T]{
		func(v T) string { return strconv.FormatBool(bool(v)) },
		func(s string) (T, error) {
			switch s {
			case "true":
				return true, nil
			case "false":
				return false, nil
			}
			return false, errors.New("neither true nor false")
		},
	}
}

// TextInt stores signed integers in decimal.
func TextInt[T ~int | ~int8 | ~int16 | ~int32 | ~int64]() Codec[T] {
	return textCodec[T]{
		func(v T) string { return strconv.FormatInt(int64(v), 10) },
		func(s string) (T, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			if err == nil && int64(T(n)) != n {
				err = strconv.ErrRange
			}
			return T(n), notNumber("an integer", err)
		},
	}
}

// TextUint stores unsigned integers in decimal.
func TextUint[T ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64]() Codec[T] {
	return textCodec[T]{
		func(v T) string { return strconv.FormatUint(uint64(v), 10) },
		func(s string) (T, error) {
			n, err := strconv.ParseUint(s, 10, 64)
			if err == nil && uint64(T(n)) != n {
				err = strconv.ErrRange
			}
			return T(n), notNumber("an unsigned integer", err)
		},
	}
}

// TextFloat stores floating-point numbers in the shortest form that reads back the same.
func TextFloat[T ~float32 | ~float64]() Codec[T] {
	bits := 64
	if T(1)+T(1)/(1<<40) == 1 {
		bits = 32
	}
	return textCodec[T]{
		func(v T) string { return strconv.FormatFloat(float64(v), 'g', -1, bits) },
		func(s string) (T, error) {
			f, err := strconv.ParseFloat(s, bits)
			return T(f), notNumber("a number", err)
		},
	}
}

// notNumber is an error of strconv's without the text that is no number.
func notNumber(what string, err error) error {
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		err = e.Err
	}
	if err != nil {
		return fmt.Errorf("not %s: %w", what, err)
	}
	return nil
}

// TextTime stores times in UTC as RFC 3339 with nanoseconds; reading takes any zone.
func TextTime() Codec[time.Time] { return textTimeCodec{} }

type textTimeCodec struct{}

func (textTimeCodec) Encode(value time.Time) ([]byte, error) {
	// AppendText refuses years that RFC 3339 cannot spell.
	return value.UTC().AppendText(nil)
}

func (textTimeCodec) Decode(data []byte) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, string(bytes.TrimSpace(data)))
	if err != nil {
		return time.Time{}, errors.New("not a time of RFC 3339") // err quotes the text
	}
	return t.UTC(), nil
}

// TextDuration stores durations as Go writes them: 1h30m0s.
func TextDuration() Codec[time.Duration] {
	return textCodec[time.Duration]{time.Duration.String, func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			err = errors.New("not a duration such as 1h30m") // err quotes the text
		}
		return d, err
	}}
}
