package kvrt_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// What a decoder complains about may end in a log, where data has no business.
func TestErrorsOfCodecsDoNotQuoteTheData(t *testing.T) {
	const secret = "se43cret"
	check := func(name string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if text := err.Error(); strings.Contains(text, "43") {
			t.Errorf("%s: %s", name, text)
		}
	}
	check("int", decodeError(kvrt.TextInt[int](), secret))
	check("int8", decodeError(kvrt.TextInt[int8](), "4343"))
	check("uint", decodeError(kvrt.TextUint[uint](), "-43"))
	check("uint8", decodeError(kvrt.TextUint[uint8](), "4343"))
	check("float", decodeError(kvrt.TextFloat[float64](), secret))
	check("float32", decodeError(kvrt.TextFloat[float32](), "43e43"))
	check("bool", decodeError(kvrt.TextBool[bool](), secret))
	check("time", decodeError(kvrt.TextTime(), secret))
	check("duration", decodeError(kvrt.TextDuration(), secret))
	check("raw JSON", decodeError(kvrt.RawJSON(), secret))
	check("JSON", decodeError(kvrt.JSON[struct{ N int8 }](), `{"N": 4343}`))
	check("JSON of another kind", decodeError(kvrt.JSON[struct{ N bool }](), `{"N": 43}`))
	check("what is not JSON", decodeError(kvrt.JSON[int](), secret))

	if err := decodeError(kvrt.TextInt[int8](), "4343"); !errors.Is(err, strconv.ErrRange) {
		t.Error(err)
	}
	if err := decodeError(kvrt.TextInt[int](), "x"); !errors.Is(err, strconv.ErrSyntax) {
		t.Error(err)
	}
}

func decodeError[T any](c kvrt.Codec[T], data string) error {
	_, err := c.Decode([]byte(data))
	return err
}
