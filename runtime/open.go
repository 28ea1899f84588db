// Open and Ensure: from a declared configuration to a bound bucket.

package kvrt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"
)

// OpenOption is an option of the generated Open and Ensure functions.
type OpenOption func(*openOptions)

type openOptions struct {
	name      *string
	log       *slog.Logger
	intercept Interceptor
	allowLoss bool
}

// WithBucketName binds a bucket of another name than the schema declares: for tests, or one for
// each tenant. No name at all is ErrInvalidBucketName.
func WithBucketName(name string) OpenOption { return func(o *openOptions) { o.name = &name } }

// WithLogger logs what an operator may want to know: settings that differ from the schema, watches
// that had to attach again. Values are never logged. The default, and nil, is to log nothing.
func WithLogger(log *slog.Logger) OpenOption {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return func(o *openOptions) { o.log = log }
}

// WithInterceptor calls f around every operation on the bucket, for tracing and metrics. Of several
// interceptors the first is the outermost.
func WithInterceptor(f Interceptor) OpenOption {
	return func(o *openOptions) {
		outer := o.intercept
		if outer == nil {
			o.intercept = f
			return
		}
		o.intercept = func(ctx context.Context, call Call, next func(context.Context) error) error {
			return outer(ctx, call, func(ctx context.Context) error { return f(ctx, call, next) })
		}
	}
}

// AllowDataLoss lets Ensure make changes that delete stored data: a lower history, ttl or max_bytes.
func AllowDataLoss() OpenOption { return func(o *openOptions) { o.allowLoss = true } }

// Open binds to an existing bucket and returns what bind makes of it. It fails with ErrDrift if the
// bucket lacks what cfg relies on: history above 1, a TTL for each key, transactions, values as
// large as declared, being writable; if that is transactions, the error is ErrUnsupported as well.
// Other differences are logged. Generated code calls it.
func Open[B any](ctx context.Context, js jetstream.JetStream, cfg BucketConfig, bind func(*Bucket) B, opts ...OpenOption) (B, error) {
	return bound(ctx, js, cfg, "open", bind, opts, (*Bucket).open)
}

// Ensure creates the bucket, or changes an existing one to what cfg declares, and returns what bind
// makes of it. Settings that cfg does not name stay as they are. It changes nothing and fails with
// ErrDrift if a change would delete data (see AllowDataLoss) or is one that the server cannot make.
// Generated code calls it.
func Ensure[B any](ctx context.Context, js jetstream.JetStream, cfg BucketConfig, bind func(*Bucket) B, opts ...OpenOption) (B, error) {
	return bound(ctx, js, cfg, "ensure", bind, opts, (*Bucket).ensure)
}

func bound[B any](ctx context.Context, js jetstream.JetStream, cfg BucketConfig, op string, bind func(*Bucket) B,
	opts []OpenOption, attach func(*Bucket, context.Context, openOptions) error) (B, error) {
	o := openOptions{log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	if o.name != nil {
		cfg.Name = *o.name
	}
	b := &Bucket{
		conn: newConn(js), js: js, cfg: cfg,
		name: cfg.Name, stream: streamName(cfg.Name),
		log: o.log, intercept: o.intercept,
	}
	err := b.do(ctx, op, "", func(ctx context.Context) error {
		if err := checkBucketName(cfg.Name); err != nil {
			return err
		}
		return attach(b, ctx, o)
	})
	if err != nil {
		var none B
		return none, err
	}
	return bind(b), nil
}

func (b *Bucket) open(ctx context.Context, _ openOptions) error {
	if err := b.checkServer(false); err != nil {
		return err
	}
	info, err := b.info(ctx)
	if err != nil {
		return err
	}
	differences := b.cfg.differences(&info.Config)
	if err := driftError(differences, "the schema relies on it", func(d difference) bool { return d.missing }); err != nil {
		if b.cfg.Transactions && !info.Config.AllowAtomic {
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return err
	}
	for _, d := range differences {
		b.log.LogAttrs(ctx, slog.LevelWarn, "bucket differs from its schema", slog.String("bucket", b.name),
			slog.String("setting", d.Name), slog.String("declared", d.Declared), slog.String("live", d.Live))
	}
	b.bind(info)
	return nil
}

// rawInfo keeps the configuration as the server wrote it, with the fields that this package and
// nats.go do not know.
type rawInfo struct {
	streamInfo
	raw json.RawMessage
}

func (r *rawInfo) UnmarshalJSON(data []byte) error {
	var config struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return err
	}
	r.raw = config.Config
	return json.Unmarshal(data, &r.streamInfo)
}

func (b *Bucket) ensure(ctx context.Context, o openOptions) error {
	if err := b.checkServer(true); err != nil {
		return err
	}
	for wait := (backoff{}); ; {
		err := b.ensureOnce(ctx, o)
		// Someone else created or deleted it in between; or its deletion is still going on, which
		// the server answers with the general codes 10049 and 10069.
		var api *apiError
		retry := errors.As(err, &api) && (api.ErrCode == codeStreamNameInUse || api.ErrCode == codeStreamNotFound ||
			(api.ErrCode == codeCreateFailed || api.ErrCode == codeUpdateFailed) && wait.tries < 5)
		if !retry || !wait.sleep(ctx) {
			return err
		}
	}
}

func (b *Bucket) ensureOnce(ctx context.Context, o openOptions) error {
	live, err := apiCall[rawInfo](ctx, &b.conn, "STREAM.INFO."+b.stream, nil)
	if errors.Is(err, ErrBucketNotFound) {
		return b.create(ctx)
	}
	if err != nil {
		return err
	}
	differences := b.cfg.differences(&live.Config)
	if err := driftError(differences, "which the server cannot change", func(d difference) bool { return d.fixed }); err != nil {
		return err
	}
	if !o.allowLoss {
		if err := driftError(differences, "and changing it would delete data (AllowDataLoss permits that)", func(d difference) bool { return d.lossy }); err != nil {
			return err
		}
	}
	if len(differences) == 0 {
		b.bind(&live.streamInfo)
		return nil
	}
	config := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(live.raw))
	decoder.UseNumber() // sequences and sizes beyond 2^53 stay exact
	if err := decoder.Decode(&config); err != nil {
		return fmt.Errorf("the stream's configuration: %w", err)
	}
	apply(config, differences)
	for _, d := range differences {
		b.log.LogAttrs(ctx, slog.LevelInfo, "changing bucket", slog.String("bucket", b.name),
			slog.String("setting", d.Name), slog.String("from", d.Live), slog.String("to", d.Declared))
	}
	updated, err := apiCall[streamInfo](ctx, &b.conn, "STREAM.UPDATE."+b.stream, config)
	if err != nil {
		return err
	}
	return b.settle(&updated)
}

