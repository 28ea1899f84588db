// BulkError: what became of the keys of a bulk operation that did not do all.

package kvrt

import (
	"fmt"
	"strings"
)

// BulkError is the error of GetMany, PutMany, DeleteMany and PurgeMany when something was not done. It
// lists the keys concerned by kind; what is not listed was done, and is returned with the error. In a
// sequence that was not read to its end (Cause), the entries after the last one read were not written
// either. errors.Is and errors.As find the errors of all keys.
type BulkError[K comparable] struct {
	Op     string // "get many", "put many", …
	Bucket string // name on the server

	NotWritten  []K // not written: the server refused, or could not be asked
	Unknown     []K // the answer got lost: may have been written, or may still be (ErrUnknownOutcome)
	Invalid     []K // refused before anything was sent: ErrInvalidKey, ErrInvalidValue, ErrTooLarge
	Undecodable []K // a value is there that this schema cannot read (ErrDecode)

	// Cause is why the operation ended before its last key, or nil.
	Cause error

	errs []error // of the keys, in the order in which they failed
	of   map[K]error
}

// ErrorOf returns the error of a key, or nil if it is not one of those listed.
func (e *BulkError[K]) ErrorOf(key K) error { return e.of[key] }

// Error counts the keys of each kind, and gives the first error.
func (e *BulkError[K]) Error() string {
	return bulkText(e.Op, e.Bucket, [...]int{
		notWritten: len(e.NotWritten), unknown: len(e.Unknown), invalid: len(e.Invalid), undecodable: len(e.Undecodable),
	}, e.first(), len(e.errs))
}

// first is the error that tells most: why the operation ended, or else that of the first key.
func (e *BulkError[K]) first() error {
	err := e.Cause
	if err == nil && len(e.errs) > 0 {
		err = e.errs[0]
	}
	if of, ok := err.(*Error); ok && of.Key == "" {
		return of.Err // the rest has been said
	}
	return err
}

// Unwrap returns Cause, if there is one, and the errors of the keys.
func (e *BulkError[K]) Unwrap() []error {
	if e.Cause == nil {
		return e.errs
	}
	return append([]error{e.Cause}, e.errs...)
}

// bulkKind is what became of a key.
type bulkKind int

const (
	notWritten bulkKind = iota
	unknown
	invalid
	undecodable
	bulkKinds
)

func bulkText(op, bucket string, counts [bulkKinds]int, first error, keys int) string {
	var parts []string
	for kind, name := range [...]string{"not written", "unknown", "invalid", "undecodable"} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], name))
		}
	}
	text := "kv " + op + " " + bucket
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if first != nil {
		text += ": " + first.Error()
	}
	if keys > 1 {
		text += fmt.Sprintf(" (and %d more)", keys-1)
	}
	return text
}

// addFailure adds a key.
func addFailure[K comparable](e *BulkError[K], key K, kind bulkKind, err error) {
	list := [...]*[]K{&e.NotWritten, &e.Unknown, &e.Invalid, &e.Undecodable}[kind]
	*list = append(*list, key)
	e.errs = append(e.errs, err)
	if e.of == nil {
		e.of = map[K]error{}
	}
	e.of[key] = err
}

// bulkResult returns the error, or nil if everything was done. cause is why not all keys had their turn.
func bulkResult[K comparable](e *BulkError[K], op, bucket string, cause error) error {
	if cause == nil && len(e.errs) == 0 {
		return nil
	}
	e.Op, e.Bucket, e.Cause = op, bucket, cause
	return e
}
