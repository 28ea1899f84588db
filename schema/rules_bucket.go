// Rules of buckets: their settings, alone and together.

package schema

var bucketRules = []Rule{
	{
		ID:          "even-replicas",
		Severity:    Warning,
		Summary:     "A bucket has an even number of replicas.",
		Explanation: "A write needs a majority. Two replicas survive the loss of no server, four of one, as three do.",
		Bad: `
buckets:
  orders:
    replicas: 4
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    replicas: 3
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "history-range",
		Summary:     "history is outside of 1 to 64.",
		Explanation: "The server keeps that many revisions of each key.",
		Bad: `
buckets:
  orders:
    history: 100
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    history: 64
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "history-ttl",
		Summary:     "A key with a ttl is in a bucket with a history above 1.",
		Explanation: "When the latest revision expires, the server would show the one before it: an old value comes back.",
		Bad: `
buckets:
  sessions:
    history: 5
    limit_marker_ttl: 1h
    keys:
      session: {pattern: "s.{user}", value: string, ttl: 30m}
`,
		Good: `
buckets:
  sessions:
    limit_marker_ttl: 1h
    keys:
      session: {pattern: "s.{user}", value: string, ttl: 30m}
`,
	},
	{
		ID:          "invalid-duration",
		Summary:     "A text is not a duration.",
		Explanation: "Durations are written as in Go (30s, 15m, 72h, 1h30m), or in days: 7d.",
		Bad: `
buckets:
  orders:
    ttl: 3 days
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    ttl: 3d
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "invalid-size",
		Summary:     "A text is not a size, or one that the server cannot hold.",
		Explanation: "Sizes are whole numbers of bytes, alone or with KiB, MiB, GiB, KB, MB or GB.",
		Bad: `
buckets:
  orders:
    max_bytes: 1 gigabyte
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    max_bytes: 1GB
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "keys-from",
		Summary: "keys_from does not name a bucket with keys.",
		Explanation: `It names another bucket of the same file that has keys of its own, so that a reader finds the
patterns in one step.`,
		Bad: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  orders_eu:
    mirror: {bucket: orders, domain: eu}
    keys_from: order
`,
		Good: `
buckets:
  orders:
    keys:
      total: {pattern: total, value: int64}
  orders_eu:
    mirror: {bucket: orders, domain: eu}
    keys_from: orders
`,
	},
	{
		ID:       "memory-without-max-bytes",
		Severity: Warning,
		Summary:  "A bucket is kept in memory without a limit.",
		Explanation: `It can grow until the server runs out of memory, and the other buckets there with it. Give
it max_bytes.`,
		Bad: `
buckets:
  orders:
    storage: memory
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    storage: memory
    max_bytes: 64MiB
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:      "mirror-setting",
		Summary: "A mirror has a setting that only a bucket with writers can have.",
		Explanation: `A mirror is a copy that nobody writes to but the server. limit_marker_ttl, transactions,
linearizable reads, a ttl of a key and access: write belong to its origin.`,
		Bad: `
buckets:
  orders_eu:
    mirror: {bucket: ORDERS, domain: eu}
    transactions: true
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders_eu:
    mirror: {bucket: ORDERS, domain: eu}
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "replicas-range",
		Summary:     "replicas is outside of 1 to 5.",
		Explanation: "Use 1, 3 or 5; 2 and 4 are possible, but no better than 1 and 3.",
		Bad: `
buckets:
  orders:
    replicas: 7
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    replicas: 5
    keys:
      total: {pattern: total, value: int64}
`,
	},
	{
		ID:          "ttl-too-short",
		Summary:     "A ttl or limit_marker_ttl is below one second.",
		Explanation: "The server takes no shorter one.",
		Bad: `
buckets:
  orders:
    ttl: 100ms
    keys:
      total: {pattern: total, value: int64}
`,
		Good: `
buckets:
  orders:
    ttl: 1s
    keys:
      total: {pattern: total, value: int64}
`,
	},
}
