package kvrt_test

// The error model: every operation under every failure. A failure lists what becomes of each
// operation, so that a new operation or a new failure does not pass before all its cells are filled.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// operation is a row of the model.
type operation struct {
	name   string // as failures list it
	op     string // Error.Op
	key    keyOf  // Error.Key
	absent bool   // its key has no value before
	run    func(ctx context.Context, s *scene, key orderKey) error
}

// keyOf tells what Error.Key is: the key, nothing, or the filter itself.
type keyOf string

const (
	theKey  keyOf = "the key"
	noKey   keyOf = ""
	pattern keyOf = "order.*.*"
)

var operations = []operation{
	{"Open", "open", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := kvrt.Open(ctx, s.js, s.cfg, bindShop, s.opts...)
		return err
	}},
	{"Status", "status", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := s.b.Status(ctx)
		return err
	}},
	{"Drift", "drift", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := s.b.Drift(ctx)
		return err
	}},
	{"KeyValue", "keyvalue", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := s.b.KeyValue(ctx)
		return err
	}},
	{"Compact", "compact", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		return s.b.Compact(ctx)
	}},
	{"Get", "get", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Get(ctx, key)
		return err
	}},
	{"AtLeast", "get", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Get(ctx, key, kvrt.AtLeast(s.last)) // of another key
		return err
	}},
	{"Linearizable", "get", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := kvrt.GetStrong(ctx, s.order, key, kvrt.Linearizable())
		return err
	}},
	{"GetRevision", "get revision", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.GetRevision(ctx, key, s.revision[key.ID])
		return err
	}},
	{"History", "history", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		events, err := s.order.History(ctx, key)
		for _, ev := range events {
			err = errors.Join(err, ev.Err)
		}
		return err
	}},
	{"Keys", "keys", pattern, false, func(ctx context.Context, s *scene, _ orderKey) error {
		return lastError(s.order.Keys(ctx, orderFilter{}.selection()))
	}},
	{"List", "list", pattern, false, func(ctx context.Context, s *scene, _ orderKey) error {
		return lastError(s.order.List(ctx, orderFilter{}.selection()))
	}},
	{"Count", "count", pattern, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := s.order.Count(ctx, orderFilter{}.selection())
		return err
	}},
	{"Watch", "watch", pattern, false, func(ctx context.Context, s *scene, _ orderKey) error {
		w, err := s.order.Watch(ctx, orderFilter{}.selection())
		if err != nil {
			return err
		}
		defer w.Stop()
		for ev := range w.Updates() {
			if ev.Err != nil || ev.Op == kvrt.Synced {
				return ev.Err
			}
		}
		return w.Err()
	}},
	{"WatchKey", "watch", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		w, err := kvrt.WatchKey(ctx, s.order, key)
		if err != nil {
			return err
		}
		defer w.Stop()
		for ev := range w.Updates() {
			if ev.Err != nil || ev.Op == kvrt.Synced {
				return ev.Err
			}
		}
		return w.Err()
	}},
	{"Cache", "cache", pattern, false, func(ctx context.Context, s *scene, _ orderKey) error {
		c, err := s.order.Cache(ctx, orderFilter{}.selection())
		if err != nil {
			return err
		}
		defer c.Close()
		for _, e := range c.All() {
			if e.Err() != nil {
				return e.Err()
			}
		}
		return nil
	}},
	{"CacheKey", "cache", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		c, err := kvrt.CacheKey(ctx, s.order, key)
		if err != nil {
			return err
		}
		defer c.Close()
		e, _ := c.Get()
		return e.Err()
	}},
	{"WatchBucket", "watch", ">", false, func(ctx context.Context, s *scene, _ orderKey) error {
		w, err := kvrt.WatchBucket[kvrt.BucketEvent](ctx, s.b, nil, s.order, s.counter)
		if err != nil {
			return err
		}
		defer w.Stop()
		for ev := range w.Updates() {
			switch ev := ev.(type) {
			case orderEvent:
				if ev.Err != nil {
					return ev.Err
				}
			case kvrt.ControlEvent:
				return nil
			}
		}
		return w.Err()
	}},
	// A watch that was attached before the failure. It ends, or it goes on.
	{"watching", "watch", pattern, false, func(_ context.Context, s *scene, _ orderKey) error {
		for ev := range s.watch.Updates() {
			if ev.Key.Tenant == "afterwards" {
				return ev.Err
			}
		}
		return s.watch.Err()
	}},
	{"Put", "put", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Put(ctx, key, s.value)
		return err
	}},
	{"Create", "create", theKey, true, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Create(ctx, key, s.value)
		return err
	}},
	{"Update", "update", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Update(ctx, key, s.value, s.revision[key.ID])
		return err
	}},
	{"Delete", "delete", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Delete(ctx, key)
		return err
	}},
	{"Delete-if", "delete", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Delete(ctx, key, kvrt.IfRevision(s.revision[key.ID]))
		return err
	}},
	{"Purge", "purge", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Purge(ctx, key)
		return err
	}},
	{"Modify", "modify", theKey, false, func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value = s.value; return nil })
		return err
	}},
	{"GetOrCreate", "get or create", theKey, true, func(ctx context.Context, s *scene, key orderKey) error {
		_, _, err := s.order.GetOrCreate(ctx, key, func() (order, error) { return s.value, nil })
		return err
	}},
	// The last one, since it makes a bucket that is gone.
	{"Ensure", "ensure", noKey, false, func(ctx context.Context, s *scene, _ orderKey) error {
		_, err := kvrt.Ensure(ctx, s.js, s.cfg, bindShop, s.opts...)
		return err
	}},
}

