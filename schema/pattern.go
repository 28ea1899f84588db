// Patterns of keys: tokens between dots, each a literal or one parameter.

package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxKeyLength is the most bytes that an encoded key may have.
const maxKeyLength = 1024

// paramTypes are the parameter types that the language has by itself.
var paramTypes = []string{"string", "int", "int32", "int64", "uint", "uint32", "uint64", "bool", "uuid", "date"}

// pattern reads a key pattern; at gives the place of a part of its text. Every token is read, also
// after one that is wrong, but a pattern with errors has no tokens.
func (l *loader) pattern(t Text, at func(from, to int) Pos) Pattern {
	r := &patternReader{loader: l, text: t.Value, at: at, ok: true, names: map[string]Pos{}}
	if t.Value == "" {
		r.fail(0, 0, "the pattern is empty", `write tokens separated by dots: "order.{tenant}"`)
		return Pattern{Text: t}
	}
	var tokens []Token
	length := 0
	lastBrace := strings.LastIndexByte(r.text, '}')
	for from := 0; from <= len(r.text) && len(tokens) <= maxKeyLength; {
		to := from + tokenEnd(r.text[from:], lastBrace-from)
		token := r.token(from, to)
		tokens = append(tokens, token)
		length += minLength(token) + 1
		from = to + 1
	}
	if length--; r.ok && length > maxKeyLength {
		l.report("key-too-long", t.Pos, fmt.Sprintf("keys of this pattern have at least %d bytes", length), fmt.Sprintf("a key has at most %d", maxKeyLength))
		r.ok = false
	}
	if len(tokens) == 1 && r.ok && tokens[0].Prefix == "=" && anyText(tokens[0].Param) {
		l.report("reserved-key", t.Pos, fmt.Sprintf("pattern %s could make %q, a key that the runtime keeps for itself", quote(t.Value), reservedKey),
			"begin the pattern with another literal")
		r.ok = false
	}
	if !r.ok {
		tokens = nil
	}
	return Pattern{Text: t, Tokens: tokens}
}

// tokenEnd returns the offset of the dot that ends the first token of s; dots within braces do not. The
// last closing brace is at an offset.
func tokenEnd(s string, lastBrace int) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		case '.':
			if depth == 0 || i > lastBrace {
				return i
			}
		}
	}
	return len(s)
}

// anyText reports whether a parameter's text in a key is not limited by its type alone.
func anyText(p *Param) bool {
	return p.Kind == ParamString || p.Kind == ParamEnum || p.Kind == ParamGo
}

// minLength is the least number of bytes that a token takes in a key.
func minLength(t Token) int {
	if t.Param == nil {
		return len(t.Literal)
	}
	least := 1 // a digit, or the = of an empty string
	switch t.Param.Kind {
	case ParamBool:
		least = len("true")
	case ParamUUID:
		least = len("00000000-0000-0000-0000-000000000000")
	case ParamDate:
		least = len("2006-01-02")
	}
	return len(t.Prefix) + least + len(t.Suffix)
}

// patternReader is the state of reading one pattern.
type patternReader struct {
	loader *loader
	text   string
	at     func(from, to int) Pos
	ok     bool // nothing was wrong so far
	names  map[string]Pos
}

func (r *patternReader) fail(from, to int, message, hint string, places ...Related) {
	r.loader.report("invalid-pattern", r.at(from, to), message, hint, places...)
	r.ok = false
}

// token reads the token between two offsets.
func (r *patternReader) token(from, to int) Token {
	s := r.text[from:to]
	if s == "" {
		r.empty(from)
		return Token{}
	}
	open, shut := strings.IndexByte(s, '{'), strings.IndexByte(s, '}')
	switch {
	case open < 0 && shut < 0:
		r.literal(from, to)
		return Token{Literal: s}
	case open < 0 || shut >= 0 && shut < open:
		r.fail(from+shut, from+shut+1, "} without a { before it", "a parameter is {name}")
		return Token{}
	case shut < 0:
		r.fail(from+open, from+open+1, "{ without a } behind it", "a parameter is {name}")
		return Token{}
	}
	token := Token{Prefix: s[:open], Suffix: s[shut+1:]}
	if i := strings.IndexByte(s[open+1:shut], '{'); i >= 0 {
		r.fail(from+open+1+i, from+open+2+i, "{ within a parameter", "a parameter is {name}")
		return token
	}
	if i := strings.IndexAny(token.Suffix, "{}"); i >= 0 {
		if token.Suffix[i] == '}' {
			r.fail(from+shut+1+i, from+shut+2+i, "} without a { before it", "a parameter is {name}")
		} else {
			r.fail(from+shut+1+i, to, "a token can have only one parameter", "separate them by a dot")
		}
		return token
	}
	r.literal(from, from+open)
	r.literal(from+shut+1, to)
	if token.Param = r.param(from+open+1, from+shut); token.Param == nil {
		return token
	}
	if token.Param.Kind == ParamPath {
		switch name := token.Param.Name.Value; {
		case token.Prefix+token.Suffix != "":
			r.fail(from, to, fmt.Sprintf("{%s...} shares its token with other text", name), "it stands for whole tokens: separate it by a dot")
		case to != len(r.text):
			r.fail(from+open, from+shut+1, fmt.Sprintf("{%s...} is not the last token", name), fmt.Sprintf("it stands for all that follows; for one token, write {%s}", name))
		}
	}
	return token
}

