// Errors: the sentinels an application tests for, and the one struct that carries them.

package kvrt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The sentinels. Test for them with errors.Is; Retryable tells which of them may pass by
// trying again.
var (
	// ErrNotFound: there is no value under the key; it was never written, or was deleted, purged or has expired.
	ErrNotFound = twin("key not found", jetstream.ErrKeyNotFound)
	// ErrExists: Create found a live value.
	ErrExists = twin("key exists", jetstream.ErrKeyExists)
	// ErrConflict: the revision given is not the latest of the key, or the key is absent.
	// Error.Revision is the latest revision where the server told it.
	ErrConflict = twin("revision conflict", jetstream.ErrKeyRevisionMismatch)
	// ErrUnavailable: no leader, no server or no connection; nothing was written.
	ErrUnavailable = errors.New("bucket unavailable")
	// ErrBucketFull: the limit of the bucket (max_bytes) or of its account or server is reached; nothing was written.
	ErrBucketFull = errors.New("bucket full")
	// ErrContention: Modify or Txn gave up after its attempts (MaxAttempts).
	ErrContention = errors.New("too much contention")
	// ErrUnknownOutcome: the write may or may not have landed, and reading back could not tell.
	ErrUnknownOutcome = errors.New("outcome of the write is unknown, read the key before writing it again")
	// ErrInvalidKey: the key cannot be encoded, or a text is not the key of a pattern. Nothing was sent.
	ErrInvalidKey = twin("invalid key", jetstream.ErrInvalidKey)
	// ErrInvalidValue: the value breaks a constraint of the schema or cannot be encoded. Nothing was sent.
	ErrInvalidValue = errors.New("invalid value")
	// ErrInvalidRevision: revision 0, which no entry has. Nothing was sent.
	ErrInvalidRevision = errors.New("invalid revision")
	// ErrInvalidBucketName: the name, or a parameter of it, has characters a bucket name cannot have.
	ErrInvalidBucketName = twin("invalid bucket name", jetstream.ErrInvalidBucketName)
	// ErrInvalidOption: an option that does not fit the call. Nothing was sent.
	ErrInvalidOption = errors.New("invalid option")
	// ErrDecode: a stored value that this schema cannot read; errors.As to *DecodeError gives its bytes.
	ErrDecode = errors.New("value cannot be decoded")
	// ErrTooLarge: key, value and headers are over the bucket's or the server's limit.
	ErrTooLarge = errors.New("value too large")
	// ErrBucketNotFound: no bucket of that name.
	ErrBucketNotFound = twin("bucket not found", jetstream.ErrBucketNotFound)
	// ErrDrift: the live bucket lacks what the schema relies on, or cannot be changed to what it declares;
	// errors.As to *DriftError lists the settings.
	ErrDrift = errors.New("bucket differs from its schema")
	// ErrIncomplete: a listing, history or initial copy ended before its end.
	ErrIncomplete = errors.New("incomplete result")
	// ErrPermission: the server refused the subject named in the message.
	ErrPermission = errors.New("permission denied")
	// ErrUnsupported: the server is too old for what was asked, or the bucket does not allow it.
	ErrUnsupported = errors.New("not supported by the server")
	// ErrCacheFull: what a cache is to hold is more than MaxEntries.
	ErrCacheFull = errors.New("cache full")
	// ErrCacheEnded: the cache was closed, and learns of nothing any more.
	ErrCacheEnded = errors.New("cache has ended")
	// ErrTxnEnded: a transaction was used after its function had returned.
	ErrTxnEnded = errors.New("transaction has ended")
)

// twinError is a sentinel that also answers for the error nats.go uses for the same thing.
type twinError struct {
	text string
	twin error
}

func twin(text string, other error) error { return &twinError{text, other} }

func (e *twinError) Error() string { return e.text }

// Is answers for the twin by identity, not through errors.Is: jetstream.ErrKeyExists is also every
// error of code 10071, so the other direction would call an Update conflict "exists".
func (e *twinError) Is(target error) bool { return target == e.twin }

// Error is the error of every operation.
type Error struct {
	Op       string // "get", "put", "update", …
	Bucket   string // name on the server
	Key      string // as NATS sees it; empty for operations on the whole bucket
	Revision uint64 // of the entry concerned: the latest one of an ErrConflict, the marker's of a deleted key; 0 if not known
	Err      error  // wraps one of the sentinels, or a context's error
}

