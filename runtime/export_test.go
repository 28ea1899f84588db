package kvrt

// SelectionText shows a selection to the tests.
func SelectionText(s Selection) (string, error) { return s.pattern, s.err }
