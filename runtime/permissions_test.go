package kvrt_test

// What a client has to be allowed to do: the table of the package's documentation, held to its word.

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	kvrt "github.com/kvgen/kvgen/runtime"
	"github.com/kvgen/kvgen/runtime/kvtest"
)

// grants are the subjects that some operations publish to.
type grants struct {
	ops    string   // names, with commas
	need   []string // all of them
	either []string // one of them
	may    []string // without which it works as well, as told in without
	// without says what becomes of an operation without those in may.
	without string
}

const (
	streamInfo     = "$JS.API.STREAM.INFO.KV_BUCKET"
	streamCreate   = "$JS.API.STREAM.CREATE.KV_BUCKET"
	streamUpdate   = "$JS.API.STREAM.UPDATE.KV_BUCKET"
	streamPurge    = "$JS.API.STREAM.PURGE.KV_BUCKET"
	leaderRead     = "$JS.API.STREAM.MSG.GET.KV_BUCKET"
	directKey      = "$JS.API.DIRECT.GET.KV_BUCKET.$KV.BUCKET.KEY"
	directAny      = "$JS.API.DIRECT.GET.KV_BUCKET"
	consumerCreate = "$JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.FILTER"
	consumerKey    = "$JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.KEY"
	consumerAny    = "$JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.>"
	consumerNext   = "$JS.API.CONSUMER.MSG.NEXT.KV_BUCKET.*"
	consumerDelete = "$JS.API.CONSUMER.DELETE.KV_BUCKET.*"
	writeKey       = "$KV.BUCKET.KEY"
	writeReserved  = "$KV.BUCKET.=kvgen"

	leftConsumer = "the server keeps the consumer for a minute"
	foundLater   = "beside busy writers, the end of a listing or first copy is found later"
)

var permissions = []grants{
	{ops: "Open, Status, Drift, KeyValue", need: []string{streamInfo}},
	{ops: "Ensure", need: []string{streamInfo}},
	{ops: "Ensure that creates", need: []string{streamInfo, streamCreate}},
	{ops: "Ensure that changes", need: []string{streamInfo, streamUpdate}},
	{ops: "Get", need: []string{directKey}, may: []string{leaderRead},
		without: "with several replicas, a read may be older than a write of the same handle"},
	{ops: "Get with AtLeast", need: []string{directKey, streamInfo, leaderRead}, may: []string{directAny},
		without: "the leader is asked more often"},
	{ops: "Get with Linearizable", need: []string{writeReserved, directAny}},
	{ops: "GetRevision", either: []string{directAny, leaderRead}},
	{ops: "History, Watch of one key, Cache of one key", need: []string{streamInfo, consumerKey, consumerNext}, may: []string{consumerDelete, leaderRead, directAny}, without: leftConsumer},
	{ops: "Keys, List, Count, Watch, Cache", need: []string{streamInfo, consumerCreate, consumerNext}, may: []string{consumerDelete, leaderRead, directAny}, without: leftConsumer},
	{ops: "Watch of the bucket", need: []string{streamInfo, consumerAny, consumerNext}, may: []string{consumerDelete, leaderRead, directAny}, without: leftConsumer},
	{ops: "Compact", need: []string{streamInfo, consumerAny, consumerNext, streamPurge}, may: []string{consumerDelete, leaderRead, directAny}, without: leftConsumer},
	{ops: "Put, Delete, Purge", need: []string{writeKey}},
	{ops: "Update, Delete and Purge with IfRevision", need: []string{writeKey}, may: []string{leaderRead},
		without: "a write whose answer got lost may end as ErrUnknownOutcome"},
	{ops: "Create, GetOrCreate", need: []string{writeKey}, either: []string{leaderRead, directKey}},
	{ops: "Modify", need: []string{writeKey, directKey}, may: []string{leaderRead},
		without: "what ends without a write is decided on the answer of any replica"},
}

