package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// setting loads a bucket with one setting, and returns it with what was found.
func setting(text string) (*Bucket, string) {
	source := "kvgen: v1\npackage: p\nbuckets: {b: {" + text + ", keys: {k: {pattern: k, value: int}}}}\n"
	file, diags := Load("p.kv.yaml", []byte(source))
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%s: %s (%s)", d.Rule, d.Message, d.Hint))
	}
	return file.Buckets[0], strings.Join(out, "; ")
}

func TestNumbersAreDecimal(t *testing.T) {
	for text, want := range map[string]string{
		"1":                    "",
		"64":                   "",
		"0":                    "history-range: history of 0 is not within 1 to 64 (the server keeps 1 to 64 revisions of a key)",
		"65":                   "history-range: history of 65 is not within 1 to 64 (the server keeps 1 to 64 revisions of a key)",
		"-1":                   "history-range: history of -1 is not within 1 to 64 (the server keeps 1 to 64 revisions of a key)",
		"99999999999999999999": "history-range: history of 99999999999999999999 is not within 1 to 64 (the server keeps 1 to 64 revisions of a key)",
		"010":                  `wrong-type: history must be a number, not "010" (write 10)`,
		"0x10":                 `wrong-type: history must be a number, not "0x10" (write 16)`,
		"0o17":                 `wrong-type: history must be a number, not "0o17" (write 15)`,
		"1_000":                `wrong-type: history must be a number, not "1_000" (write 1000)`,
		"+5":                   `wrong-type: history must be a number, not "+5" (write 5)`,
		"5.0":                  `wrong-type: history must be a number, not "5.0" (write a decimal number, such as 10)`,
		"1e1":                  `wrong-type: history must be a number, not "1e1" (write a decimal number, such as 10)`,
		`"10"`:                 `wrong-type: history must be a number, not "10" (write 10, without quotes)`,
		"ten":                  `wrong-type: history must be a number, not "ten" (write a decimal number, such as 10)`,
		"-0":                   `wrong-type: history must be a number, not "-0" (write a decimal number, such as 10)`,
	} {
		b, got := setting("history: " + text)
		if got != want {
			t.Errorf("history: %s\nfound %s\nwant  %s", text, got, want)
		}
		if b.History.IsSet() != (want == "") {
			t.Errorf("history: %s gives %v", text, b.History)
		}
	}
}

func TestSwitchesAreTrueOrFalse(t *testing.T) {
	for text, hint := range map[string]string{
		"yes": "write true", "Yes": "write true", "on": "write true", "y": "write true", "True": "write true", "TRUE": "write true", "1": "write true",
		"no": "write false", "off": "write false", "n": "write false", "False": "write false", "0": "write false",
		`"true"`: "write true, without quotes", "maybe": "write true or false",
	} {
		b, got := setting("compression: " + text)
		if want := fmt.Sprintf("wrong-type: compression must be true or false, not %q (%s)", strings.Trim(text, `"`), hint); got != want {
			t.Errorf("compression: %s\nfound %s\nwant  %s", text, got, want)
		}
		if b.Compression.IsSet() {
			t.Errorf("compression: %s gives %v", text, b.Compression)
		}
	}
	for text, want := range map[string]bool{"true": true, "false": false} {
		if b, got := setting("compression: " + text); got != "" || b.Compression.Value != want || !b.Compression.IsSet() {
			t.Errorf("compression: %s gives %v, and %s", text, b.Compression, got)
		}
	}
}

