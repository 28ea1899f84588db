// Checks of constraints: that they fit the type of their field, and each other. Limits are rewritten as
// Go literals of the type.

package schema

import (
	"fmt"
	"math"
	"math/big"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// checkConstraints checks the constraints of one field.
func (c *checker) checkConstraints(f *File, field *Field) {
	e, con := field.Type, &field.Constraints
	if e == nil || e.Kind == NamedExpr && e.Named == nil {
		return
	}
	isString := e.Kind == BuiltinExpr && e.Builtin == "string"
	hasLength := isString || e.Kind == ListExpr || e.Kind == MapExpr || e.Kind == BuiltinExpr && e.Builtin == "bytes"
	number := numberKind(e)
	misplaced := func(name string, pos Pos, fits bool, applies string) bool {
		if pos.Line == 0 || fits {
			return pos.Line == 0
		}
		hint := name + " is for " + applies
		if e.Kind == PointerExpr {
			hint += "; instead of a pointer, use optional: true"
		}
		c.report(f, "invalid-constraint", pos, fmt.Sprintf("%s cannot apply to field %q: its type is %s", name, field.Name.Value, e.Text.Value), hint)
		return true
	}
	lo, hi := con.Min, con.Max
	if !misplaced("min", lo.Pos, number != noNumber, "numbers and durations") {
		con.Min = c.limit(f, field, "min", lo)
	}
	if !misplaced("max", hi.Pos, number != noNumber, "numbers and durations") {
		con.Max = c.limit(f, field, "max", hi)
	}
	if con.Min.IsSet() && con.Max.IsSet() && number != noNumber && con.Min.Value != "" && con.Max.Value != "" &&
		less(con.Max.Value, con.Min.Value) {
		c.report(f, "invalid-constraint", lo.Pos, fmt.Sprintf("min %s of field %q is above its max %s", lo.Value, field.Name.Value, hi.Value),
			"no value could be stored", related(f, hi.Pos, "max is here"))
	}
	lengths := "strings, bytes, lists and maps"
	minFits := !misplaced("min_len", con.MinLen.Pos, hasLength, lengths)
	maxFits := !misplaced("max_len", con.MaxLen.Pos, hasLength, lengths)
	if minFits && maxFits && con.MinLen.Value > con.MaxLen.Value {
		c.report(f, "invalid-constraint", con.MinLen.Pos,
			fmt.Sprintf("min_len %d of field %q is above its max_len %d", con.MinLen.Value, field.Name.Value, con.MaxLen.Value),
			"no value could be stored", related(f, con.MaxLen.Pos, "max_len is here"))
	}
	if !misplaced("pattern", con.Pattern.Pos, isString, "strings") {
		if n := len(con.Pattern.Value); n > maxRegexLength {
			c.report(f, "invalid-constraint", con.Pattern.Pos, fmt.Sprintf("pattern of field %q has %d bytes", field.Name.Value, n), fmt.Sprintf("it may have %d", maxRegexLength))
		} else if _, err := syntax.Parse(con.Pattern.Value, syntax.Perl); err != nil { // what regexp.Compile refuses

			c.report(f, "invalid-constraint", con.Pattern.Pos,
				fmt.Sprintf("pattern of field %q is not a regular expression: %s", field.Name.Value, strings.TrimPrefix(err.Error(), "error parsing regexp: ")),
				"write it in the syntax of RE2, as Go's package regexp has it")
		}
	}
}

// number is what a constraint's limit looks like.
type number int

const (
	noNumber number = iota
	wholeNumber
	floatNumber
	durationNumber
)

func numberKind(e *TypeExpr) number {
	switch {
	case e.Kind != BuiltinExpr:
		return noNumber
	case e.Builtin == "duration":
		return durationNumber
	case strings.HasPrefix(e.Builtin, "float"):
		return floatNumber
	case strings.HasPrefix(e.Builtin, "int"), strings.HasPrefix(e.Builtin, "uint"):
		return wholeNumber
	}
	return noNumber
}

// limit returns a min or max as a literal of the field's type; the value is empty if it is none.
func (c *checker) limit(f *File, field *Field, name string, raw Setting[string]) Setting[string] {
	typ := field.Type.Builtin
	none := Setting[string]{Pos: raw.Pos}
	refuse := func(problem, hint string) Setting[string] {
		c.report(f, "invalid-constraint", raw.Pos, fmt.Sprintf("%s %s of field %q %s", name, raw.Value, field.Name.Value, problem), hint)
		return none
	}
	switch numberKind(field.Type) {
	case durationNumber:
		d, ok := parseDuration(raw.Value)
		if !ok {
			return refuse("is not a duration", durationHint(raw.Value))
		}
		return Setting[string]{strconv.FormatInt(int64(d), 10), raw.Pos}
	case floatNumber:
		bits := 64
		if typ == "float32" {
			bits = 32
		}
		if spelling := decimalSpelling(raw.Value); spelling != "" {
			return refuse("is not a decimal number", "write "+spelling)
		}
		if !isFloatText(raw.Value) {
			return refuse("is not a number", "write it as 1.5, -2 or 1e6")
		}
		v, err := strconv.ParseFloat(raw.Value, bits)
		if err != nil || math.IsInf(v, 0) {
			return refuse("does not fit its type "+typ, "")
		}
		if v == 0 {
			v = 0 // not -0
			return Setting[string]{"0", raw.Pos}
		}
		return Setting[string]{strconv.FormatFloat(v, 'g', -1, bits), raw.Pos}
	}
	if spelling := decimalSpelling(raw.Value); spelling != "" {
		return refuse("is not a decimal number", "write "+spelling)
	}
	v, ok := new(big.Int).SetString(raw.Value, 10)
	if !ok || v.String() != raw.Value && raw.Value != "-0" {
		hint := "write a whole number"
		if isFloatText(raw.Value) {
			return refuse("is not a whole number, and its type is "+typ, hint+", or make the field a float64")
		}
		return refuse("is not a number", hint)
	}
	least, greatest := integerRange(typ)
	if v.Cmp(least) < 0 || v.Cmp(greatest) > 0 {
		return refuse("does not fit its type "+typ, fmt.Sprintf("%s holds %s to %s", typ, least, greatest))
	}
	return Setting[string]{v.String(), raw.Pos}
}

// decimalSpelling returns how a number that is not written in plain decimal is, or "".
func decimalSpelling(s string) string {
	sign, digits := "", s
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		sign, digits = "-", rest
	} else if rest, ok := strings.CutPrefix(s, "+"); ok {
		digits = rest
	}
	if strings.Contains(digits, "_") || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' && digits[1] != 'e' && digits[1] != 'E' || strings.HasPrefix(s, "+") {
		if strings.Trim(digits, "0123456789_") == "" {
			digits = strings.ReplaceAll(digits, "_", "")
			if digits = strings.TrimLeft(digits, "0"); digits == "" {
				return "0"
			}
			return sign + digits
		}
		if v, ok := new(big.Int).SetString(digits, 0); ok {
			return sign + v.String()
		}
	}
	return ""
}

// isFloatText reports whether s is a decimal number, perhaps with a fraction and an exponent.
func isFloatText(s string) bool {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || strings.HasSuffix(err.Error(), strconv.ErrRange.Error())
}

// integerRange returns the least and the greatest value of an integer type; int and uint have 64 bits.
func integerRange(typ string) (least, greatest *big.Int) {
	bits := 64
	if i := slices.Index([]string{"8", "16", "32"}, strings.TrimLeft(typ, "uint")); i >= 0 {
		bits = 8 << i
	}
	one := big.NewInt(1)
	if strings.HasPrefix(typ, "u") {
		return new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(one, uint(bits)), one)
	}
	half := new(big.Int).Lsh(one, uint(bits-1))
	return new(big.Int).Neg(half), new(big.Int).Sub(half, one)
}

// less compares two literals exactly.
func less(a, b string) bool {
	x, ok := new(big.Rat).SetString(a)
	y, also := new(big.Rat).SetString(b)
	return ok && also && x.Cmp(y) < 0
}