// called finds the operation of the error model that a name of the table stands for.
var called = map[string]string{
	"Get with Linearizable":            "Linearizable",
	"Watch of one key":                 "WatchKey",
	"Cache of one key":                 "CacheKey",
	"Watch of the bucket":              "WatchBucket",
	"Delete and Purge with IfRevision": "Delete-if",
}

// others are operations that the table tells apart and the error model does not.
var others = []operation{
	{name: "Ensure that creates", run: func(ctx context.Context, s *scene, _ orderKey) error {
		if err := s.adminJS.DeleteKeyValue(ctx, s.cfg.Name); err != nil {
			return err
		}
		_, err := kvrt.Ensure(ctx, s.js, s.cfg, bindShop)
		if _, again := kvrt.Ensure(ctx, s.adminJS, s.cfg, bindShop); again != nil {
			return again
		}
		return err
	}},
	{name: "Ensure that changes", run: func(ctx context.Context, s *scene, _ orderKey) error {
		cfg := s.cfg
		cfg.Description = fmt.Sprint(time.Now().UnixNano())
		_, err := kvrt.Ensure(ctx, s.js, cfg, bindShop)
		return err
	}},
	{name: "Get with AtLeast", run: func(ctx context.Context, s *scene, key orderKey) error {
		// Without an entry only the leader can tell how far it has got.
		_, err := s.admin.order.Purge(ctx, key)
		if err == nil {
			err = s.admin.b.Compact(ctx)
		}
		if err != nil {
			return err
		}
		if _, err = s.order.Get(ctx, key, kvrt.AtLeast(s.last)); errors.Is(err, kvrt.ErrNotFound) {
			return nil
		}
		return err
	}},
	{name: "Compact", run: func(ctx context.Context, s *scene, _ orderKey) error {
		if _, err := s.admin.order.Delete(ctx, orderKey{"marker", 1}); err != nil {
			return err
		}
		return s.b.Compact(ctx)
	}},
	{name: "Modify", run: func(ctx context.Context, s *scene, key orderKey) error {
		_, err := s.order.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil })
		return err
	}},
	{name: "Create", absent: true, run: func(ctx context.Context, s *scene, key orderKey) error {
		// Over a value, so that it has to look what is there.
		if _, err := s.admin.order.Put(ctx, key, order{}); err != nil {
			return err
		}
		_, err := s.order.Create(ctx, key, s.value)
		if errors.Is(err, kvrt.ErrExists) {
			return nil
		}
		return fmt.Errorf("over a value: %w", err)
	}},
	{name: "Update", run: func(ctx context.Context, s *scene, key orderKey) error {
		rev, err := s.admin.order.Put(ctx, key, order{})
		if err != nil {
			return err
		}
		_, err = s.order.Update(ctx, key, s.value, rev)
		return err
	}},
	{name: "Delete-if", run: func(ctx context.Context, s *scene, key orderKey) error {
		rev, err := s.admin.order.Put(ctx, key, order{})
		if err != nil {
			return err
		}
		if rev, err = s.order.Delete(ctx, key, kvrt.IfRevision(rev)); err == nil {
			_, err = s.order.Purge(ctx, key, kvrt.IfRevision(rev))
		}
		return err
	}},
}

// operationNamed returns the operation that the table calls so.
func operationNamed(t *testing.T, name string) operation {
	t.Helper()
	if n, ok := called[name]; ok {
		name = n
	}
	for _, op := range append(slices.Clone(others), operations...) {
		if op.name == name {
			return op
		}
	}
	t.Fatalf("no operation %q", name)
	return operation{}
}

func (g grants) names() []string { return strings.Split(g.ops, ", ") }

// all are the subjects of a line of the table, for the key and the filter of the test.
func (g grants) all() []string {
	return fill(slices.Concat(g.need, g.either, g.may))
}

func fill(subjects []string) []string {
	out := slices.Clone(subjects)
	for i := range out {
		out[i] = strings.NewReplacer("BUCKET", "SHOP", "KEY", "order.a.0", "FILTER", "order.*.*").Replace(out[i])
	}
	return out
}

