// Validation: generated types check themselves; these functions carry the check into lists, maps
// and pointers.

package kvrt

import "fmt"

// ValidateEnum refuses a word that the schema does not know.
func ValidateEnum[T Enum](value T) error {
	if !value.Valid() {
		return fmt.Errorf("%q is not a word of the enum", string(value))
	}
	return nil
}

// ValidateList applies validate to each element.
func ValidateList[T any](validate func(T) error) func([]T) error {
	return func(values []T) error {
		for i, v := range values {
			if err := validate(v); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
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
				return fmt.Errorf("[%q]: %w", k, err)
			}
		}
		return nil
	}
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
