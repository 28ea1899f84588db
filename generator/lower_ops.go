// Operations: which methods an accessor has. What a bucket cannot do is not generated.

package generator

import "github.com/kvgen/kvgen/schema"

// ability is what a key allows in a bucket.
type ability struct {
	read, write bool
	singleton   bool
	history     bool // more than one revision of a key is kept
	ttl         bool // writes take a TTL
	strong      bool // linearizable reads
}

// abilityOps are the methods of all accessors that can do the same.
type abilityOps struct{ plain, txn []operation }

func (l *lowerer) accessor(b *schema.Bucket, k *schema.Key) accessor {
	access := b.AccessTo(k)
	can := ability{
		read:      access != schema.WriteOnly,
		write:     access != schema.ReadOnly,
		singleton: len(k.Params()) == 0,
		history:   b.History.Value > 1,
		ttl:       k.TTL.Value != 0 || k.TTLOptional,
		strong:    b.Linearizable.Value,
	}
	name := b.AccessorName(k)
	a := accessor{
		GoName: name + "KV", FieldName: k.FieldName, Bucket: b.ServerName.Value, Key: k.GoName, Pattern: k.Pattern.Text.Value,
		Singleton: can.singleton, Text: k.Description.Value, Value: l.typeRef(k.Value),
	}
	if can.read {
		a.CacheName = name + "Cache"
	}
	ops, known := l.ops[can]
	if !known {
		ops = abilityOps{operations(can), txnOperations(can)}
		l.ops[can] = ops
	}
	a.Ops = ops.plain
	if b.Transactions.Value {
		a.TxnName, a.TxnOps = name+"TxnKV", ops.txn
	}
	return a
}

// txnOperations lists the methods for what can be done within a transaction.
func txnOperations(can ability) []operation {
	var ops []operation
	add := func(op operation) {
		op.Pass, op.Call = op.Args, op.Name
		if can.singleton {
			op.Args = withoutKey(op.Args)
		}
		ops = append(ops, op)
	}
	if can.read {
		doc := "returns the entry under key, or kvrt.ErrNotFound."
		if can.singleton {
			doc = "returns the entry, or kvrt.ErrNotFound."
		}
		add(operation{Name: "Get", Doc: doc, Args: []argument{argKey}, Result: resultEntry})
	}
	if can.read && !can.singleton {
		add(operation{
			Name: "GetMany", Doc: "returns the entries under those of the keys that have a value.",
			Args: []argument{argKeys}, Result: resultEntryMap,
		})
	}
	if can.write {
		ttl, within := "", ""
		if can.ttl {
			ttl = "TTLOption"
			within = " kvrt.TTL says how long it lives."
		}
		add(operation{
			Name: "Put", Doc: "stores value, whatever was there before." + within,
			Args: []argument{argKey, argValue}, Options: ttl, Result: resultDone,
		})
		add(operation{
			Name: "Create", Doc: "stores value if there is none, else it returns kvrt.ErrExists." + within,
			Args: []argument{argKey, argValue}, Options: ttl, Result: resultDone,
		})
		add(operation{
			Name: "Update", Doc: "stores value if revision is the latest one, else it returns kvrt.ErrConflict." + within,
			Args: []argument{argKey, argValue, argRevision}, Options: ttl, Result: resultDone,
		})
		add(operation{
			Name: "Delete", Doc: "stores a marker that there is no value.",
			Args: []argument{argKey}, Result: resultDone,
		})
	}
	return ops
}