// variant is a user who lacks something.
type variant struct {
	lacks  []string
	denied bool // the operation cannot do without
}

func (g grants) variants() []variant {
	out := []variant{{}}
	for _, subject := range fill(g.need) {
		out = append(out, variant{[]string{subject}, true})
	}
	for _, subject := range fill(append(slices.Clone(g.either), g.may...)) {
		out = append(out, variant{[]string{subject}, false})
	}
	if len(g.either) > 0 {
		out = append(out, variant{fill(g.either), true})
	}
	return out
}

func user(name string, publish, subscribe []string) *server.User {
	return &server.User{Username: name, Password: "x", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}}
}

func TestOperationsNeedThePermissionsOfTheReferenceAndNoOther(t *testing.T) {
	for _, g := range permissions {
		for _, name := range g.names() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				op, variants := operationNamed(t, name), g.variants()
				srv := kvtest.StartServer(t, func(o *server.Options) {
					o.Users = []*server.User{{Username: "admin", Password: "x"}}
					for i, v := range variants {
						allow := slices.DeleteFunc(g.all(), func(s string) bool { return slices.Contains(v.lacks, s) })
						if len(allow) == 0 {
							allow = []string{"nothing"} // an empty list allows everything
						}
						o.Users = append(o.Users, user(fmt.Sprint("user", i), allow, []string{"_INBOX.>"}))
					}
				})
				admin := srv.Connect(t, nats.UserInfo("admin", "x"))
				s := play(t, sceneConfig(), admin, admin)
				for i, v := range variants {
					s.become(t, srv, fmt.Sprint("user", i))
					if op.absent {
						if _, err := s.admin.order.Purge(s.ctx, s.key(0)); err != nil {
							t.Fatal(err)
						}
					}
					err := op.run(s.ctx, s, s.key(0))
					if v.denied && !errors.Is(err, kvrt.ErrPermission) || !v.denied && err != nil {
						t.Errorf("without %v: %v", v.lacks, err)
					}
					if v.denied && !slices.ContainsFunc(v.lacks, func(lacks string) bool { return strings.Contains(fmt.Sprint(err), prefixOf(lacks)) }) {
						t.Errorf("without %v, the error names something else: %v", v.lacks, err)
					}
				}
			})
		}
	}
}

// prefixOf is what a subject has before its first wildcard.
func prefixOf(subject string) string {
	before, _, _ := strings.Cut(subject, "*")
	return strings.TrimSuffix(before, ">")
}