// empty reports an empty token at an offset, at the dot that makes it so, and each dot once.
func (r *patternReader) empty(at int) {
	const hint = "tokens are separated by single dots"
	switch last := len(r.text) - 1; {
	case at == 0:
		r.fail(0, 1, "the pattern begins with a dot", hint)
	case at < last:
		r.fail(at, at+1, "the pattern has an empty token", hint)
	case at > last && last > 0:
		r.fail(last, last+1, "the pattern ends with a dot", hint)
	}
}

// literal checks the text between two offsets, which stands in every key.
func (r *patternReader) literal(from, to int) {
	for i, c := range r.text[from:to] {
		if isKeyRune(c) {
			continue
		}
		hint := "a key has letters, digits and - / _ ="
		switch c {
		case '*', '>':
			hint = "for any token, write a parameter: {name}; for all that follow, {name...}"
		case ':':
			hint = "the type of a parameter is written within its braces: {name:type}"
		}
		r.fail(from+i, from+i+utf8.RuneLen(c), fmt.Sprintf("%q cannot stand in a key", c), hint)
		return
	}
}

// isKeyRune reports whether NATS allows a character in a token of a key.
func isKeyRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '/' || r == '_' || r == '='
}

// param reads what stands between braces: name, name:type or name...
func (r *patternReader) param(from, to int) *Param {
	s := r.text[from:to]
	name, typ, typed := strings.Cut(s, ":")
	p := &Param{}
	if plain, ok := strings.CutSuffix(name, "..."); ok {
		name, p.Kind = plain, ParamPath
	}
	if !entryName.MatchString(name) {
		hint := "a name is a letter, followed by letters, digits, _ and -"
		if better := strings.TrimSpace(name); entryName.MatchString(better) {
			hint = "write it without spaces"
		}
		if strings.ContainsRune(name, '.') {
			hint += "; a dot cannot be part of it"
		}
		if name == "" {
			r.fail(from-1, to+1, "a parameter without a name", "give it one: {id}")
		} else {
			r.fail(from, from+len(name), quote(name)+" cannot be the name of a parameter", hint)
		}
		return nil
	}
	p.Name = Text{name, r.at(from, from+len(name))}
	if before, twice := r.names[name]; twice {
		r.fail(from, from+len(name), fmt.Sprintf("parameter %q occurs twice", name), "give each parameter a name of its own",
			related(r.loader.file, before, "the first one is here"))
		return nil
	}
	r.names[name] = p.Name.Pos
	if typed && !r.paramType(p, typ, to) {
		return nil
	}
	return p
}

// paramType reads the type of a parameter, which ends at an offset.
func (r *patternReader) paramType(p *Param, typ string, to int) bool {
	from := to - len(typ)
	switch {
	case p.Kind == ParamPath:
		r.fail(from-1, to, fmt.Sprintf("{%s...} cannot have a type", p.Name.Value), "its tokens are strings")
		return false
	case strings.HasSuffix(typ, "..."):
		r.fail(from, to, fmt.Sprintf("{%s:%s} cannot have a type and stand for several tokens", p.Name.Value, typ), fmt.Sprintf("write {%s...}; its tokens are strings", p.Name.Value))
		return false
	case typ == "":
		r.fail(from-1, to, "a type is missing after the colon", "write {"+p.Name.Value+"} for a string, or a type: {"+p.Name.Value+":uint64}")
		return false
	}
	p.TypeText = Text{typ, r.at(from, to)}
	switch typ {
	case "string":
	case "int", "int32", "int64":
		p.Kind, p.Builtin = ParamInt, typ
	case "uint", "uint32", "uint64":
		p.Kind, p.Builtin = ParamUint, typ
	case "bool":
		p.Kind = ParamBool
	case "uuid":
		p.Kind = ParamUUID
	case "date":
		p.Kind = ParamDate
	default:
		if entryName.MatchString(typ) {
			p.Kind = ParamEnum // for Check to find
			return true
		}
		if strings.ContainsAny(typ, "[]* \t") || !strings.ContainsAny(typ, "./") {
			hint := "allowed are: " + strings.Join(paramTypes, ", ") + ", an enum of the file, and Go types: import/path.Name"
			if better := strings.TrimSpace(typ); better != typ && !strings.ContainsAny(better, "[]* \t") {
				hint = "write it without spaces"
			}
			r.loader.report("unknown-param-type", p.TypeText.Pos, fmt.Sprintf("%s cannot be the type of a parameter", quote(typ)), hint)
			r.ok = false
			return false
		}
		p.Kind, p.Go = ParamGo, r.loader.goRef(p.TypeText)
		r.ok = r.ok && p.Go != nil
		return p.Go != nil
	}
	return true
}