// Error reads like `kv get ORDERS/order.acme.7: key not found`.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("kv ")
	b.WriteString(e.Op)
	if e.Bucket != "" {
		b.WriteByte(' ')
		b.WriteString(e.Bucket)
	}
	if e.Key != "" {
		b.WriteByte('/')
		b.WriteString(e.Key)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.Revision > 0 && errors.Is(e.Err, ErrConflict) {
		fmt.Fprintf(&b, " (the latest revision is %d)", e.Revision)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// DecodeError tells what could not be decoded. It is in the chain of every ErrDecode.
type DecodeError struct {
	Key      string // as NATS sees it
	Revision uint64
	Data     []byte // the stored bytes; not to be modified
	Err      error  // of the codec
}

// Error names the revision and what the codec says, not the data. The codecs of this package do not
// quote it either; a type's own UnmarshalJSON or UnmarshalText may, as that of time.Time does.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%v (revision %d, %d bytes): %v", ErrDecode, e.Revision, len(e.Data), e.Err)
}

// Unwrap returns ErrDecode and the codec's error.
func (e *DecodeError) Unwrap() []error { return []error{ErrDecode, e.Err} }

// DriftError lists the settings in which the live bucket differs from the schema, in a way that
// stops Open or Ensure. It is in the chain of every ErrDrift.
type DriftError struct {
	Settings []Setting
	Reason   string    // why these stop the call: "the schema relies on it", …
	Others   []Setting // that differ too, and would not stop it
}

// Error names each setting with both values.
func (e *DriftError) Error() string {
	var b strings.Builder
	b.WriteString(ErrDrift.Error())
	b.WriteString(", ")
	b.WriteString(e.Reason)
	writeSettings(&b, e.Settings)
	if len(e.Others) > 0 {
		b.WriteString("; and beside that")
		writeSettings(&b, e.Others)
	}
	return b.String()
}

func writeSettings(b *strings.Builder, settings []Setting) {
	for i, s := range settings {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(s.String())
	}
}

// Unwrap returns ErrDrift.
func (e *DriftError) Unwrap() error { return ErrDrift }

// Retryable reports whether the same call may succeed when it is made again later: the error is
// ErrUnavailable, ErrContention, ErrIncomplete or a deadline before anything was written. After
// ErrUnknownOutcome a repeated write may write twice, and after ErrConflict the entry must be read
// first, so neither is retryable. Nor is what was refused or is gone, however far it got before.
func Retryable(err error) bool {
	switch {
	case err == nil, errors.Is(err, ErrUnknownOutcome), errors.Is(err, ErrPermission), errors.Is(err, ErrBucketNotFound):
		return false
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrContention), errors.Is(err, ErrIncomplete):
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// wrapf gives a sentinel a detail: "permission denied: publish to $KV.ORDERS.a".
func wrapf(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{sentinel}, args...)...)
}

// apiError is the error part of a JetStream API response.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`

	unplaced bool // insufficient resources for a consumer: no server that has the stream can take it now
}

// Codes of JetStream API errors, from the server's errors.json.
const (
	codeAccountResources       = 10002
	codeNotAssigned            = 10007
	codeNotLeader              = 10009
	codeInsufficientResources  = 10023
	codeMaximumConsumers       = 10026 // of the stream or the account
	codeMessageNotFound        = 10037
	codeNotEnabledForAccount   = 10039
	codeStorageExceeded        = 10047
	codeCreateFailed           = 10049 // also right after a deletion of the same name
	codeUpdateFailed           = 10069 // also during a deletion, of files that are gone (2.15)
	codeMessageExceedsMaximum  = 10054
	codeStreamNameInUse        = 10058
	codeStreamNotFound         = 10059
	codeWrongLastSequence      = 10071
	codeNotEnabled             = 10076
	codeStoreFailed            = 10077
	codeStreamOffline          = 10118 // the servers that have it are
	codeConsumerOffline        = 10119
	codeMaxBytesExceeded       = 10122
	codeInactiveThreshold      = 10153 // of a consumer, beyond the stream's consumer_limits
	codeMessageTTLInvalid      = 10165
	codeMessageTTLDisabled     = 10166
	codeWrongLastSequenceConst = 10164 // R3 answers either of the two
	codeRollupFailed           = 10111 // the stream does not allow it
	codeBatchDisabled          = 10174
	codeBatchIncomplete        = 10176
	codeRequiredAPILevel       = 10185
	codeBatchTooLarge          = 10199
	codeBatchTooMany           = 10210 // open at the same time
)

