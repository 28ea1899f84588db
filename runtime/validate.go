// Validation: generated types check themselves; these functions carry the check into lists, maps
// and pointers.

package kvrt

import (
	"fmt"
	"reflect"
)

// ValidateEnum refuses a word that the schema does not know.
func ValidateEnum[T Enum](value T) error {
	if !value.Valid() {
		return fmt.Errorf("%q is not a word of %s", string(value), reflect.TypeFor[T]().Name())
	}
	return nil
}

// ValidateList applies validate to each element.
func ValidateList[T any](validate func(T) error) func([]T) error {
	return func(values []T) error {
		for i, v := range values {
			if err := validate(v); err != nil {
				return fmt.Errorf("[%d]%s%w", i, pathJoint(reflect.TypeFor[T]()), err)
			}
		}
		return nil
	}
}

// ValidateMap applies validate to each value.
func ValidateMap[T any](validate func(T) error) func(map[string]T) error {
	return func(values map[string]T) error {
		for k, v := range values {
			if err := validate(v); err != nil {
				return fmt.Errorf("[%q]%s%w", k, pathJoint(reflect.TypeFor[T]()), err)
			}
		}
		return nil
	}
}

// pathJoint is what stands between the index of an element of type t and what its check says, so that
// together they read as a path: [0].lines[1].qty: 0 is below 1.
func pathJoint(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return "."
	case reflect.Slice, reflect.Map:
		return ""
	}
	return ": "
}

// ValidatePointer applies validate to what a pointer that is not nil points at.
func ValidatePointer[T any](validate func(T) error) func(*T) error {
	return func(value *T) error {
		if value == nil {
			return nil
		}
		return validate(*value)
	}
}