// lastError goes through a listing and returns the first error of it.
func lastError[T any](seq func(yield func(T, error) bool)) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// outcome is what becomes of some operations.
type outcome struct {
	ops   string  // names, "writes" and other groups among them
	is    []error // the sentinels that the error answers for, and no other; none for success
	also  []error // other errors in its chain
	retry bool
	says  string // in its message
	// It may depend on the moment at which the failure strikes:
	may    bool // the operation may as well succeed
	unsure bool // or its outcome be unknown
}

// sent is the outcome of a write whose answer does not come.
var sent = outcome{is: []error{kvrt.ErrUnknownOutcome, context.DeadlineExceeded}, says: "read the key before writing it again"}

// succeeds reports whether the operations must.
func (o outcome) succeeds() bool { return len(o.is) == 0 }

// sentinels are told apart: an error answers for what an outcome lists and for nothing else.
var sentinels = []error{
	kvrt.ErrNotFound, kvrt.ErrExists, kvrt.ErrConflict, kvrt.ErrUnavailable, kvrt.ErrBucketFull, kvrt.ErrContention,
	kvrt.ErrUnknownOutcome, kvrt.ErrInvalidKey, kvrt.ErrInvalidValue, kvrt.ErrInvalidRevision, kvrt.ErrInvalidBucketName,
	kvrt.ErrInvalidOption, kvrt.ErrDecode, kvrt.ErrTooLarge, kvrt.ErrBucketNotFound, kvrt.ErrDrift, kvrt.ErrIncomplete,
	kvrt.ErrPermission, kvrt.ErrUnsupported, kvrt.ErrCacheFull, kvrt.ErrCacheEnded, kvrt.ErrTxnEnded, context.Canceled, context.DeadlineExceeded,
}

// twins are errors of nats.go that an error must answer for together with its sentinel, and only then.
var twins = map[error]error{
	kvrt.ErrNotFound: jetstream.ErrKeyNotFound, kvrt.ErrExists: jetstream.ErrKeyExists,
	kvrt.ErrConflict: jetstream.ErrKeyRevisionMismatch, kvrt.ErrBucketNotFound: jetstream.ErrBucketNotFound,
	kvrt.ErrInvalidKey: jetstream.ErrInvalidKey,
}

// groups of operations, for outcomes.
var groups = map[string]string{
	"all":      "bucket reads listings watches watching writes",
	"bucket":   "Open Ensure Status Drift KeyValue Compact",
	"reads":    "Get AtLeast Linearizable GetRevision",
	"listings": "History Keys List Count",
	"watches":  "Watch WatchKey WatchBucket Cache CacheKey",
	"writes":   "values removals Modify GetOrCreate",
	"values":   "Put Create Update",
	"removals": "Delete Delete-if Purge",
}

