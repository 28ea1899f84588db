// Package keys uses keys and values of the wrong type. The comment at the end of a line is what the
// compiler has to say about it.
package keys

import (
	"context"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/testdata/golden/everything"
)

func singleton(ctx context.Context, b *everything.MainBucket) {
	_, _ = b.Color.Get(ctx)
	_, _ = b.Color.Get(ctx, everything.ColorKey{}) // ERROR: cannot use everything.ColorKey{} (value of struct type everything.ColorKey) as kvrt.StrongReadOption value in argument to b.Color.Get: everything.ColorKey does not implement kvrt.StrongReadOption
	_ = b.Color.List                               // ERROR: b.Color.List undefined (type everything.ColorKV has no field or method List)
	_ = b.Color.Keys                               // ERROR: b.Color.Keys undefined (type everything.ColorKV has no field or method Keys)
	_ = b.Color.Count                              // ERROR: b.Color.Count undefined (type everything.ColorKV has no field or method Count)
	_ = b.Color.PutMany                            // ERROR: b.Color.PutMany undefined (type everything.ColorKV has no field or method PutMany)
}

func otherPattern(ctx context.Context, b *everything.MainBucket, key everything.TreeKey) {
	_, _ = b.Blob.Get(ctx, key)                     // ERROR: cannot use key (variable of struct type everything.TreeKey) as everything.BlobKey value in argument to b.Blob.Get
	_, _ = b.Tree.Put(ctx, key, 7)                  // ERROR: cannot use 7 (untyped int constant) as string value in argument to b.Tree.Put
	_ = b.Tree.List(ctx, everything.BlobFilter{})   // ERROR: cannot use everything.BlobFilter{} (value of struct type everything.BlobFilter) as everything.TreeFilter value in argument to b.Tree.List
	_ = everything.AffixKey{ID: "7"}                // ERROR: cannot use "7" (untyped string constant) as uint64 value in struct literal
	_, _ = everything.OpenMain(ctx, nil)            // ERROR: not enough arguments in call to everything.OpenMain
	var _ everything.ShortBucketEvent = kvrt.Path{} // ERROR: cannot use kvrt.Path{} (value of struct type kvrt.Path) as everything.ShortBucketEvent value in variable declaration: kvrt.Path does not implement everything.ShortBucketEvent
}
