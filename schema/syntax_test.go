package schema

import (
	"strings"
	"testing"
)

func TestTheCauseOfASyntaxErrorIsFoundAndUnderlined(t *testing.T) {
	const head = "kvgen: v1\npackage: p\nbuckets:\n  b:\n    keys:\n      k:\n" // 6 lines
	const colon = `is not a field: it has no colon followed by a space` + "\n  hint: write NAME: VALUE\n"
	const brackets = "is not quoted, and within { } or [ ] YAML reads its braces or brackets as its own\n"
	for _, test := range []struct{ text, want string }{
		// Patterns and types without quotes.
		{"        pattern: {tenant}.{id}\n        value: int\n      l: {pattern: l, value: int}\n",
			"7:18 <{tenant}.{id}> yaml-syntax: \"{tenant}.{id}\" is not quoted, and YAML reads { as the start of a mapping\n  hint: quote it: \"{tenant}.{id}\"\n"},
		{"        pattern: {tenant}.x # comment\n\n\n        # more\n        value: int\n",
			"7:18 <{tenant}.x> yaml-syntax: \"{tenant}.x\" is not quoted, and YAML reads { as the start of a mapping\n  hint: quote it: \"{tenant}.x\"\n"},
		{"        value: int\n        pattern: {id:uint64}x",
			"8:18 <{id:uint64}x> yaml-syntax: \"{id:uint64}x\" is not quoted, and YAML reads { as the start of a mapping\n  hint: quote it: \"{id:uint64}x\"\n"},
		{"        value: []Line\n        pattern: k\n",
			"7:16 <[]Line> yaml-syntax: \"[]Line\" is not quoted, and YAML reads [ as the start of a list\n  hint: quote it: \"[]Line\"\n"},
		{"        value: [] Line\n",
			"7:16 <[] Line> yaml-syntax: \"[] Line\" is not quoted, and YAML reads [ as the start of a list\n  hint: quote it: \"[] Line\"\n"},
		{"        {pattern: {a}.{b}, value: int}\n",
			"7:19 <{a}.{b}> yaml-syntax: \"{a}.{b}\" is not quoted, and YAML reads { as the start of a mapping\n  hint: quote it: \"{a}.{b}\"\n"},
		{"        {pattern: ä.{b:int}.c, value: int}\n",
			"7:19 <ä.{b:int}.c> yaml-syntax: \"ä.{b:int}.c\" " + brackets + "  hint: quote it: \"ä.{b:int}.c\"\n"},
		{"        {pattern: \"{a}\", value: map[string]int}\n",
			"7:33 <map[string]int> yaml-syntax: \"map[string]int\" " + brackets + "  hint: quote it: \"map[string]int\"\n"},
		{"        {\n          pattern: k,\n          value: []Line,\n        }\n",
			"9:18 <[]Line> yaml-syntax: \"[]Line\" is not quoted, and YAML reads [ as the start of a list\n  hint: quote it: \"[]Line\"\n"},
		{"        value: *Node\n        pattern: k\n",
			"7:16 <*Node> yaml-alias: \"*Node\" is a YAML alias, which a schema cannot have\n  hint: if it is a pointer type, quote it: \"*Node\"\n"},
		{"        {pattern: k, value: *acme/x.Node}\n",
			"7:29 <*acme/x.Node> yaml-alias: \"*acme/x.Node\" is a YAML alias, which a schema cannot have\n  hint: if it is a pointer type, quote it: \"*acme/x.Node\"\n"},
		{"        value: *[]Node\n",
			"7:16 <*[]Node> yaml-alias: \"*[]Node\" is a YAML alias, which a schema cannot have\n  hint: if it is a pointer type, quote it: \"*[]Node\"\n"},
		{"        <<: *base\n        value: int\n",
			"7:9 <<<:> yaml-merge: << is a YAML merge key, which a schema cannot have\n  hint: write out what it stands for; keys_from shares the keys of a bucket\n"},
		{"        value: & x\n",
			"7:16 <& x> yaml-anchor: \"& x\" is a YAML anchor, which a schema cannot have\n  hint: if it is meant as text, quote it: \"& x\"\n"},
		// Texts without quotes.
		{"        description: Note: all of it\n        value: int\n",
			"7:22 <Note: all of it> yaml-syntax: \"Note: all of it\" has a colon followed by a space, and YAML reads it as another field\n  hint: quote it: \"Note: all of it\"\n"},
		{"        description: say \"a: b\" # c\n",
			"7:22 <say \"a: b\"> yaml-syntax: \"say \\\"a: b\\\"\" has a colon followed by a space, and YAML reads it as another field\n  hint: quote it: 'say \"a: b\"'\n"},
		{"        description: @you\n",
			"7:22 <@you> yaml-syntax: \"@you\" begins with @, which YAML keeps for itself\n  hint: quote it: \"@you\"\n"},
		{"        description: %d\n",
			"7:22 <%d> yaml-syntax: \"%d\" begins with %, which YAML keeps for itself\n  hint: quote it: \"%d\"\n"},
		{"        description: \"a\" or b\n        value: int\n",
			"7:22 <\"a\" or b> yaml-syntax: text follows the closing quote\n  hint: quote it as a whole: 'a\" or b'\n"},
		{"        pattern: \"^\\d\"\n",
			"7:20 <\\d> yaml-syntax: \"\\\\d\" is no escape of YAML\n  hint: within double quotes, write \\\\ for a backslash; within single quotes, a backslash is one\n"},
		// What is not closed, or not opened.
		{"        pattern: \"k\n        value: int\n",
			"7:18 <\"> yaml-syntax: the quote \" is not closed\n  hint: add the closing quote, or remove this one\n"},
		{"        pattern: \"k\n        value: \"int\"\n",
			"7:18 <\"> yaml-syntax: the quote \" is not closed\n  hint: add the closing quote, or remove this one\n"},
		{"        pattern: 'k\n---\n",
			"7:18 <'> yaml-syntax: the quote ' is not closed\n  hint: add the closing quote, or remove this one\n"},
		{"        {pattern: k, value: int\n      l: {pattern: l, value: int}\n",
			"7:9 <{> yaml-syntax: { is not closed\n  hint: add the closing }\n"},
		{"        pattern: k\n        }\n",
			"8:9 <}> yaml-syntax: } is not opened\n  hint: remove it, or quote the text that it belongs to\n"},
		// Indentation and colons.
		{"\tpattern: k\n",
			"7:1 <\t> yaml-syntax: a tab in the indentation, which YAML does not allow\n  hint: indent with spaces\n"},
		{"        pattern: k\n\tvalue: int\n",
			"8:1 <\t> yaml-syntax: a tab in the indentation, which YAML does not allow\n  hint: indent with spaces\n"},
		{"        pattern: k\n       value: int\n        access: read\n",
			"8:8 <value: int> yaml-syntax: the indentation of the line is that of no line above\n  hint: align it with the fields that it belongs to\n"},
		{"        pattern: k\n          value: int\n",
			"8:11 <value: int> yaml-syntax: the line is indented below a field that has a value already\n  hint: align it with the fields that it belongs to\n"},
		{"        pattern:k\n        value: int\n", "7:9 <pattern:k> yaml-syntax: \"pattern:k\" " + colon},
		{"        pattern k\n        # note\n        value: int\n", "7:9 <pattern k> yaml-syntax: \"pattern k\" " + colon},
		{"        value: int\n        pattern k\n        access: read\n", "8:9 <pattern k> yaml-syntax: \"pattern k\" " + colon},
		{"        value: int\n        - pattern\n",
			"8:9 <- pattern> yaml-syntax: an item of a list among the fields of a mapping\n  hint: write NAME: VALUE, or indent the list below its field\n"},
		{"        value: int\n        : x\n",
			"8:9 <: x> yaml-syntax: a field without a name\n  hint: write NAME: VALUE\n"},
		// Characters.
		{"        description: bell\a\n",
			"7:26 <\a> yaml-syntax: the control character U+0007\n  hint: remove it; within double quotes it can be written as \\u0007\n"},
		{"        description: a\u2028b\n",
			"7:23 <\u2028> encoding: the character U+2028, which ends a line in YAML and nowhere else\n  hint: end lines with a line feed; within double quotes, write an escape: \\r, \\u2028\n"},
		{"        description: a\rb\n",
			"7:23 <\r> encoding: a carriage return that does not end a line\n  hint: end lines with a line feed; within double quotes, write an escape: \\r, \\u2028\n"},
	} {
		if file := expectLoad(t, head+test.text, test.want); file != nil {
			t.Errorf("a file in spite of its YAML:\n%s", test.text)
		}
		// Lines may end as on Windows.
		source := strings.ReplaceAll(head+test.text, "\n", "\r\n")
		if _, diags := Load("p.kv.yaml", []byte(source)); !strings.Contains(test.want, "encoding") {
			if got := underlined(source, diags); got != test.want {
				t.Errorf("with carriage returns, loading\n%s\nfound:\n%s\nwant:\n%s", source, got, test.want)
			}
		}
	}
}