// Error gives the sentinel's text and the server's.
func (e *apiError) Error() string {
	text := fmt.Sprintf("%s (%d)", e.Description, e.ErrCode)
	if advice := e.advice(); advice != "" {
		text += ": " + advice
	}
	if sentinel := e.Unwrap(); sentinel != nil {
		return sentinel.Error() + ": " + text
	}
	return text
}

// advice says what to do about the error, where the server's text does not.
func (e *apiError) advice() string {
	if e.unplaced {
		return "are the bucket's servers up?"
	}
	switch e.ErrCode {
	case codeStreamNotFound:
		return "Ensure creates it"
	case codeNotEnabledForAccount:
		return "enable JetStream for the account, or connect as a user of one that has it"
	case codeAccountResources, codeInsufficientResources, codeStorageExceeded:
		return "raise the limits of the account or the server"
	case codeMaximumConsumers:
		return "raise max_consumers of the bucket's stream or the account, or watch and list less at the same time"
	case codeMaxBytesExceeded, codeStoreFailed:
		if e.Unwrap() == ErrBucketFull {
			return "raise max_bytes, or Compact the bucket, since markers of deleted keys take room"
		}
	case codeMessageTTLDisabled:
		return "the bucket needs limit_marker_ttl"
	case codeRollupFailed:
		return "the bucket needs allow_rollup_hdrs, or Delete in the place of Purge"
	}
	return ""
}

// Unwrap returns the sentinel for the server's code, or nil.
func (e *apiError) Unwrap() error {
	if e.unplaced {
		return ErrUnavailable
	}
	switch e.ErrCode {
	case codeWrongLastSequence, codeWrongLastSequenceConst:
		return ErrConflict
	case codeMessageNotFound:
		return ErrNotFound
	case codeStreamNotFound:
		return ErrBucketNotFound
	case codeMessageExceedsMaximum, codeBatchTooLarge:
		return ErrTooLarge
	case codeAccountResources, codeInsufficientResources, codeStorageExceeded, codeMaxBytesExceeded:
		return ErrBucketFull
	case codeStoreFailed:
		// The store's own complaint is in the text: "maximum bytes exceeded".
		if strings.Contains(e.Description, "maximum") {
			return ErrBucketFull
		}
		return ErrUnavailable
	case codeMessageTTLDisabled, codeMessageTTLInvalid, codeRequiredAPILevel, codeBatchDisabled, codeRollupFailed:
		return ErrUnsupported
	}
	if e.Code == 503 || e.ErrCode == codeMaximumConsumers || e.elsewhere() {
		return ErrUnavailable
	}
	return nil
}

// elsewhere reports whether the server that can do it is another one, or is down.
func (e *apiError) elsewhere() bool {
	switch e.ErrCode {
	case codeNotAssigned, codeNotLeader, codeStreamOffline, codeConsumerOffline:
		return true
	}
	return false
}

// passing reports whether the same request may succeed a moment later: no leader, store busy.
func (e *apiError) passing() bool {
	switch e.ErrCode {
	case codeNotEnabled, codeNotEnabledForAccount, codeConsumerOffline: // which stays so for as long as its server is down
		return false
	}
	return e.Unwrap() == ErrUnavailable
}

// withoutJetStream reports whether err says that the server or the account has no JetStream.
func withoutJetStream(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && (e.ErrCode == codeNotEnabled || e.ErrCode == codeNotEnabledForAccount)
}

// passing reports whether err says that there is no leader for now, or that the connection broke.
func passing(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.passing() || errors.Is(err, nats.ErrNoResponders) || unsent(err)
}

// unsent reports whether err is of a message that could not be written to the connection whole, so that
// the server has not got it: nats.go (1.55, natsWriter.flush) then leaves what is not written.
func unsent(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok || errors.Is(err, errBroken)
}

var errBroken = errors.New("the connection broke while it was written")

// lastSequence returns the revision that a conflict of code 10071 carries in its text,
// "wrong last sequence: 12", or 0.
func (e *apiError) lastSequence() uint64 {
	_, digits, ok := strings.Cut(e.Description, "wrong last sequence: ")
	if !ok {
		return 0
	}
	n, _ := parseUint(digits)
	return n
}

// connErr turns an error of the connection into one of the sentinels.
func connErr(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining),
		errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded), unsent(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
