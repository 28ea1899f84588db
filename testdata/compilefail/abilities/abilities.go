// Package abilities uses what its buckets cannot do. The comment at the end of a line is what the
// compiler has to say about it.
package abilities

import (
	"context"
	"time"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/testdata/golden/everything"
)

func readOnlyKey(ctx context.Context, b *everything.MainBucket) {
	_, _ = b.Seen.Get(ctx)
	_, _ = b.Seen.Put(ctx, time.Time{}) // ERROR: b.Seen.Put undefined (type everything.SeenKV has no field or method Put)
	_, _ = b.Seen.Delete(ctx)           // ERROR: b.Seen.Delete undefined (type everything.SeenKV has no field or method Delete)
	_ = b.Seen.Modify                   // ERROR: b.Seen.Modify undefined (type everything.SeenKV has no field or method Modify)
}

func writeOnlyKey(ctx context.Context, b *everything.MainBucket, key everything.SinkKey) {
	_, _ = b.Sink.Put(ctx, key, 1)
	_, _ = b.Sink.Get(ctx, key) // ERROR: b.Sink.Get undefined (type everything.SinkKV has no field or method Get)
	_, _ = b.Sink.Watch(ctx)    // ERROR: b.Sink.Watch undefined (type everything.SinkKV has no field or method Watch)
	_ = b.Sink.GetOrCreate      // ERROR: b.Sink.GetOrCreate undefined (type everything.SinkKV has no field or method GetOrCreate)
	_ = b.Sink.Modify           // ERROR: b.Sink.Modify undefined (type everything.SinkKV has no field or method Modify)
	_ = b.Sink.Cache            // ERROR: b.Sink.Cache undefined (type everything.SinkKV has no field or method Cache)
	_ = b.Sink.List             // ERROR: b.Sink.List undefined (type everything.SinkKV has no field or method List)
}

func mirror(ctx context.Context, b *everything.CopyBucket, key everything.TreeKey) {
	_, _ = b.Tree.Get(ctx, key)
	_, _ = b.Tree.Put(ctx, key, "x") // ERROR: b.Tree.Put undefined (type everything.CopyTreeKV has no field or method Put)
	_, _ = b.Tree.Purge(ctx, key)    // ERROR: b.Tree.Purge undefined (type everything.CopyTreeKV has no field or method Purge)
}

func cachesAreForReadingOneKey(ctx context.Context, main *everything.MainBucket) {
	var cache *everything.TreeCache
	cache, _ = main.Tree.Cache(ctx, everything.TreeFilter{})
	_, _ = cache.Get(everything.BlobKey{})               // ERROR: cannot use everything.BlobKey{} (value of struct type everything.BlobKey) as everything.TreeKey value in argument to cache.Get
	_ = cache.Put                                        // ERROR: cache.Put undefined (type *everything.TreeCache has no field or method Put
	_, _ = main.Seen.Cache(ctx, everything.TreeFilter{}) // ERROR: cannot use everything.TreeFilter{} (value of struct type everything.TreeFilter) as kvrt.CacheOption value in argument to main.Seen.Cache
}

func noHistory(ctx context.Context, b *everything.ShortBucket, key everything.ShortNoteKey) {
	_, _ = b.Note.History(ctx, key)        // ERROR: b.Note.History undefined (type everything.ShortNoteKV has no field or method History)
	_, _ = b.Note.GetRevision(ctx, key, 1) // ERROR: b.Note.GetRevision undefined (type everything.ShortNoteKV has no field or method GetRevision)
}

func ttl(ctx context.Context, main *everything.MainBucket, short *everything.ShortBucket) {
	_, _ = short.Note.Put(ctx, everything.ShortNoteKey{}, "x", kvrt.TTL(time.Minute))
	_, _ = main.Tree.Put(ctx, everything.TreeKey{}, "x", kvrt.TTL(time.Minute)) // ERROR: too many arguments in call to main.Tree.Put
}

func linearizable(ctx context.Context, main *everything.MainBucket, short *everything.ShortBucket) {
	_, _ = main.Tree.Get(ctx, everything.TreeKey{}, kvrt.Linearizable())
	_, _ = short.Note.Get(ctx, everything.ShortNoteKey{}, kvrt.Linearizable()) // ERROR: cannot use kvrt.Linearizable() (value of interface type kvrt.StrongReadOption) as kvrt.ReadOption value in argument to short.Note.Get: kvrt.StrongReadOption does not implement kvrt.ReadOption
}

func transactions(b *everything.ShortBucket) {
	_ = b.Txn // ERROR: b.Txn undefined (type *everything.ShortBucket has no field or method Txn)
}

func withinTransactions(main *everything.MainTxn, hotel *everything.HotelTxn) {
	_ = hotel.Hold.Put(everything.HotelHoldKey{}, "x", kvrt.TTL(time.Minute))
	_ = hotel.Room.Put(everything.HotelRoomKey{}, "x", kvrt.TTL(time.Minute)) // ERROR: too many arguments in call to hotel.Room.Put
	_, _ = main.Seen.Get()
	_ = main.Seen.Put(time.Time{}) // ERROR: main.Seen.Put undefined (type everything.SeenTxnKV has no field or method Put)
	_ = main.Sink.Put(everything.SinkKey{}, 1)
	_ = main.Sink.Get       // ERROR: main.Sink.Get undefined (type everything.SinkTxnKV has no field or method Get)
	_ = main.Tree.Keys      // ERROR: main.Tree.Keys undefined (type everything.TreeTxnKV has no field or method Keys)
	_ = main.Colors.GetMany // ERROR: main.Colors.GetMany undefined (type everything.ColorsTxnKV has no field or method GetMany)
}