// operations lists the methods for what can be done.
func operations(can ability) []operation {
	var ops []operation
	add := func(op operation) {
		op.Pass = op.Args
		if can.singleton {
			op.Args = withoutKey(op.Args)
		}
		if op.Call == "" {
			op.Call = op.Name
		}
		ops = append(ops, op)
	}
	if can.read {
		readOp := operation{
			Name: "Get", Doc: "returns the entry under key, or kvrt.ErrNotFound.",
			Args: []argument{argKey}, Options: "ReadOption", Result: resultEntry,
		}
		if can.strong {
			readOp.Options, readOp.Call, readOp.Func = "StrongReadOption", "GetStrong", true
		}
		if can.singleton {
			readOp.Doc = "returns the entry, or kvrt.ErrNotFound."
		}
		add(readOp)
	}
	if can.read && !can.singleton {
		readMany := operation{
			Name: "GetMany", Doc: "returns the entries under those of the keys that have a value, up to 1,024 keys with one request\nand as of one moment, if they have 8 MB at most together. Keys that fail are\na *kvrt.BulkError, and the others are returned with it.",
			Args: []argument{argKeys}, Options: "ReadOption", Result: resultEntryMap,
		}
		if can.strong {
			readMany.Options, readMany.Call, readMany.Func = "StrongReadOption", "GetManyStrong", true
		}
		add(readMany)
		add(operation{
			Name: "Keys", Doc: "yields the keys that have a value and that the filter selects, each once. An error ends it.",
			Args: []argument{argFilter}, Result: resultKeys,
		})
		add(operation{
			Name: "List", Doc: "yields the entries that the filter selects, each key once. An error ends it, but for a value that\ncannot be decoded (kvrt.ErrDecode).",
			Args: []argument{argFilter}, Result: resultEntries,
		})
		add(operation{
			Name: "Count", Doc: "returns the number of keys that have a value and that the filter selects.",
			Args: []argument{argFilter}, Result: resultCount,
		})
		add(operation{
			Name: "Watch", Doc: "follows the keys that the filter selects. It is attached when it returns.",
			Args: []argument{argFilter}, Options: "WatchOption", Result: resultWatcher,
		})
		add(operation{
			Name: "Cache", Doc: "keeps a local copy of the entries that the filter selects. It returns when the first full copy is in.",
			Args: []argument{argFilter}, Options: "CacheOption", Result: resultCache,
		})
	}
	if can.read && can.singleton {
		add(operation{
			Name: "Watch", Doc: "follows the key. It is attached when it returns.",
			Args: []argument{argKey}, Options: "WatchOption", Result: resultWatcher, Call: "WatchKey", Func: true,
		})
		add(operation{
			Name: "Cache", Doc: "keeps a local copy of the entry. It returns when the first one is in.",
			Args: []argument{argKey}, Options: "CacheOption", Result: resultCache, Call: "CacheKey", Func: true,
		})
	}
	if can.read && can.history {
		add(operation{
			Name: "GetRevision", Doc: "returns what was written at a revision, a value or a marker, or kvrt.ErrNotFound.",
			Args: []argument{argKey, argRevision}, Result: resultEvent,
		})
		add(operation{
			Name: "History", Doc: "returns what the bucket keeps of the key, oldest first, markers included; none for an absent key.",
			Args: []argument{argKey}, Result: resultEvents,
		})
	}
	if can.write {
		ttl, within := "", ""
		if can.ttl {
			ttl = "TTLOption"
			within = " kvrt.TTL says how long it lives."
		}
		add(operation{
			Name: "Put", Doc: "stores value, whatever was there before." + within,
			Args: []argument{argKey, argValue}, Options: ttl, Result: resultRevision,
		})
		if !can.singleton {
			writeMany := operation{
				Name: "PutMany", Doc: "stores all entries, hundreds on their way at the same time, and returns how many it has written. It is not\natomic; a *kvrt.BulkError says what was not written." + within,
				Args: []argument{argEntrySeq}, Options: "BulkOption", Result: resultWritten,
			}
			if can.ttl {
				writeMany.Options, writeMany.Call, writeMany.Func = "TTLOption", "PutManyTTL", true
			}
			add(writeMany)
		}
		add(operation{
			Name: "Create", Doc: "stores value if there is none, else it returns kvrt.ErrExists." + within,
			Args: []argument{argKey, argValue}, Options: ttl, Result: resultRevised,
		})
		add(operation{
			Name: "Update", Doc: "stores value if revision is the latest one, else it returns kvrt.ErrConflict." + within,
			Args: []argument{argKey, argValue, argRevision}, Options: ttl, Result: resultRevised,
		})
		add(operation{
			Name: "Delete", Doc: "stores a marker that there is no value, and returns its revision.",
			Args: []argument{argKey}, Options: "DeleteOption", Result: resultRevised,
		})
		add(operation{
			Name: "Purge", Doc: "is Delete that removes older revisions as well.",
			Args: []argument{argKey}, Options: "DeleteOption", Result: resultRevised,
		})
	}
	if can.write && !can.singleton {
		add(operation{
			Name: "DeleteMany", Doc: "stores a marker under each key, as PutMany stores values.",
			Args: []argument{argKeySeq}, Options: "BulkOption", Result: resultCount,
		})
		add(operation{
			Name: "PurgeMany", Doc: "is DeleteMany that removes older revisions as well.",
			Args: []argument{argKeySeq}, Options: "BulkOption", Result: resultCount,
		})
	}
	if can.read && can.write {
		add(operation{
			Name: "Modify", Doc: "calls fn with the entry and stores the value that fn leaves in it, guarded by the revision read,\nand again while others write in between. fn may return kvrt.Skip or kvrt.Remove.",
			Args: []argument{argKey, argModify}, Options: "ModifyOption", Result: resultEntry,
		})
		add(operation{
			Name: "GetOrCreate", Doc: "returns the entry, or stores what fn returns if there is none.",
			Args: []argument{argKey, argMake}, Result: resultEntryMade,
		})
	}
	return ops
}

func withoutKey(args []argument) []argument {
	var out []argument
	for _, a := range args {
		if a != argKey {
			out = append(out, a)
		}
	}
	return out
}
