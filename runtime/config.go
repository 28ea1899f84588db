// Configuration: what a schema declares of a bucket, and the stream configuration that stands for it.

package kvrt

import (
	"fmt"
	"strings"
	"time"
)

// Storage is where the server keeps a bucket.
type Storage int

// Storage of a bucket; the zero Storage leaves it to the server, which means files.
const (
	FileStorage Storage = iota + 1
	MemoryStorage
)

// BucketConfig is what a schema declares of a bucket. The zero value of a field means that the
// schema does not name the setting: a new bucket gets the default, an existing one keeps what it has.
type BucketConfig struct {
	Name           string
	Description    string
	History        int // revisions kept of each key, 1 to 64; default 1
	Storage        Storage
	Replicas       int           // default 1
	TTL            time.Duration // age limit of every entry
	LimitMarkerTTL time.Duration // how long the markers of expired keys stay; allows a TTL for each key; server 2.11
	KeyTTL         bool          // some keys carry a TTL of their own
	MaxValueSize   int64         // bytes of one value
	MaxBytes       int64         // bytes of the whole bucket
	Compression    *bool
	Placement      *Placement
	Republish      *Republish
	Metadata       map[string]string
	Transactions   bool    // atomic writes of several keys; server 2.12
	Linearizable   bool    // allows Linearizable reads; server 2.11
	Mirror         *Mirror // the bucket is a read-only copy
	Sources        []Source
}

// Placement is where the servers of a bucket are.
type Placement struct {
	Cluster string
	Tags    []string
}

// Republish copies each write to a subject.
type Republish struct {
	Source      string // keys, as a pattern within the bucket: ">"
	Destination string
	HeadersOnly bool
}

// Mirror names the bucket that a mirror copies, in another domain or behind another API prefix if
// one is given.
type Mirror struct {
	Bucket    string
	Domain    string
	APIPrefix string
}

// Source names a bucket, or a stream with transforms, that is copied into the bucket.
type Source struct {
	Bucket     string
	Stream     string
	Filter     string // keys of Bucket, as a pattern within it, or subjects of Stream
	Domain     string
	APIPrefix  string
	Transforms []Transform
}

// Transform maps the subjects of a source.
type Transform struct {
	Source      string
	Destination string
}

// BucketName fills the parameters of a template such as "SESSIONS_{env}", in order. A value may have
// letters, digits and '-'; another one, or an empty one, gives a name that Open and Ensure refuse
// with ErrInvalidBucketName.
func BucketName(template string, params ...string) string {
	var b strings.Builder
	rest := template
	for _, p := range params {
		before, after, _ := strings.Cut(rest, "{")
		_, rest, _ = strings.Cut(after, "}")
		if !isBucketParam(p) {
			return fmt.Sprintf("!invalid(%q in %s)", p, template)
		}
		b.WriteString(before)
		b.WriteString(p)
	}
	b.WriteString(rest)
	return b.String()
}

func isBucketParam(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '_' || c == '/' || !isUnescaped(c) {
			return false
		}
	}
	return s != ""
}

// maxBucketName leaves room for the prefix KV_ in the server's limit of 255 bytes for a name.
const maxBucketName = 252

func checkBucketName(name string) error {
	valid := name != "" && len(name) <= maxBucketName
	for i := 0; valid && i < len(name); i++ {
		valid = name[i] != '/' && isUnescaped(name[i])
	}
	if !valid {
		return wrapf(ErrInvalidBucketName, "%q: letters, digits, - and _ are allowed, %d at most", name, maxBucketName)
	}
	return nil
}

// valueHeadroom is added to max_value_size: the server counts headers as part of a message.
const valueHeadroom = 2 << 10

// The parts of a stream configuration that this package writes. Names are those of the JetStream
// API (ADR-8 and the server's StreamConfig); durations are nanoseconds.
type (
	streamSource struct {
		Name              string            `json:"name"`
		FilterSubject     string            `json:"filter_subject,omitempty"`
		SubjectTransforms []streamTransform `json:"subject_transforms,omitempty"`
		External          *streamExternal   `json:"external,omitempty"`
	}
	streamTransform struct {
		Source      string `json:"src"`
		Destination string `json:"dest"`
	}
	streamExternal struct {
		API     string `json:"api"`
		Deliver string `json:"deliver"`
	}
	streamPlacement struct {
		Cluster string   `json:"cluster,omitempty"`
		Tags    []string `json:"tags,omitempty"`
	}
	streamRepublish struct {
		Source      string `json:"src,omitempty"`
		Destination string `json:"dest"`
		HeadersOnly bool   `json:"headers_only,omitempty"`
	}
)

func streamName(bucket string) string    { return "KV_" + bucket }
func subjectPrefix(bucket string) string { return "$KV." + bucket + "." }

// newStream is the configuration of a bucket that does not exist yet: the defaults that every
// client of NATS KV uses (ADR-8), to which the declared settings are applied.
func newStream(name string) map[string]any {
	return map[string]any{
		"name":                 streamName(name),
		"subjects":             []string{subjectPrefix(name) + ">"},
		"retention":            "limits",
		"discard":              "new",
		"storage":              "file",
		"num_replicas":         1,
		"max_msgs_per_subject": 1,
		"max_msgs":             -1,
		"max_bytes":            -1,
		"max_msg_size":         -1,
		"max_consumers":        -1,
		"max_age":              0,
		"duplicate_window":     defaultDuplicateWindow,
		"allow_rollup_hdrs":    true,
		"deny_delete":          true,
		"allow_direct":         true,
	}
}

// defaultDuplicateWindow is the server's; it may not exceed the age limit.
const defaultDuplicateWindow = 2 * time.Minute

func (s Storage) String() string {
	if s == MemoryStorage {
		return "memory"
	}
	return "file"
}

func (m *Mirror) stream() streamSource {
	return streamSource{Name: streamName(m.Bucket), External: external(m.Domain, m.APIPrefix)}
}

func (s *Source) stream(bucket string) streamSource {
	out := streamSource{Name: s.Stream, External: external(s.Domain, s.APIPrefix)}
	if s.Bucket == "" {
		for _, t := range s.Transforms {
			out.SubjectTransforms = append(out.SubjectTransforms, streamTransform(t))
		}
		if len(out.SubjectTransforms) == 0 {
			out.FilterSubject = s.Filter
		}
		return out
	}
	out.Name = streamName(s.Bucket)
	keys := s.Filter
	if keys == "" {
		keys = ">"
	}
	// The copy's keys live under the copy's own subjects.
	out.SubjectTransforms = []streamTransform{{subjectPrefix(s.Bucket) + keys, subjectPrefix(bucket) + samePlaces(keys)}}
	return out
}

// samePlaces is the destination of a transform that leaves keys as they are: what a wildcard has
// matched has to be named there (ADR-30).
func samePlaces(keys string) string {
	tokens := strings.Split(keys, ".")
	n := 0
	for i, token := range tokens {
		if token == "*" {
			n++
			tokens[i] = fmt.Sprintf("{{wildcard(%d)}}", n)
		}
	}
	return strings.Join(tokens, ".")
}

func external(domain, prefix string) *streamExternal {
	switch {
	case prefix != "":
		return &streamExternal{API: strings.TrimSuffix(prefix, ".")}
	case domain != "":
		return &streamExternal{API: "$JS." + domain + ".API"}
	}
	return nil
}