func TestSizesHaveAUnitOrNone(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "64KiB": 65536, "1MiB": 1 << 20, "3GiB": 3 << 30, "5KB": 5000, "5MB": 5e6, "5GB": 5e9, `"7KB"`: 7000, "9223372036854775807": 1<<63 - 1, "8589934591GiB": 8589934591 << 30,
	} {
		if b, got := setting("max_bytes: " + text); got != "" || b.MaxBytes.Value != want {
			t.Errorf("max_bytes: %s is %d and %q, want %d", text, b.MaxBytes.Value, got, want)
		}
	}
	const general = "write bytes as a whole number, alone or with KiB, MiB, GiB, KB, MB or GB: 64KiB"
	for text, hint := range map[string]string{
		"64 KiB": "write 64KiB", "64kb": "write 64KB", "64K": "write 64KiB", "64Mi": "write 64MiB", "2g": "write 2GiB", "10B": "write 10", "10 bytes": "write 10",
		"010": "write 10", "0x10": "write 16", "1_000KB": "write 1000KB", "-1": "for no limit, leave it out", "1.5GiB": general, "1TB": general, "lots": general, "KiB": general, `""`: general,
	} {
		want := fmt.Sprintf("invalid-size: max_bytes must be a size, not %q (%s)", strings.Trim(text, `"`), hint)
		if b, got := setting("max_bytes: " + text); got != want || b.MaxBytes.IsSet() {
			t.Errorf("max_bytes: %s\nfound %s\nwant  %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"max_bytes: 0":                   "invalid-size: max_bytes of 0 would leave room for nothing (for no limit, leave it out)",
		"max_bytes: 9223372036854775808": `invalid-size: max_bytes of "9223372036854775808" is more than the server can hold (the limit is 9223372036854775807 bytes)`,
		"max_bytes: 8589934592GiB":       `invalid-size: max_bytes of "8589934592GiB" is more than the server can hold (the limit is 9223372036854775807 bytes)`,
		"max_value_size: 2GiB":           `invalid-size: max_value_size of "2GiB" is more than the server can hold (the limit is 2147479551 bytes)`,
	} {
		if _, got := setting(text); got != want {
			t.Errorf("%s\nfound %s\nwant  %s", text, got, want)
		}
	}
}

func TestDurationsAreThoseOfGoOrDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1.5h": 90 * time.Minute, `"30s"`: 30 * time.Second, "106751d": 106751 * 24 * time.Hour, "1500ms": 1500 * time.Millisecond,
	} {
		if b, got := setting("ttl: " + text); got != "" || b.TTL.Value != want {
			t.Errorf("ttl: %s is %v and %q, want %v", text, b.TTL.Value, got, want)
		}
	}
	const general = "write it as 30s, 15m, 72h, 1h30m or 7d"
	for text, hint := range map[string]string{
		"30": "write 30s", "3 days": "write 3d", "2 weeks": "write 14d", "1w": "write 7d", "15 min": "write 15m", "2 hours": "write 2h", "7D": "write 7d",
		"106752d": "the longest is 106751d", "99999999999999999999s": "the longest is 106751d", "1d12h": general, "1.5d": general, "soon": general, "1 month": general, "01d": "write 1d",
		"optinal": "ttl: optional is for keys",
	} {
		want := fmt.Sprintf("invalid-duration: ttl must be a duration, not %q (%s)", text, hint)
		if b, got := setting("ttl: " + text); got != want || b.TTL.IsSet() {
			t.Errorf("ttl: %s\nfound %s\nwant  %s", text, got, want)
		}
	}
	for _, text := range []string{"0", "0s", "999ms", "999999999ns", "-1h", "-3d"} {
		for _, field := range []string{"ttl", "limit_marker_ttl"} {
			want := fmt.Sprintf("ttl-too-short: %s of %s is below one second (the server takes no shorter one; use 1s or more, or leave it out)", field, text)
			if _, got := setting(field + ": " + text); got != want {
				t.Errorf("%s: %s\nfound %s\nwant  %s", field, text, got, want)
			}
		}
	}
}

func TestClosedSetsSayWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"storage: disk":          `unknown-value: storage cannot be "disk" (it is called "file" here; allowed are: file, memory)`,
		"storage: Memory":        `unknown-value: storage cannot be "Memory" (did you mean "memory"? allowed are: file, memory)`,
		"access: raed":           `unknown-value: access cannot be "raed" (did you mean "read"? allowed are: readwrite, read, write)`,
		"replicas: 6":            `replicas-range: 6 replicas are not possible (allowed are: 1, 3, 5)`,
		"replicas: 0":            `replicas-range: 0 replicas are not possible (allowed are: 1, 3, 5)`,
		"mirror: {}":             `missing-field: mirror has no bucket (name the bucket to copy: mirror: {bucket: ORDERS})`,
		"mirror: {bucket: a.b}":  `invalid-bucket-name: "a.b" is not the name of a bucket (a bucket's name has letters, digits, - and _)`,
		"republish: {source: a}": `missing-field: republish has no destination (add the subject to publish to: destination: "repub.>")`,
		"mirror: {bucket: a, domain: b, api_prefix: c}":    `exclusive-fields: mirror has both domain and api_prefix (give one of them)`,
		"sources: [{bucket: a, api_prefix: c, domain: b}]": `exclusive-fields: a source has both domain and api_prefix (give one of them)`,
		"sources: [{}]":                     `missing-field: a source names neither a bucket nor a stream (add bucket: ORDERS)`,
		"sources: [{bucket: a, stream: b}]": `exclusive-fields: a source has both bucket and stream (give one of them)`,
		"sources: [{bucket: a, transforms: [{source: x, destination: y}]}]": `exclusive-fields: a source has both bucket and transforms (give one of them)`,
		"sources: [{stream: a, transforms: [{source: x}]}]":                 `missing-field: a transform has no destination (write {source: "a.>", destination: "b.>"})`,
		"keys_from: x": `exclusive-fields: bucket "b" has both keys and keys_from (give one of them)`,
	} {
		if _, got := setting(text); got != want {
			t.Errorf("%s\nfound %s\nwant  %s", text, got, want)
		}
	}
}