func TestTheFirstLineCanHaveASyntaxErrorAsWell(t *testing.T) {
	expectLoad(t, "{a}.{b}: x\n", "1:1 <{a}.{b}> yaml-syntax: \"{a}.{b}\" is not quoted, and YAML reads { as the start of a mapping\n  hint: quote it: \"{a}.{b}\"\n")
	expectLoad(t, "a: [\n", "1:4 <[> yaml-syntax: [ is not closed\n  hint: add the closing ]\n")
	expectLoad(t, "\ta: b\n", "1:1 <\t> yaml-syntax: a tab in the indentation, which YAML does not allow\n  hint: indent with spaces\n")
	expectLoad(t, "%YAML 1.2\n---\nkvgen: v1\n", "1:1 <%YAML 1.2> yaml-syntax: a YAML directive, which a schema does not need\n  hint: remove the line\n")
	expectLoad(t, "\ufeffa: *b\n", "1:4 <*b> yaml-alias: \"*b\" is a YAML alias, which a schema cannot have\n  hint: if it is a pointer type, quote it: \"*b\"\n")
}

func TestWhatSchemasLeaveOutOfYAMLIsRefusedWhereverItIs(t *testing.T) {
	const merge = " yaml-merge: << is a YAML merge key, which a schema cannot have\n  hint: write out what it stands for; keys_from shares the keys of a bucket\n"
	const shared = " which a schema cannot have\n  hint: write out what it stands for; keys_from shares the keys of a bucket\n"
	file := expectLoad(t, `
kvgen: &v v1
package: *v
buckets: &all
  b: &b
    history: !!int 5
    <<: {history: 6}
  c:
    <<: *b
    metadata: {x: !own &z 1, ? *v : 2, "<<": 3, <<: 4}
`, `
1:8 <&v> yaml-anchor: "&v" is a YAML anchor,`+shared+`2:10 <*v> yaml-alias: "*v" is a YAML alias, which a schema cannot have
  hint: if it is a pointer type, quote it: "*v"
3:10 <&all> yaml-anchor: "&all" is a YAML anchor,`+shared+`4:6 <&b> yaml-anchor: "&b" is a YAML anchor,`+shared+
		`5:14 <!!int> yaml-tag: "!!int" is a YAML tag, which a schema cannot have
  hint: remove it
6:5 <<<>`+merge+`8:5 <<<>`+merge+`9:24 <&z> yaml-anchor: "&z" is a YAML anchor,`+shared+
		`9:32 <*v> yaml-alias: "*v" is a YAML alias, which a schema cannot have
  hint: if it is a pointer type, quote it: "*v"
9:49 <<<>`+merge)
	if file != nil {
		t.Error("a file in spite of its YAML")
	}
}

