package schema

import (
	"fmt"
	"strings"
	"testing"
)

// inPattern loads a pattern as it is written in a file, and returns what was found in it: the column
// from the start of the scalar, what is underlined, the message and the hint.
func inPattern(written string) (*Key, string) {
	source := "kvgen: v1\npackage: p\nbuckets:\n  b:\n    keys:\n      k:\n        pattern: " + written + "\n        value: int\n"
	file, diags := Load("p.kv.yaml", []byte(source))
	var out []string
	for _, d := range diags {
		line := []rune(strings.Split(source, "\n")[d.Line-1])
		out = append(out, fmt.Sprintf("%d <%s> %s (%s)", d.Column-18, string(line[d.Column-1:min(d.EndColumn-1, len(line))]), d.Message, d.Hint))
	}
	if file == nil {
		return nil, strings.Join(out, "\n")
	}
	return file.Buckets[0].Keys[0], strings.Join(out, "\n")
}

func TestPatternsAreTakenApart(t *testing.T) {
	for written, want := range map[string]string{
		"motd":                     "motd",
		"a.b/c=-_9.Z":              "a b/c=-_9 Z",
		`"{a}"`:                    "{a:0}",
		"order.{tenant}.{id:uint}": "order {tenant:0} {id:2 uint}",
		"user-{id}-x.{p...}":       "user-+{id:0}+-x {p:8}",
		"'{a:int32}.{b:bool}.{c:uuid}.{d:date}.{e:Status}.{f:string}'": "{a:1 int32} {b:3} {c:4} {d:5} {e:6} {f:0}",
		`"{a:github.com/acme/v2.x/id.ID}.b"`:                           "{a:7 github.com/acme/v2.x/id ID} b",
		`"{A-b_1}.x"`:                                                  "{A-b_1:0} x",
	} {
		key, found := inPattern(written)
		var tokens []string
		for _, token := range key.Pattern.Tokens {
			text := token.Literal
			if p := token.Param; p != nil {
				text = fmt.Sprintf("{%s:%d}", p.Name.Value, p.Kind)
				switch {
				case p.Builtin != "":
					text = fmt.Sprintf("{%s:%d %s}", p.Name.Value, p.Kind, p.Builtin)
				case p.Go != nil:
					text = fmt.Sprintf("{%s:%d %s %s}", p.Name.Value, p.Kind, p.Go.ImportPath, p.Go.Name)
				}
				if token.Prefix+token.Suffix != "" {
					text = token.Prefix + "+" + text + "+" + token.Suffix
				}
			}
			tokens = append(tokens, text)
		}
		if got := strings.Join(tokens, " "); got != want || found != "" {
			t.Errorf("pattern: %s gives %s, want %s; found: %s", written, got, want, found)
		}
	}
}