// become binds the scene's bucket anew, as someone who may do everything, who then turns into a user.
func (s *scene) become(t *testing.T, srv *kvtest.Server, name string) {
	t.Helper()
	var who atomic.Value
	who.Store("admin")
	js := srv.Connect(t, quiet, nats.UserInfoHandler(func() (string, string) { return who.Load().(string), "x" }))
	bound, err := kvrt.Open(t.Context(), js, s.cfg, bindShop)
	if err != nil {
		t.Fatal(err)
	}
	who.Store(name)
	s.js, s.shop = js, bound
	s.reconnect(t, func() {
		if err := js.Conn().ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheReferenceOfPermissionsHasEveryOperation(t *testing.T) {
	listed := map[string]bool{"watching": true} // is Watch
	for _, g := range permissions {
		for _, name := range g.names() {
			listed[name], listed[called[name]] = true, true
		}
	}
	listed["AtLeast"] = listed["Get with AtLeast"]
	for _, op := range operations {
		if !listed[op.name] {
			t.Errorf("%s is not in the table", op.name)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "permissions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if table := referenceOfPermissions(); !strings.Contains(file.Doc.Text(), table) {
		t.Errorf("the comment of permissions.go does not have the table of this test:\n%s", table)
	}
}

// referenceOfPermissions is the table as the documentation has it.
func referenceOfPermissions() string {
	var b strings.Builder
	for _, g := range permissions {
		fmt.Fprintf(&b, "\t%s\n", g.ops)
		for _, subject := range g.need {
			fmt.Fprintf(&b, "\t    %s\n", subject)
		}
		if len(g.either) > 0 {
			fmt.Fprintf(&b, "\t    one of %s\n", strings.Join(g.either, "\n\t        or "))
		}
		for _, subject := range g.may {
			without := g.without
			if without == leftConsumer && subject != consumerDelete {
				without = foundLater
			}
			fmt.Fprintf(&b, "\t    (%s)\n\t        without it, %s\n", subject, without)
		}
	}
	return b.String()
}

func TestACustomInboxPrefixIsAllThatHasToBeSubscribedTo(t *testing.T) {
	srv := kvtest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "x"}, user("one", []string{">"}, []string{"_ME.one.>"})}
	})
	js := srv.Connect(t, quiet, nats.UserInfo("one", "x"), nats.CustomInboxPrefix("_ME.one"))
	s := play(t, sceneConfig(), srv.Connect(t, nats.UserInfo("admin", "x")), js).follow(t)
	for i, op := range operations {
		if op.name == "watching" {
			s.afterwards()
		}
		if err := op.run(s.ctx, s, s.key(i)); err != nil {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	// And with the usual prefix nothing works.
	js = srv.Connect(t, quiet, nats.UserInfo("one", "x"))
	if _, err := kvrt.Open(within(t, time.Minute), js, s.cfg, bindShop); !errors.Is(err, kvrt.ErrPermission) || !strings.Contains(err.Error(), "subscribe to _INBOX.") {
		t.Error(err)
	}
}

func TestOneTenantCanBeGrantedAndTheOthersNot(t *testing.T) {
	const own = "$KV.SHOP.order.acme.>"
	srv := kvtest.StartServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "x"}, user("acme", []string{
			own, "$JS.API.DIRECT.GET.KV_SHOP." + own, "$JS.API.CONSUMER.CREATE.KV_SHOP.*." + own,
			"$JS.API.STREAM.INFO.KV_SHOP", "$JS.API.CONSUMER.MSG.NEXT.KV_SHOP.*", "$JS.API.CONSUMER.DELETE.KV_SHOP.*",
		}, []string{"_INBOX.>"})}
	})
	ctx := within(t, time.Minute)
	admin := ensureShop(t, srv.Connect(t, nats.UserInfo("admin", "x")), shopConfig())
	put(t, admin, "other", 1, 1)
	acme, err := kvrt.Open(ctx, srv.Connect(t, quiet, nats.UserInfo("acme", "x")), shopConfig(), bindShop)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"acme", "other"} {
		key, all := orderKey{tenant, 1}, orderFilter{Tenant: &tenant}
		_, errPut := acme.order.Put(ctx, key, order{Total: 1})
		_, errModify := acme.order.Modify(ctx, key, func(e *kvrt.Entry[orderKey, order]) error { e.Value.Total++; return nil })
		_, errGet := acme.order.Get(ctx, key)
		n, errCount := acme.order.Count(ctx, all.selection())
		w, errWatch := acme.order.Watch(ctx, all.selection())
		if errWatch == nil {
			expect(t, w, "Put acme/1 2", "Synced")
			w.Stop()
		}
		for i, err := range []error{errPut, errModify, errGet, errCount, errWatch} {
			if tenant == "acme" && err != nil || tenant == "other" && !errors.Is(err, kvrt.ErrPermission) {
				t.Errorf("%s, operation %d: %v", tenant, i, err)
			}
		}
		if tenant == "acme" && n != 1 {
			t.Errorf("%d keys", n)
		}
	}
	if _, err := acme.order.Count(ctx, orderFilter{}.selection()); !errors.Is(err, kvrt.ErrPermission) {
		t.Errorf("all tenants: %v", err)
	}
}
