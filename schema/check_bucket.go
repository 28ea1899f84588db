// Checks of buckets: settings that depend on each other, names on the server, and keys taken from
// another bucket.

package schema

import (
	"fmt"
	"strings"
)

// checkBuckets checks the buckets of a file and their keys.
func (c *checker) checkBuckets(f *File) {
	c.checkServerNames(f)
	buckets := map[string]*Bucket{}
	for _, b := range f.Buckets {
		buckets[b.Name.Value] = b
	}
	for _, b := range f.Buckets {
		c.resolveKeysFrom(f, b, buckets[b.KeysFromName.Value])
	}
	if !c.countAccessors(f) {
		return
	}
	for _, b := range f.Buckets {
		if c.of(f).full() {
			return
		}
		c.checkSettings(f, b)
		for _, k := range b.Keys {
			c.checkKey(f, b, k)
		}
		c.checkOverlap(f, b)
	}
	for _, b := range f.Buckets {
		for _, k := range b.AllKeys() {
			c.checkKeyTTL(f, b, k)
		}
	}
}

// checkServerNames reports buckets of the same name on the server. Names with parameters are the same
// if they differ in the names of the parameters only.
func (c *checker) checkServerNames(f *File) {
	first := map[string]*Bucket{}
	for _, b := range f.Buckets {
		var name strings.Builder
		for _, part := range b.NameParts {
			if part.Param != nil {
				name.WriteString("{}")
			}
			name.WriteString(part.Literal)
		}
		if name.Len() == 0 {
			continue
		}
		if other := first[name.String()]; other != nil {
			c.report(f, "duplicate-bucket-name", b.ServerName.Pos,
				fmt.Sprintf("buckets %q and %q are both %q on the server", other.Name.Value, b.Name.Value, b.ServerName.Value),
				"give one of them another name on the server with name:", related(f, other.ServerName.Pos, "the other bucket is here"))
			continue
		}
		first[name.String()] = b
	}
}

// countAccessors refuses a file that makes more code than anybody compiles. With keys_from, a short
// schema could make very much.
func (c *checker) countAccessors(f *File) bool {
	n := 0
	for _, b := range f.Buckets {
		if n += len(b.AllKeys()); n > maxAccessors {
			pos := b.Name.Pos
			if b.KeysFrom != nil {
				pos = b.KeysFromName.Pos
			}
			c.report(f, "file-size", pos, fmt.Sprintf("with bucket %q the file has more than %d keys; those that keys_from shares count in each bucket", b.Name.Value, maxAccessors), splitHint)
			return false
		}
	}
	return true
}

// resolveKeysFrom looks at the bucket whose keys another one shares; origin is the one it names.
func (c *checker) resolveKeysFrom(f *File, b, origin *Bucket) {
	name := b.KeysFromName
	if !name.IsSet() {
		return
	}
	fail := func(message, hint string, places ...Related) {
		c.report(f, "keys-from", name.Pos, message, hint, places...)
	}
	if origin != nil && origin != b && !origin.KeysFromName.IsSet() {
		if len(b.Keys) == 0 {
			b.KeysFrom = origin
		}
		return
	}
	var withKeys []string
	for _, other := range f.Buckets {
		if other != b && !other.KeysFromName.IsSet() {
			withKeys = append(withKeys, other.Name.Value)
		}
	}
	known := "no other bucket of the file has keys"
	if len(withKeys) > 0 {
		known = "buckets with keys are " + list(withKeys, "and")
	}
	switch {
	case origin == nil:
		fail(fmt.Sprintf("keys_from of bucket %q names %q, which is no bucket of the file", b.Name.Value, name.Value), didYouMean(name.Value, withKeys, known))
	case origin == b:
		fail(fmt.Sprintf("keys_from of bucket %q names the bucket itself", b.Name.Value), known)
	default:
		fail(fmt.Sprintf("keys_from of bucket %q names %q, which has no keys of its own", b.Name.Value, name.Value), known,
			related(f, origin.KeysFromName.Pos, "it takes its keys from another bucket"))
	}
}