func TestWhatIsWrongInAPatternIsUnderlined(t *testing.T) {
	const dots = " (tokens are separated by single dots)"
	const charset = " (a key has letters, digits and - / _ =)"
	const name = " (a parameter is {name})"
	for written, want := range map[string]string{
		`""`:                 "0 <\"\"> the pattern is empty (write tokens separated by dots: \"order.{tenant}\")",
		".a":                 "0 <.> the pattern begins with a dot" + dots,
		"a.":                 "1 <.> the pattern ends with a dot" + dots,
		"a..b":               "2 <.> the pattern has an empty token" + dots,
		"a b":                "1 < > ' ' cannot stand in a key" + charset,
		"aé.b":               "1 <é> 'é' cannot stand in a key" + charset,
		"é.ü":                "0 <é> 'é' cannot stand in a key" + charset + "\n2 <ü> 'ü' cannot stand in a key" + charset,
		"a.*":                "2 <*> '*' cannot stand in a key (for any token, write a parameter: {name}; for all that follow, {name...})",
		"a.>":                "2 <>> '>' cannot stand in a key (for any token, write a parameter: {name}; for all that follow, {name...})",
		"a.{x}:i":            "5 <:> ':' cannot stand in a key (the type of a parameter is written within its braces: {name:type})",
		"a.{x":               "2 <{> { without a } behind it" + name,
		"a.x}":               "3 <}> } without a { before it" + name,
		"a.{x}}":             "5 <}> } without a { before it" + name,
		"a.{x{y}":            "4 <{> { within a parameter" + name,
		"a.{x}{y}":           "5 <{y}> a token can have only one parameter (separate them by a dot)",
		"a.{}":               "2 <{}> a parameter without a name (give it one: {id})",
		"a.{...}":            "2 <{...}> a parameter without a name (give it one: {id})",
		"a.{ x }":            `3 < x > " x " cannot be the name of a parameter (write it without spaces)`,
		"a.{1x}":             `3 <1x> "1x" cannot be the name of a parameter (a name is a letter, followed by letters, digits, _ and -)`,
		"a.{x.y}":            `3 <x.y> "x.y" cannot be the name of a parameter (a name is a letter, followed by letters, digits, _ and -; a dot cannot be part of it)`,
		"a.{x:}":             "4 <:> a type is missing after the colon (write {x} for a string, or a type: {x:uint64})",
		`"a.{x: int}"`:       `6 < int> " int" cannot be the type of a parameter (write it without spaces)`,
		"a.{x:[]int}":        `5 <[]int> "[]int" cannot be the type of a parameter (allowed are: string, int, int32, int64, uint, uint32, uint64, bool, uuid, date, an enum of the file, and Go types: import/path.Name)`,
		"a.{x:a/b}":          `5 <a/b> "a/b" has no name after the import path (write import/path.Name: github.com/acme/money.Amount)`,
		"a.{x:-a.B}":         `5 <-a.B> "-a" of "-a.B" is not an import path (write import/path.Name: github.com/acme/money.Amount)`,
		"a.{x...}.b":         "2 <{x...}> {x...} is not the last token (it stands for all that follows; for one token, write {x})",
		"a.b{x...}":          "2 <b{x...}> {x...} shares its token with other text (it stands for whole tokens: separate it by a dot)",
		"a.{x...:int}":       "7 <:int> {x...} cannot have a type (its tokens are strings)",
		"a.{x:int...}":       "5 <int...> {x:int...} cannot have a type and stand for several tokens (write {x...}; its tokens are strings)",
		`"{x}.{x:int}"`:      `6 <x> parameter "x" occurs twice (give each parameter a name of its own)`,
		"={x}":               `0 <={x}> pattern "={x}" could make "=kvgen", a key that the runtime keeps for itself (begin the pattern with another literal)`,
		"={x:int}":           "",
		"={x}.y":             "",
		`"a.\u0020"`:         "0 <\"a.\\u0020\"> ' ' cannot stand in a key" + charset, // an escape moves the parts
		".":                  "0 <.> the pattern begins with a dot" + dots,
		"a..":                "2 <.> the pattern ends with a dot" + dots,
		"a...b":              "2 <.> the pattern has an empty token" + dots + "\n3 <.> the pattern has an empty token" + dots,
		`'a..it''s'`:         "0 <'a..it''s'> '\\'' cannot stand in a key" + charset + "\n0 <'a..it''s'> the pattern has an empty token" + dots,
		".a..b.{x":           "0 <.> the pattern begins with a dot" + dots + "\n3 <.> the pattern has an empty token" + dots + "\n6 <{> { without a } behind it" + name,
		">-\n          a..b": "0 <>-> the pattern has an empty token" + dots,
	} {
		key, got := inPattern(written)
		if got != want {
			t.Errorf("pattern: %s\nfound:\n%s\nwant:\n%s", written, got, want)
		}
		if key != nil && (key.Pattern.Tokens == nil) != (want != "") {
			t.Errorf("pattern: %s has tokens %v", written, key.Pattern.Tokens)
		}
	}
}

func TestAKeyFitsIntoABucketWithTheLeastOfEachParameter(t *testing.T) {
	for pattern, fits := range map[string]bool{
		strings.Repeat("a", 1024):                     true,
		strings.Repeat("a", 1025):                     false,
		strings.Repeat("a", 1022) + ".{x}":            true,
		strings.Repeat("a", 1023) + ".{x}":            false,
		strings.Repeat("a", 987) + ".{x:uuid}":        true,
		strings.Repeat("a", 988) + ".{x:uuid}":        false,
		strings.Repeat("a", 1013) + ".{x:date}":       true,
		strings.Repeat("a", 1014) + ".{x:date}":       false,
		strings.Repeat("a", 1019) + ".{x:bool}":       true,
		strings.Repeat("a", 1020) + ".{x:bool}":       false,
		strings.Repeat("a.", 511) + "{x}-" + "{y}":    false,
		strings.Repeat("a.", 511) + "{aLongNameOfIt}": true,
		strings.Repeat("a.", 512) + "{x}":             false,
	} {
		_, found := inPattern(pattern)
		if (found == "") != fits {
			t.Errorf("%s: %s", quote(pattern), found)
		}
	}
}

