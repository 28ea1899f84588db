// Drift: the declared settings beside the live ones. One table serves Open (does the bucket lack
// what the schema relies on?), Ensure (what to change, and may it be changed?) and Bucket.Drift.

package kvrt

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Setting is a setting of a bucket whose live value is not the declared one.
type Setting struct {
	Name     string // as in the schema: "max_bytes"
	Declared string
	Live     string
}

// String reads `history: declared 10, live 1`.
func (s Setting) String() string {
	return fmt.Sprintf("%s: declared %s, live %s", s.Name, s.Declared, s.Live)
}

// difference is a Setting with what it means.
type difference struct {
	Setting
	missing bool           // the schema relies on it: Open fails
	lossy   bool           // changing it deletes data
	fixed   bool           // the server cannot change it
	change  map[string]any // fields of the stream configuration
}

// liveStream is the part of a stream's configuration that settings are compared with.
type liveStream struct {
	Subjects          []string          `json:"subjects"`
	Description       string            `json:"description"`
	MaxMsgsPerSubject int64             `json:"max_msgs_per_subject"`
	Storage           string            `json:"storage"`
	Replicas          int               `json:"num_replicas"`
	MaxAge            time.Duration     `json:"max_age"`
	DuplicateWindow   time.Duration     `json:"duplicate_window"`
	AllowMsgTTL       bool              `json:"allow_msg_ttl"`
	MarkerTTL         time.Duration     `json:"subject_delete_marker_ttl"`
	MaxMsgSize        int64             `json:"max_msg_size"`
	MaxBytes          int64             `json:"max_bytes"`
	MaxMsgs           int64             `json:"max_msgs"`
	Discard           string            `json:"discard"`
	Compression       string            `json:"compression"`
	Placement         *streamPlacement  `json:"placement"`
	Republish         *streamRepublish  `json:"republish"`
	Metadata          map[string]string `json:"metadata"`
	AllowAtomic       bool              `json:"allow_atomic"`
	AllowDirect       bool              `json:"allow_direct"`
	AllowRollup       bool              `json:"allow_rollup_hdrs"`
	DenyPurge         bool              `json:"deny_purge"`
	Mirror            *streamSource     `json:"mirror"`
	Sources           []streamSource    `json:"sources"`
}

