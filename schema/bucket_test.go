package schema

import (
	"fmt"
	"strings"
	"testing"
)

// places is a short form of findings: place and rule of each.
func places(diags []Diagnostic) string {
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%d:%d %s", d.Line, d.Column, d.Rule))
	}
	return strings.Join(out, ", ")
}

func TestSettingsOfABucketAgree(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a mirror is not written to": {`
buckets:
  eu:
    mirror: {bucket: A}
    sources: [{bucket: B}]
    limit_marker_ttl: 1h
    transactions: true
    linearizable: true
    access: readwrite
    keys:
      a: {pattern: a, value: int, access: write}
      b: {pattern: b, value: int, ttl: 1h}
      c: {pattern: c, value: int, access: read}
`, "6:15 exclusive-fields, 7:23 mirror-setting, 8:19 mirror-setting, 9:19 mirror-setting, 10:13 mirror-setting, 12:43 mirror-setting, 13:40 mirror-setting"},
		"a mirror that names no such setting": {`
buckets:
  eu:
    mirror: {bucket: A}
    transactions: false
    linearizable: false
    history: 5
    keys: {a: {pattern: a, value: int}}
`, ""},
		"a ttl needs markers and no history": {`
buckets:
  a: {keys: {a: {pattern: a, value: int, ttl: 1h}}}
  b: {keys: {b: {pattern: a, value: int, ttl: optional}}, history: 2, limit_marker_ttl: 1h}
  c: {keys: {c: {pattern: a, value: int, ttl: 1h}}, history: 1, limit_marker_ttl: 1h}
`, "4:47 marker-ttl-missing, 5:47 history-ttl"},
		"and so does each bucket that shares the key": {`
buckets:
  a: {keys: {a: {pattern: a, value: int, ttl: 1h}}, limit_marker_ttl: 1h}
  b: {keys_from: a}
  c: {keys_from: a, history: 2, limit_marker_ttl: 1h}
  d: {keys_from: a, access: read}
  e: {keys_from: a, mirror: {bucket: a, domain: x}}
`, "5:18 marker-ttl-missing, 6:18 history-ttl"},
		"names on the server": {`
buckets:
  a: {name: "X_{env}", keys: {a: {pattern: a, value: int}}}
  b: {name: "X_{stage}", keys: {b: {pattern: a, value: int}}}
  c: {name: "X_prod", keys: {c: {pattern: a, value: int}}}
`, "5:13 duplicate-bucket-name"},
		"keys from elsewhere": {`
buckets:
  orders: {keys: {a: {pattern: a, value: int}}}
  b: {keys_from: ordres}
  c: {keys_from: c}
  d: {keys_from: e}
  e: {keys_from: orders}
`, "5:18 keys-from, 6:18 keys-from, 7:18 keys-from"},
		"warnings": {`
buckets:
  a: {replicas: 2, storage: memory, keys: {a: {pattern: "u-{id}.{b}.{c}-x", value: int}}}
  b: {replicas: 3, storage: memory, max_bytes: 1MiB, keys: {b: {pattern: a, value: int}}}
`, "4:17 even-replicas, 4:29 memory-without-max-bytes, 4:58 token-affix, 4:69 token-affix"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := check(test.text[1:])
			if got := places(diags); got != test.want {
				t.Errorf("got %s\nwant %s\n%s", got, test.want, findings(diags))
			}
		})
	}
}

func TestAccessIsThatOfTheKeyThenTheBucket(t *testing.T) {
	files, diags := check(`
buckets:
  plain: {keys: {a: {pattern: a, value: int}, b: {pattern: b, value: int, access: write}}}
  reader: {access: read, keys: {c: {pattern: a, value: int}, d: {pattern: b, value: int, access: readwrite}}}
  mirror: {mirror: {bucket: A}, keys: {e: {pattern: a, value: int}}}
  shared: {keys_from: reader}
  shared_read: {keys_from: plain, access: read}
  shared_mirror: {keys_from: plain, mirror: {bucket: plain, domain: x}}
`)
	if len(diags) > 0 {
		t.Fatal(findings(diags))
	}
	var got []string
	for _, b := range files[0].Buckets {
		for _, k := range b.AllKeys() {
			got = append(got, b.Name.Value+"."+k.Name.Value+":"+b.AccessTo(k).word())
		}
	}
	want := "plain.a:readwrite plain.b:write reader.c:read reader.d:readwrite mirror.e:read shared.c:readwrite shared.d:readwrite " +
		"shared_read.a:read shared_read.b:read shared_mirror.a:read shared_mirror.b:read"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestOverlapsAreToldWithAnExampleKey(t *testing.T) {
	expect(t, `
types:
  Color: {enum: [red, "b.lue"]}
buckets:
  b:
    keys:
      order: {pattern: "order.{tenant}", value: int}
      latest: {pattern: order.latest, value: int}
      path: {pattern: "o.{p...}", value: int}
      number: {pattern: "o.{n:uint64}", value: int}
      color: {pattern: "c.{c:Color}", value: int}
      blue: {pattern: "c.b=2Elue", value: int}
      green: {pattern: c.green, value: int}
  other:
    keys:
      same: {pattern: order.latest, value: int}
`, `
9:25 pattern-overlap: pattern "order.latest" of key "latest" overlaps with "order.{tenant}" of key "order": both match "order.latest"
  hint: begin one of them with a literal token that the other does not have
  shop.kv.yaml:8:24: the other pattern is here
11:25 pattern-overlap: pattern "o.{n:uint64}" of key "number" overlaps with "o.{p...}" of key "path": both match "o.0"
  hint: begin one of them with a literal token that the other does not have
  shop.kv.yaml:10:23: the other pattern is here
13:23 pattern-overlap: pattern "c.b=2Elue" of key "blue" overlaps with "c.{c:Color}" of key "color": both match "c.b=2Elue"
  hint: begin one of them with a literal token that the other does not have
  shop.kv.yaml:12:24: the other pattern is here
`)
}

func TestAPatternThatMatchesTheReservedKeyIsRefused(t *testing.T) {
	for pattern, refused := range map[string]bool{
		`"=kvgen"`: true, `"={x}"`: true, `"{x}kvgen"`: true, `"{x}kvgen", escape: none`: true, `"{x}", escape: none`: false,
		`"{x...}", escape: none`: false, `"{x}"`: false, `"a.=kvgen"`: false, `"{x}.=kvgen"`: false, `"=kv{x}"`: true,
		`"=kv{x:int}"`: false, `"{x:Word}"`: false, `"{x:Word}", escape: none`: true,
	} {
		files, diags := check("types: {Word: {enum: [\"=kvgen\"]}}\nbuckets: {b: {keys: {k: {pattern: " + pattern + ", value: Word}}}}\n")
		found := strings.Contains(places(diags), "reserved-key")
		if files[0] == nil || found != refused {
			t.Errorf("pattern %s: %s", pattern, findings(diags))
		}
	}
}

func TestSchemasOfAFolderAgreeOnPackageAndHaveFileNamesOfTheirOwn(t *testing.T) {
	expect(t, `
# file: a/shop.kv.yaml
kvgen: v1
package: shop
# file: b/shop.kv.yaml
kvgen: v1
package: shops
# file: b/shop_arm64.kv.yaml
kvgen: v1
package: shop
# file: b/Shop.kv.yaml
kvgen: v1
package: func
`, `
1:1 file-name: a schema file cannot be named "Shop": the part before .kv.yaml is made of a-z, 0-9, _ and -, and begins with a letter or digit
  hint: rename the file
2:10 invalid-package: "func" cannot be the name of a Go package: it is a keyword of Go
  hint: by convention it is a short word of lower-case letters: shop
1:1 file-name: b/shop.kv.yaml and a/shop.kv.yaml would generate the same files into one folder
  hint: rename one of them, or generate them into folders of their own
  a/shop.kv.yaml:1:1: the other schema
2:10 package-mismatch: package "shops", but a/shop.kv.yaml, which generates into the same folder, has package "shop"
  hint: schemas of one folder make one package
  a/shop.kv.yaml:2:10: the other package is here
1:1 file-name: a schema file cannot be named "shop_arm64": go would build the generated files for arm64 only
  hint: rename it, to shop.kv.yaml or shop-arm64.kv.yaml
`)
}