func TestNamesOfBucketsHaveParametersBetweenUnderscores(t *testing.T) {
	for name, want := range map[string]string{
		"ORDERS":                           "",
		"{a}":                              "",
		"{a}_{b}":                          "",
		"{a}x-_y{b}_c":                     "",
		strings.Repeat("x", 252):           "",
		strings.Repeat("x", 251) + "{e}":   "",
		"":                                 "10 <\"\"> the bucket's name is empty",
		"a b":                              "12 < > ' ' cannot stand in a bucket's name",
		"a.{b}":                            "12 <.> '.' cannot stand in a bucket's name",
		"aé":                               "12 <é> 'é' cannot stand in a bucket's name",
		"a/b":                              "12 </> '/' cannot stand in a bucket's name",
		"{a}{b}":                           "14 <{b}> two parameters of a bucket's name are not separated by _",
		"{a}-{b}":                          "15 <{b}> two parameters of a bucket's name are not separated by _",
		"{a}_{a}":                          `16 <a> parameter "a" occurs twice`,
		"x_{a":                             "13 <{> { without a } behind it",
		"x_a}":                             "14 <}> } without a { before it",
		"{}":                               "11 <{}> a parameter without a name",
		"{1}":                              `12 <1> "1" cannot be the name of a parameter`,
		"{a:int}":                          `12 <a:int> "a:int" cannot be a parameter of a bucket's name`,
		"{a...}":                           `12 <a...> "a..." cannot be a parameter of a bucket's name`,
		strings.Repeat("x", 253):           "11 <" + strings.Repeat("x", 253) + "> the bucket's name has at least 253 bytes",
		strings.Repeat("x", 250) + "{e}_z": "11 <" + strings.Repeat("x", 250) + "{e}_z> the bucket's name has at least 253 bytes",
	} {
		source := "kvgen: v1\npackage: p\nbuckets:\n  b:\n    name: \"" + name + "\"\n    keys: {k: {pattern: k, value: int}}\n"
		file, diags := Load("p.kv.yaml", []byte(source))
		got := ""
		for _, d := range diags {
			line := []rune(strings.Split(source, "\n")[d.Line-1])
			got += fmt.Sprintf("%d <%s> %s", d.Column-1, string(line[d.Column-1:d.EndColumn-1]), d.Message)
			if d.Rule != "invalid-bucket-name" {
				t.Errorf("name %q breaks %s", name, d.Rule)
			}
		}
		if got != want {
			t.Errorf("name %q\nfound %s\nwant  %s", name, got, want)
		}
		if ok := file.Buckets[0].NameParts != nil; ok != (want == "") {
			t.Errorf("name %q has parts %v", name, file.Buckets[0].NameParts)
		}
	}
}

func TestParamsSpeakOfParametersThatAreThere(t *testing.T) {
	expectLoad(t, `
kvgen: v1
package: p
buckets:
  b:
    name: "B_{env}"
    params: {enw: {go_name: X}, env: {descripton: d}}
    keys:
      k: {pattern: "{tenant}.{id}", value: int, params: {tenat: {}, id: , x: {zzz: 1}}}
      l: {pattern: l, value: int, params: {a: {go_name: A}}}
      m: {pattern: "..", value: int, params: {a: {zzz: A}}}
      n: {value: int, pattern: "{a}", params: [a]}
`, `
6:14 <enw> unknown-param: bucket "b" has no parameter "enw"
  hint: did you mean "env"?
6:39 <descripton> unknown-field: unknown field "descripton" in parameter "env"
  hint: did you mean "description"?
8:58 <tenat> unknown-param: key "k" has no parameter "tenat"
  hint: did you mean "tenant"?
8:69 <id> missing-field: params of key "k" say nothing of parameter "id"
  hint: give go_name or description, or remove it
8:75 <x> unknown-param: key "k" has no parameter "x"
  hint: its parameters are: tenant, id
8:79 <zzz> unknown-field: unknown field "zzz" in parameter "x"
  hint: allowed are: go_name, description
9:44 <a> unknown-param: key "l" has no parameter "a"
  hint: it has no parameters
10:21 <.> invalid-pattern: the pattern begins with a dot
  hint: tokens are separated by single dots
10:22 <.> invalid-pattern: the pattern ends with a dot
  hint: tokens are separated by single dots
10:51 <zzz> unknown-field: unknown field "zzz" in parameter "a"
  hint: allowed are: go_name, description
11:47 <[a]> wrong-type: params of key "n" must be a mapping, not a list
  hint: write NAME: VALUE, one to a line, or {NAME: VALUE, …}
`)
}