// differences lists what cfg declares and live does not have, in the order of the schema language.
func (cfg *BucketConfig) differences(live *liveStream) []difference {
	var out []difference
	add := func(d difference, name string, declared, current any) {
		d.Setting = Setting{name, fmt.Sprint(declared), fmt.Sprint(current)}
		out = append(out, d)
	}
	if cfg.Description != "" && cfg.Description != live.Description {
		add(difference{change: map[string]any{"description": cfg.Description}}, "description", quote(cfg.Description), quote(live.Description))
	}
	if h := int64(cfg.History); h != 0 && h != live.MaxMsgsPerSubject {
		add(difference{
			missing: h > 1 && live.MaxMsgsPerSubject == 1,
			lossy:   live.MaxMsgsPerSubject < 1 || h < live.MaxMsgsPerSubject,
			change:  map[string]any{"max_msgs_per_subject": h},
		}, "history", h, limit(live.MaxMsgsPerSubject))
	}
	if cfg.Storage != 0 && cfg.Storage.String() != live.Storage {
		add(difference{fixed: true, change: map[string]any{"storage": cfg.Storage.String()}}, "storage", cfg.Storage, live.Storage)
	}
	if cfg.Replicas != 0 && cfg.Replicas != live.Replicas {
		add(difference{change: map[string]any{"num_replicas": cfg.Replicas}}, "replicas", cfg.Replicas, live.Replicas)
	}
	if cfg.TTL != 0 && cfg.TTL != live.MaxAge {
		change := map[string]any{"max_age": cfg.TTL}
		if live.DuplicateWindow > cfg.TTL {
			change["duplicate_window"] = cfg.TTL
		}
		add(difference{lossy: live.MaxAge == 0 || cfg.TTL < live.MaxAge, change: change}, "ttl", cfg.TTL, limit(live.MaxAge))
	}
	if cfg.LimitMarkerTTL != 0 && (cfg.LimitMarkerTTL != live.MarkerTTL || !live.AllowMsgTTL) {
		current := live.MarkerTTL.String()
		if !live.AllowMsgTTL {
			current = "none"
		}
		add(difference{
			missing: cfg.KeyTTL && !live.AllowMsgTTL,
			change:  map[string]any{"subject_delete_marker_ttl": cfg.LimitMarkerTTL, "allow_msg_ttl": true},
		}, "limit_marker_ttl", cfg.LimitMarkerTTL, current)
	}
	if size := cfg.MaxValueSize; size != 0 && size+valueHeadroom != live.MaxMsgSize {
		limited, current := live.MaxMsgSize > 0, "none"
		if limited {
			current = fmt.Sprint(live.MaxMsgSize - valueHeadroom)
			if live.MaxMsgSize <= valueHeadroom {
				current = fmt.Sprintf("0 (%d with headers)", live.MaxMsgSize)
			}
		}
		add(difference{
			missing: limited && live.MaxMsgSize < size+valueHeadroom,
			change:  map[string]any{"max_msg_size": size + valueHeadroom},
		}, "max_value_size", size, current)
	}
	if cfg.MaxBytes != 0 && cfg.MaxBytes != live.MaxBytes {
		add(difference{
			lossy:  live.MaxBytes <= 0 || cfg.MaxBytes < live.MaxBytes,
			change: map[string]any{"max_bytes": cfg.MaxBytes},
		}, "max_bytes", cfg.MaxBytes, limit(live.MaxBytes))
	}
	if cfg.Compression != nil && *cfg.Compression != (live.Compression == "s2") {
		compression := "none"
		if *cfg.Compression {
			compression = "s2"
		}
		add(difference{change: map[string]any{"compression": compression}}, "compression", *cfg.Compression, !*cfg.Compression)
	}
	if cfg.Placement != nil {
		declared := streamPlacement(*cfg.Placement)
		if text, current := show(declared), show(live.Placement); text != current {
			add(difference{change: map[string]any{"placement": declared}}, "placement", text, current)
		}
	}
	if cfg.Republish != nil {
		declared := cfg.Republish.stream(cfg.Name)
		if text, current := show(declared), show(live.Republish); text != current {
			add(difference{change: map[string]any{"republish": declared}}, "republish", text, current)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(cfg.Metadata)) {
		if value, ok := live.Metadata[key]; !ok || value != cfg.Metadata[key] {
			current := "none"
			if ok {
				current = quote(value)
			}
			add(difference{change: map[string]any{"metadata": map[string]string{key: cfg.Metadata[key]}}},
				"metadata."+key, quote(cfg.Metadata[key]), current)
		}
	}
	if cfg.Transactions && !live.AllowAtomic {
		add(difference{missing: true, change: map[string]any{"allow_atomic": true}}, "transactions", true, false)
	}
	if cfg.Linearizable && !live.AllowDirect {
		add(difference{change: map[string]any{"allow_direct": true}}, "linearizable", true, "false (allow_direct)")
	}
	out = append(out, cfg.copyDifferences(live)...)
	return out
}

// copyDifferences compares where the bucket's data comes from.
func (cfg *BucketConfig) copyDifferences(live *liveStream) []difference {
	switch {
	case cfg.Mirror == nil && live.Mirror != nil:
		return []difference{{Setting: Setting{"mirror", "none", show(live.Mirror.origin())}, missing: true, fixed: true}}
	case cfg.Mirror != nil:
		declared := cfg.Mirror.stream().origin()
		var current any = "none"
		if live.Mirror != nil {
			current = live.Mirror.origin()
		}
		if text, current := show(declared), show(current); text != current {
			return []difference{{Setting: Setting{"mirror", text, current}, fixed: true}}
		}
	case len(cfg.Sources) > 0:
		var declared, origins, liveOrigins []streamSource
		for i := range cfg.Sources {
			s := cfg.Sources[i].stream(cfg.Name)
			declared = append(declared, s)
			origins = append(origins, s.origin())
		}
		for i := range live.Sources {
			liveOrigins = append(liveOrigins, live.Sources[i].origin())
		}
		if text, current := show(origins), show(liveOrigins); text != current {
			return []difference{{Setting: Setting{"sources", text, current}, change: map[string]any{"sources": declared}}}
		}
	}
	return nil
}

// origin is the part of a source that the schema declares: the server fills in the rest.
func (s streamSource) origin() streamSource {
	if s.External != nil {
		s.External = &streamExternal{API: s.External.API}
	}
	return s
}

func (r *Republish) stream(bucket string) streamRepublish {
	source := r.Source
	if source == "" {
		source = ">"
	}
	return streamRepublish{subjectPrefix(bucket) + source, r.Destination, r.HeadersOnly}
}

// apply merges the changes into a stream configuration, keeping what they do not name.
func apply(config map[string]any, differences []difference) {
	for _, d := range differences {
		for field, value := range d.change {
			if added, ok := value.(map[string]string); ok {
				merged := map[string]any{}
				if old, ok := config[field].(map[string]any); ok {
					maps.Copy(merged, old)
				}
				for k, v := range added {
					merged[k] = v
				}
				value = merged
			}
			config[field] = value
		}
	}
}

// settings returns the differences that keep chooses, as a DriftError with the reason, or nil.
func driftError(differences []difference, reason string, keep func(difference) bool) error {
	e := &DriftError{Reason: reason}
	for _, d := range differences {
		if keep(d) {
			e.Settings = append(e.Settings, d.Setting)
		} else {
			e.Others = append(e.Others, d.Setting)
		}
	}
	if len(e.Settings) == 0 {
		return nil
	}
	return e
}

func quote(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}

// limit shows a limit of the server, which writes none as -1 or 0.
func limit[T int64 | time.Duration](n T) string {
	if n <= 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

// show is a compact text that is equal for equal values.
func show(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, _ := json.Marshal(v) // of plain structs of strings
	if s := string(text); s != "null" {
		return strings.ReplaceAll(s, `\u003e`, ">")
	}
	return "none"
}
