// Molds. Most keys of a schema are declared like another one, but for names. What was printed once,
// with blanks in the place of the names, serves all of them, and takes far less time than printing.
// A blank may stand only for text that is printed as it is; everything else in a value, also what
// the emitters do not look at, is part of the shape by which its mold is found.

package generator

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// blankPrefix begins a blank; a letter follows. It makes identifiers.
const blankPrefix = "KVGENBLANK"

// blanks are the texts that stand behind the blanks of a value, first that of the blank A.
type blanks struct {
	texts  []string
	places int // how many texts of the value were replaced
}

// name replaces a name or a pattern, unless it has characters that string literals or comments change.
func (b *blanks) name(text *string) {
	if *text != "" && strings.Trim(*text, plainCharacters) == "" {
		b.replace(text, *text)
	}
}

const plainCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/=.:{}"

// comment replaces a text that is printed as lines of a comment, and nowhere else.
func (b *blanks) comment(text *string) {
	if lines := commentLines(*text); len(lines) > 0 {
		b.replace(text, strings.TrimPrefix(strings.Join(lines, "\n"), "// "))
	}
}

func (b *blanks) replace(text *string, by string) {
	if len(b.texts) > 'Z'-'A' {
		return
	}
	*text = blankPrefix + string(rune('A'+len(b.texts)))
	b.texts = append(b.texts, by)
	b.places++
}

// again puts the blank of another text in the place of one that is the same.
func (b *blanks) again(text *string, blank string) {
	*text = blank
	b.places++
}

// mold is a section with blanks, cut at them.
type mold struct {
	imports map[string]string
	fixed   []string // the text around the blanks, one more than there are blanks
	blank   []int    // which blank comes after the text
}

func newMold(s *section) *mold {
	m := &mold{imports: s.imports}
	rest := string(s.body)
	for {
		before, after, found := strings.Cut(rest, blankPrefix)
		m.fixed = append(m.fixed, before)
		if !found {
			return m
		}
		m.blank = append(m.blank, int(after[0]-'A'))
		rest = after[1:]
	}
}

// fill appends the section with texts in the place of the blanks.
func (m *mold) fill(out []byte, texts []string) []byte {
	for i, n := range m.blank {
		out = append(append(out, m.fixed[i]...), texts[n]...)
	}
	return append(out, m.fixed[len(m.blank)]...)
}

// molds are the molds of one unit, for several goroutines.
type molds struct {
	mu      sync.Mutex
	byShape map[string]*mold
}

// repeat appends a section: what emit prints of v. In blank, names of v have been replaced by those of b.
func repeat[T any](a *assembler, kind string, v, blank *T, b *blanks, emit func(*emitter, *T)) {
	shape := appendShape(append(a.shape[:0], kind...), reflect.ValueOf(blank).Elem())
	a.shape = shape
	if a.molds == nil || bytes.Count(shape, []byte(blankPrefix)) != b.places { // some text looks like a blank and is none
		a.print(func(e *emitter) { emit(e, v) })
		return
	}
	a.molds.mu.Lock()
	m := a.molds.byShape[string(shape)]
	a.molds.mu.Unlock()
	if m == nil {
		s := a.section(func(e *emitter) { emit(e, blank) })
		if s == nil {
			return
		}
		m = newMold(s)
		a.molds.mu.Lock()
		a.molds.byShape[string(shape)] = m
		a.molds.mu.Unlock()
	}
	a.open(m.imports)
	a.body = m.fill(a.body, b.texts)
}

// appendShape appends a text that is the same for equal values only, those behind pointers included.
func appendShape(out []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		out = strconv.AppendInt(out, int64(v.Len()), 10)
		return append(append(out, ':'), v.String()...)
	case reflect.Bool:
		return strconv.AppendBool(out, v.Bool())
	case reflect.Int, reflect.Int64:
		return append(strconv.AppendInt(out, v.Int(), 10), ';')
	case reflect.Pointer:
		if v.IsNil() {
			return append(out, '-')
		}
		return appendShape(append(out, '+'), v.Elem())
	case reflect.Slice:
		out = append(strconv.AppendInt(out, int64(v.Len()), 10), '[')
		for i := range v.Len() {
			out = appendShape(out, v.Index(i))
		}
		return out
	case reflect.Struct:
		for i := range v.NumField() {
			out = appendShape(out, v.Field(i))
		}
		return out
	}
	panic("the representation has a " + v.Kind().String())
}

// blank returns the key with blanks in it.
func (k *keyType) blank() (*keyType, *blanks) {
	out, b := *k, &blanks{}
	b.name(&out.Name)
	b.name(&out.GoName)
	b.name(&out.Pattern)
	b.comment(&out.Description)
	out.Value = b.declared(k.Value)
	if k.Validate != nil && k.Value.Kind == declaredType && k.Validate.GoName == k.Value.GoName {
		validate := *k.Validate
		b.again(&validate.GoName, out.Value.GoName)
		out.Validate = &validate
	}
	out.Parts = slices.Clone(k.Parts)
	for i := range out.Parts {
		b.name(&out.Parts[i].Literal)
	}
	return &out, b
}

// blank returns the accessor with blanks in it.
func (a *accessor) blank() (*accessor, *blanks) {
	out, b := *a, &blanks{}
	b.name(&out.GoName)
	b.name(&out.FieldName)
	b.name(&out.Bucket)
	b.name(&out.Key)
	b.name(&out.Pattern)
	b.name(&out.CacheName)
	b.name(&out.TxnName)
	b.comment(&out.Text)
	out.Value = b.declared(a.Value)
	return &out, b
}

// declared returns t with a blank in it, if the schema declares it.
func (b *blanks) declared(t typeRef) typeRef {
	if t.Kind == declaredType {
		b.name(&t.Name)
		b.name(&t.GoName)
	}
	return t
}
