// Selection: what a generated filter turns into.

package kvrt

// Selection is the set of keys that a filter selects, as a NATS subject within the bucket.
type Selection struct {
	pattern string // "order.acme.*"
	err     error
}

// Select announces the next parameter of a filter: a nil value leaves it open. It returns the value
// for the key struct whose encode method writes the filter.
func Select[T any](e *KeyEncoder, value *T) T {
	e.filter = true
	e.selects++
	if value == nil {
		e.setOpen()
		var none T
		return none
	}
	return *value
}

// SelectPath is Select for a path parameter: exactly a path, or all that is strictly below one.
func SelectPath(e *KeyEncoder, exact, below *Path) Path {
	e.filter = true
	e.selects++
	switch {
	case exact != nil && below != nil:
		e.err = wrapf(ErrInvalidKey, "a filter has both a path and a path prefix")
	case exact != nil:
		return *exact
	case below != nil && below.escaped == "":
		e.err = wrapf(ErrInvalidKey, "an empty path prefix")
	case below != nil:
		e.below = below.escaped
	}
	e.setOpen()
	return Path{}
}

// setOpen marks the parameter announced last.
func (e *KeyEncoder) setOpen() {
	if i := e.selects - 1; i < maxParams {
		e.open[i/64] |= 1 << (i % 64)
	}
}

// Selection returns the filter.
func (e *KeyEncoder) Selection() Selection {
	if e.err == nil && e.n > MaxKeyLength {
		e.err = wrapf(ErrInvalidKey, "a filter of %d bytes, more than %d", e.n, MaxKeyLength)
	}
	if e.err != nil {
		return Selection{err: e.err}
	}
	return Selection{pattern: string(e.buf[:e.n])}
}