func (b *Bucket) create(ctx context.Context) error {
	config := newStream(b.name)
	live := liveStream{DuplicateWindow: defaultDuplicateWindow, Storage: FileStorage.String()}
	apply(config, b.cfg.differences(&live))
	if b.cfg.Mirror != nil {
		config["mirror"] = b.cfg.Mirror.stream()
		config["mirror_direct"] = true
		delete(config, "subjects")
	}
	created, err := apiCall[streamInfo](ctx, &b.conn, "STREAM.CREATE."+b.stream, config)
	if err != nil {
		return err
	}
	if created.Cluster != nil {
		// Its leader answered. The leader of the servers, who is asked what buckets there are, may learn of it later.
		for wait := (backoff{}); wait.tries < 10; {
			if _, err := b.info(ctx); !errors.Is(err, ErrBucketNotFound) || !wait.sleep(ctx) {
				break
			}
		}
	}
	return b.settle(&created)
}

// settle binds to a bucket just created or changed, unless the server ignored what it does not know.
func (b *Bucket) settle(info *streamInfo) error {
	ignored := driftError(b.cfg.differences(&info.Config), "", func(d difference) bool { return d.missing })
	if e, ok := errors.AsType[*DriftError](ignored); ok {
		return wrapf(ErrUnsupported, "server %s ignores the setting %s", b.nc.ConnectedServerVersion(), e.Settings[0].Name)
	}
	b.bind(info)
	return nil
}

// checkServer refuses a server that is known to be too old for what the schema asks, before
// anything is created there.
func (b *Bucket) checkServer(ensure bool) error {
	for _, n := range []struct {
		asked   bool
		feature string
		minor   int // of version 2
	}{
		{b.cfg.Transactions, "transactions", 12},
		{b.cfg.LimitMarkerTTL != 0 || b.cfg.KeyTTL, "limit_marker_ttl", 11},
		{b.cfg.Linearizable, "linearizable", 11},
		{len(b.cfg.Sources) > 0, "sources", 10}, // with transforms
		// The server ignores settings that it does not know. Readers and writers do not depend on these.
		{ensure && b.cfg.Compression != nil && *b.cfg.Compression, "compression", 10},
		{ensure && len(b.cfg.Metadata) > 0, "metadata", 10},
	} {
		if !n.asked {
			continue
		}
		if err := b.requires(n.feature, 2, n.minor); err != nil {
			return err
		}
	}
	return nil
}

// requires returns ErrUnsupported if the server is known to be older than a feature.
func (c *conn) requires(feature string, major, minor int) error {
	version := c.nc.ConnectedServerVersion()
	var gotMajor, gotMinor int
	if _, err := fmt.Sscanf(version, "%d.%d", &gotMajor, &gotMinor); err != nil {
		return nil // not connected, or a version of another form: the server's answers will tell
	}
	if gotMajor < major || gotMajor == major && gotMinor < minor {
		return wrapf(ErrUnsupported, "%s needs server %d.%d, this is %s", feature, major, minor, version)
	}
	return nil
}