// expand turns a list of names, groups and exceptions ("all -Open") into names.
func expand(list string) []string {
	var out []string
	for name := range strings.FieldsSeq(list) {
		if rest, ok := strings.CutPrefix(name, "-"); ok {
			for _, n := range expand(rest) {
				out = slices.DeleteFunc(out, func(s string) bool { return s == n })
			}
		} else if group, ok := groups[name]; ok {
			out = append(out, expand(group)...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

// cells assigns an outcome to every operation, and complains of gaps.
func cells(t *testing.T, outcomes []outcome) map[string]outcome {
	t.Helper()
	out := map[string]outcome{}
	for _, o := range outcomes {
		for _, name := range expand(o.ops) {
			if _, twice := out[name]; twice {
				t.Errorf("%s is listed twice", name)
			}
			if !slices.ContainsFunc(operations, func(op operation) bool { return op.name == name }) {
				t.Errorf("%s is no operation", name)
			}
			out[name] = o
		}
	}
	for _, op := range operations {
		if _, ok := out[op.name]; !ok {
			t.Errorf("the model does not say what becomes of %s", op.name)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return out
}

func TestErrorModel(t *testing.T) {
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			want := cells(t, f.want)
			s := f.arrange(t)
			results := make([]error, len(operations))
			var wg sync.WaitGroup
			s.begun.Store(0)
			s.strike(t)
			run := func(i int) {
				results[i] = operations[i].run(s.ctx, s, s.key(i))
				s.ended.Add(1)
			}
			last := len(operations) - 1
			if f.watchFirst {
				run(slices.IndexFunc(operations, func(op operation) bool { return op.name == "watching" }))
			}
			for i, op := range operations {
				if f.together || op.name == "watching" && !f.watchFirst {
					wg.Go(func() { run(i) })
				} else if i < last && op.name != "watching" {
					run(i)
				}
			}
			if f.heal != nil {
				f.heal(t, s)
			}
			s.afterwards()
			wg.Wait()
			if !f.together {
				run(last)
			}
			for i, op := range operations {
				want[op.name].check(t, op, s, s.key(i), results[i])
			}
		})
	}
}

// check compares the error of an operation with what the model says.
func (o outcome) check(t *testing.T, op operation, s *scene, key orderKey, err error) {
	t.Helper()
	if o.unsure && errors.Is(err, kvrt.ErrUnknownOutcome) {
		o = sent
	}
	complain := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %s\n\t%v", op.name, fmt.Sprintf(format, args...), err)
	}
	if err == nil && (o.succeeds() || o.may) {
		return
	}
	if o.succeeds() {
		complain("it must succeed")
		return
	}
	for _, sentinel := range sentinels {
		if got, want := errors.Is(err, sentinel), slices.Contains(o.is, sentinel); got != want {
			complain("answers for %q: %v", sentinel, got)
		}
		if twin := twins[sentinel]; twin != nil && errors.Is(err, twin) != slices.Contains(o.is, sentinel) {
			complain("does not agree with its twin on %q", sentinel)
		}
	}
	for _, other := range o.also {
		if !errors.Is(err, other) {
			complain("%q is not in its chain", other)
		}
	}
	if kvrt.Retryable(err) != o.retry {
		complain("Retryable is %v", !o.retry)
	}
	if !strings.Contains(fmt.Sprint(err), o.says) {
		complain("does not say %q", o.says)
	}
	var e *kvrt.Error
	if !errors.As(err, &e) {
		complain("is no *kvrt.Error")
		return
	}
	wantKey := string(op.key)
	name, invalid := key.Encode()
	if op.key == theKey {
		wantKey = name
	}
	if decode := (*kvrt.DecodeError)(nil); op.key != theKey && errors.As(err, &decode) {
		wantKey = decode.Key // the key of the value, not the filter
	}
	if invalid != nil {
		wantKey = "" // there is none
	}
	if e.Op != op.op || e.Bucket != s.cfg.Name || e.Key != wantKey {
		complain("names %q, %q, %q; want %q, %q, %q", e.Op, e.Bucket, e.Key, op.op, s.cfg.Name, wantKey)
	}
}

// manualDeadline is a context whose deadline passes when the test says so.
type manualDeadline struct {
	context.Context
	done chan struct{}
}

func newDeadline(t *testing.T) (ctx manualDeadline, pass func()) {
	ctx = manualDeadline{t.Context(), make(chan struct{})}
	pass = sync.OnceFunc(func() { close(ctx.done) })
	t.Cleanup(pass)
	return ctx, pass
}

func (c manualDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c manualDeadline) Done() <-chan struct{}       { return c.done }

func (c manualDeadline) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
