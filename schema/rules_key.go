// Rules of keys: their patterns and parameters.

package schema

var keyRules = []Rule{
	{
		ID:      "invalid-pattern",
		Summary: "A key pattern is malformed.",
		Explanation: `Tokens are separated by single dots. A token is made of letters, digits and - / _ =, or of one
parameter: {name}, {name:type} or, as the last token, {name...}.`,
		Bad: `
buckets:
  orders:
    keys:
      order: {pattern: "order..{id}", value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      order: {pattern: "order.{id}", value: int64}
`,
	},
	{
		ID:          "key-too-long",
		Summary:     "The keys of a pattern are too long.",
		Explanation: "A key has at most 1,024 bytes. The literals of a pattern leave room for its parameters.",
	},
	{
		ID:      "pattern-complexity",
		Summary: "It takes too long to see whether the patterns of a bucket overlap.",
		Explanation: `Each pattern is compared with the others, which is quick if they begin with literals of their own.
Thousands of patterns that all begin with a parameter, or have long texts around their parameters, are not.`,
	},
	{
		ID:      "marker-ttl-missing",
		Summary: "A key has a ttl in a bucket without limit_marker_ttl.",
		Explanation: `The server takes a TTL for a single key only in buckets that keep markers of expired keys for a
while, which limit_marker_ttl says (server 2.11). Watchers learn of the expiry by the marker.`,
		Bad: `
buckets:
  sessions:
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
		ID:      "pattern-overlap",
		Summary: "Two patterns of a bucket match the same key.",
		Explanation: `A reader could not tell which type of value the key has, and each writer would overwrite the
values of the other. The message shows a key that both match. A literal in the same token of both
keeps them apart, as do types that share no text, such as uuid and bool.`,
		Bad: `
buckets:
  orders:
    keys:
      order: {pattern: "order.{id}", value: int64}
      latest: {pattern: order.latest, value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      order: {pattern: "order.{id:uint64}", value: int64}
      latest: {pattern: order.latest, value: int64}
`,
	},
	{
		ID:          "reserved-key",
		Summary:     "A pattern matches the key =kvgen.",
		Explanation: "The runtime writes that key itself, as the barrier of linearizable reads.",
		Bad: `
buckets:
  orders:
    keys:
      order: {pattern: "=kvgen", value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      order: {pattern: "kvgen", value: int64}
`,
	},
	{
		ID:       "token-affix",
		Severity: Warning,
		Summary:  "A token has text before or after its parameter.",
		Explanation: `In a filter or a permission, * stands for a whole token: the server can neither list user-1, user-2
and leave group-1 out, nor grant one without the other. kvgen filters such keys in the client.`,
		Bad: `
buckets:
  users:
    keys:
      user: {pattern: "user-{id:uint64}", value: string}
`,
		Good: `
buckets:
  users:
    keys:
      user: {pattern: "user.{id:uint64}", value: string}
`,
	},
	{
		ID:      "unknown-param-type",
		Summary: "There is no such type of parameters.",
		Explanation: `A parameter is a string, int, int32, int64, uint, uint32, uint64, bool, uuid or date, an enum of the
file, or a Go type with MarshalText and UnmarshalText.`,
		Bad: `
buckets:
  orders:
    keys:
      order: {pattern: "order.{id:unit64}", value: int64}
`,
		Good: `
buckets:
  orders:
    keys:
      order: {pattern: "order.{id:uint64}", value: int64}
`,
	},
}