func TestAFileHoldsOneDocument(t *testing.T) {
	const second = " yaml-document: a second document begins here\n  hint: one file holds one schema: remove the line, or make a file of what follows\n"
	const more = " yaml-document: the document ended before, and there is more\n  hint: remove the line with ...\n"
	const good = "kvgen: v1\npackage: p\n"
	expectLoad(t, "# comment\n---\n"+good+"...\n# the end\n", "")
	expectLoad(t, "%YAML 1.1\n---\n"+good, "")
	expectLoad(t, good+"---\n", "3:1 <--->"+second)
	expectLoad(t, "---\n"+good+"# c\n--- # d\n"+good, "5:1 <--->"+second)
	expectLoad(t, good+"---\n{a\n", "3:1 <--->"+second)
	expectLoad(t, good+"...\n"+good, "3:1 <...>"+more)
	expectLoad(t, good+"...\n---\n"+good, "4:1 <--->"+second)
	expectLoad(t, "kvgen: v1\npackage: p\ndescription: |\n  ---\n  a\n", "")
}

func TestAnotherEncodingThanUTF8IsRefused(t *testing.T) {
	for source, want := range map[string]string{
		"kvgen: v1\npackage: p\ndescription: Größe \xe4\n": "3:20 encoding: the file is not UTF-8: byte 0xE4",
		"\xff\xfek\x00v\x00": "1:1 encoding: the file is not UTF-8: byte 0xFF",
	} {
		file, diags := Load("p.kv.yaml", []byte(source))
		if got := findings(diags); file != nil || got != want+"\n  hint: save it as UTF-8\n" {
			t.Errorf("%q: %s", source, got)
		}
	}
	if file, diags := Load("p.kv.yaml", []byte("kvgen: v1\npackage: p\ndescription: \"\ufffd \\u2028 \\r\"\n")); len(diags) > 0 || file.Description.Value != "\ufffd \u2028 \r" {
		t.Errorf("a replacement character and escapes: %v", diags)
	}
}

