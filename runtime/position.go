// Position: where a watcher stands, for another process to go on from.

package kvrt

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a point in the life of a bucket. The zero Position is before everything. It marshals
// to text; the text is not to be taken apart.
type Position struct {
	incarnation incarnation // of the bucket: a bucket created again starts a new count
	sequence    uint64
}

const positionVersion = "1"

// String returns the position as text.
func (p Position) String() string {
	return positionVersion + "." + strconv.FormatInt(int64(p.incarnation), 36) + "." + strconv.FormatUint(p.sequence, 36)
}

// MarshalText returns the position as text.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Position) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ".")
	if len(parts) == 3 && parts[0] == positionVersion {
		i, err1 := strconv.ParseInt(parts[1], 36, 64)
		n, err2 := strconv.ParseUint(parts[2], 36, 64)
		if err1 == nil && err2 == nil {
			*p = Position{incarnation(i), n}
			return nil
		}
	}
	return fmt.Errorf("%q is not the position of a watcher", text)
}
