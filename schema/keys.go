// Which keys a bucket gives access to, and how: its own keys, or those of the bucket it takes
// them from.

package schema

// AllKeys returns the keys of the bucket, which with keys_from are those of the other bucket.
func (b *Bucket) AllKeys() []*Key {
	if b.KeysFrom != nil {
		return b.KeysFrom.Keys
	}
	return b.Keys
}

// AccessorName is what the Go names of the bucket's accessor of k, and of its cache, begin with. With
// keys_from it is the bucket's name, or its go_prefix, before the name that the key has there.
func (b *Bucket) AccessorName(k *Key) string {
	switch {
	case b.KeysFrom == nil:
		return k.GoName
	case b.GoPrefix.IsSet():
		return b.GoPrefix.Value + k.FieldName
	}
	return b.GoName + k.GoName
}

// AccessTo returns what an application does with key k in this bucket, after Check. A mirror is
// only read. With keys_from, an access of the bucket comes before one of the key, which was given
// for another bucket.
func (b *Bucket) AccessTo(k *Key) Access {
	switch {
	case b.Mirror != nil:
		return ReadOnly
	case b.KeysFrom == nil:
		return k.Access
	case b.Access.IsSet():
		return b.Access.Value
	case k.accessGiven.Line > 0:
		return k.Access
	}
	return ReadWrite
}