// checkSettings checks the settings of a bucket against each other.
func (c *checker) checkSettings(f *File, b *Bucket) {
	if n := b.Replicas.Value; n == 2 || n == 4 {
		c.report(f, "even-replicas", b.Replicas.Pos,
			fmt.Sprintf("%d replicas of bucket %q survive the loss of no more servers than %d", n, b.Name.Value, n-1), "use 1, 3 or 5")
	}
	if b.Storage.Value == MemoryStorage && !b.MaxBytes.IsSet() {
		c.report(f, "memory-without-max-bytes", b.Storage.Pos,
			fmt.Sprintf("bucket %q is kept in memory, and nothing limits how much it takes", b.Name.Value), "add max_bytes: 64MiB")
	}
	if b.Mirror == nil {
		return
	}
	if len(b.Sources) > 0 {
		at, other := b.Sources[0].Pos, b.Mirror.Pos
		if at.Line < other.Line {
			at, other = other, at
		}
		c.report(f, "exclusive-fields", at, fmt.Sprintf("bucket %q has both mirror and sources", b.Name.Value),
			"a mirror copies one bucket; sources collect from several", related(f, other, "the other one is here"))
	}
	refuse := func(name string, pos Pos, why string) {
		c.report(f, "mirror-setting", pos, fmt.Sprintf("bucket %q is a mirror, which cannot have %s: %s", b.Name.Value, name, why),
			"remove it", related(f, b.Mirror.Pos, "the mirror is declared here"))
	}
	if b.LimitMarkerTTL.IsSet() {
		refuse("limit_marker_ttl", b.LimitMarkerTTL.Pos, "markers come with the copy")
	}
	if b.Transactions.Value {
		refuse("transactions", b.Transactions.Pos, "it is read only")
	}
	if b.Linearizable.Value {
		refuse("linearizable", b.Linearizable.Pos, "such a read writes the reserved key, and a mirror lags behind its origin")
	}
	if b.Access.IsSet() && b.Access.Value != ReadOnly {
		refuse("access: "+b.Access.Value.word(), b.Access.Pos, "it is read only")
	}
}

// word is an access as schemas write it.
func (a Access) word() string {
	switch a {
	case ReadOnly:
		return "read"
	case WriteOnly:
		return "write"
	}
	return "readwrite"
}

// checkKeyTTL checks the ttl of a key against a bucket that has the key.
func (c *checker) checkKeyTTL(f *File, b *Bucket, k *Key) {
	if !k.TTL.IsSet() && !k.TTLOptional {
		return
	}
	pos := k.TTL.Pos
	var places []Related
	if b.KeysFrom != nil {
		places = append(places, related(f, pos, "the ttl is here"))
		pos = b.KeysFromName.Pos
	}
	if b.History.Value > 1 {
		c.report(f, "history-ttl", pos,
			fmt.Sprintf("key %q has a ttl, but bucket %q has a history of %d: an expired value would bring an older one back", k.Name.Value, b.Name.Value, b.History.Value),
			"remove history, or move the key to a bucket without", append(places, related(f, b.History.Pos, "history is here"))...)
	}
	switch {
	case b.Mirror != nil && b.KeysFrom == nil:
		c.report(f, "mirror-setting", pos, fmt.Sprintf("key %q cannot have a ttl: bucket %q is a mirror, which is not written to", k.Name.Value, b.Name.Value),
			"remove it", related(f, b.Mirror.Pos, "the mirror is declared here"))
	case b.Mirror == nil && !b.LimitMarkerTTL.IsSet():
		if b.KeysFrom != nil && b.AccessTo(k) == ReadOnly {
			return
		}
		c.report(f, "marker-ttl-missing", pos,
			fmt.Sprintf("key %q has a ttl, but bucket %q has no limit_marker_ttl", k.Name.Value, b.Name.Value),
			"add limit_marker_ttl: 1h to the bucket; the server takes a TTL of a key only in such a bucket (2.11)", places...)
	}
}