func TestALargeOrDeepFileIsRefusedQuickly(t *testing.T) {
	const good = "kvgen: v1\npackage: p\n"
	if _, diags := Load("p.kv.yaml", []byte(good+strings.Repeat("#", maxFileSize-len(good)))); len(diags) > 0 {
		t.Errorf("4 MiB: %v", diags)
	}
	for name, test := range map[string]struct{ source, rule string }{
		"above 4 MiB":         {good + strings.Repeat("#", maxFileSize-len(good)+1), "file-size"},
		"brackets":            {strings.Repeat("[", 1<<17), "yaml-depth"},
		"more brackets":       {strings.Repeat("[", 1<<20), "file-size"},
		"nested mappings":     {"a: " + strings.Repeat("{a: ", 200) + "1" + strings.Repeat("}", 200), "yaml-depth"},
		"nested items":        {strings.Repeat("- ", 1<<17), "yaml-depth"},
		"aliases of aliases":  {"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "yaml-anchor"},
		"an alias of itself":  {"a: &a [*a]\n", "yaml-anchor"},
		"one line":            {"a: " + strings.Repeat("{b: ", 1<<17), "yaml-depth"},
		"quotes":              {"a: " + strings.Repeat("\"b\" ", 1<<18), "yaml-syntax"},
		"many parameters":     {good + "buckets: {b: {keys: {k: {pattern: \"" + strings.Repeat("{a}.", 1<<18) + "\", value: int}}}}\n", "invalid-pattern"},
		"a long bucket name":  {good + "buckets: {b: {name: \"" + strings.Repeat("{a}_", 1<<18) + "\", keys: {k: {pattern: k, value: int}}}}\n", "invalid-bucket-name"},
		"a deep type":         {good + "types: {A: {fields: {a: \"" + strings.Repeat("[]", 1<<18) + "int\"}}}\n", "unknown-type"},
		"a long unknown name": {good + strings.Repeat("a", 500) + ": 1\n", "unknown-field"},
	} {
		_, diags := Load("p.kv.yaml", []byte(test.source))
		if len(diags) == 0 || diags[0].Rule != test.rule {
			t.Errorf("%s: %d findings, the first is %s; want %s", name, len(diags), findings(diags[:min(1, len(diags))]), test.rule)
		}
		for _, d := range diags {
			if len(d.Message)+len(d.Hint) > 1000 {
				t.Errorf("%s: a message of %d bytes", name, len(d.Message)+len(d.Hint))
			}
		}
	}
}
