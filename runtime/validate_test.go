package kvrt_test

import (
	"fmt"
	"testing"

	kvrt "github.com/kvgen/kvgen/runtime"
)

type line struct{ Qty int }

func (l line) Validate() error {
	if l.Qty < 1 {
		return fmt.Errorf("qty: %d is below 1", l.Qty)
	}
	return nil
}

type shade string

func (s shade) Valid() bool { return s == "red" }

// Within a struct, generated code writes the path: lines[0].qty. Outside it reads alike.
func TestTheErrorOfAnElementNamesItsPath(t *testing.T) {
	validLine, validShade := line.Validate, kvrt.ValidateEnum[shade]
	for want, got := range map[string]error{
		`qty: 0 is below 1`:              kvrt.ValidatePointer(validLine)(&line{}),
		`[1].qty: 0 is below 1`:          kvrt.ValidateList(validLine)([]line{{1}, {0}}),
		`["a"].qty: 0 is below 1`:        kvrt.ValidateMap(validLine)(map[string]line{"a": {0}}),
		`[0].qty: -1 is below 1`:         kvrt.ValidateList(kvrt.ValidatePointer(validLine))([]*line{{-1}}),
		`["a"][1].qty: 0 is below 1`:     kvrt.ValidateMap(kvrt.ValidateList(validLine))(map[string][]line{"a": {{1}, {0}}}),
		`"blue" is not a word of shade`:  validShade("blue"),
		`[0]: "" is not a word of shade`: kvrt.ValidateList(validShade)([]shade{""}),
		`["k"][0]: "x" is not a word of shade`: kvrt.ValidateMap(kvrt.ValidatePointer(kvrt.ValidateList(validShade)))(
			map[string]*[]shade{"k": {"x"}}),
	} {
		if got == nil || got.Error() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	for _, err := range []error{
		kvrt.ValidateList(validLine)([]line{{1}}), kvrt.ValidateList(validLine)(nil), validShade("red"), kvrt.ValidatePointer(validLine)(nil),
		kvrt.ValidateMap(validShade)(map[string]shade{"a": "red"}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
