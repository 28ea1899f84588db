// Automata over the bytes of one token: small enough to build for every token of a schema, exact
// enough to tell whether two of them share a text and to show one.

package schema

import (
	"slices"
	"strconv"
	"strings"
)

// byteEdge leads to a state on each byte from lo to hi.
type byteEdge struct {
	lo, hi byte
	to     int
}

// automaton is nondeterministic, without empty moves once built. It starts in state 0.
type automaton struct {
	edges  [][]byteEdge
	accept []bool
	empty  [][]int // empty moves, while it is built
}

// newAutomaton returns an automaton with a start state and nothing else.
func newAutomaton() *automaton {
	a := &automaton{}
	a.state()
	return a
}

func (a *automaton) state() int {
	a.edges = append(a.edges, nil)
	a.accept = append(a.accept, false)
	a.empty = append(a.empty, nil)
	return len(a.edges) - 1
}

func (a *automaton) edge(from int, lo, hi byte, to int) {
	a.edges[from] = append(a.edges[from], byteEdge{lo, hi, to})
}

func (a *automaton) skip(from, to int) { a.empty[from] = append(a.empty[from], to) }

// text adds the bytes of s after a state and returns the state behind them.
func (a *automaton) text(from int, s string) int {
	for i := range len(s) {
		to := a.state()
		a.edge(from, s[i], s[i], to)
		from = to
	}
	return from
}

// words adds an alternative of texts between two states. Texts share the states of what they begin
// with alike, so that an enum of many words does not make a state of many edges.
func (a *automaton) words(from, to int, words ...string) {
	type move struct {
		from int
		by   byte
	}
	known := map[move]int{}
	for _, w := range words {
		at := from
		for i := range len(w) {
			m := move{at, w[i]}
			if _, ok := known[m]; !ok {
				known[m] = a.text(at, w[i:i+1])
			}
			at = known[m]
		}
		a.skip(at, to)
	}
}

// digits adds n decimal digits after a state and returns the state behind them.
func (a *automaton) digits(from, n int) int {
	for range n {
		to := a.state()
		a.edge(from, '0', '9', to)
		from = to
	}
	return from
}

// finish makes state end the only accepting one and removes empty moves.
func (a *automaton) finish(end int) *automaton {
	a.accept[end] = true
	edges, accept := make([][]byteEdge, len(a.edges)), make([]bool, len(a.edges))
	for s := range a.edges {
		reached := []int{s}
		for i := 0; i < len(reached); i++ {
			at := reached[i]
			edges[s] = append(edges[s], a.edges[at]...)
			accept[s] = accept[s] || a.accept[at]
			for _, to := range a.empty[at] {
				if !slices.Contains(reached, to) {
					reached = append(reached, to)
				}
			}
		}
	}
	a.edges, a.accept, a.empty = edges, accept, nil
	return a
}

// unescapedRanges are the bytes that stand for themselves in an escaped token.
func unescapedRanges() [6][2]byte {
	return [6][2]byte{{'a', 'z'}, {'0', '9'}, {'A', 'Z'}, {'-', '-'}, {'/', '/'}, {'_', '_'}}
}

func isUnescaped(c byte) bool {
	for _, r := range unescapedRanges() {
		if r[0] <= c && c <= r[1] {
			return true
		}
	}
	return false
}

// escapeToken writes a text as the token that stands for it in a key.
func escapeToken(s string) string {
	if s == "" {
		return "="
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isUnescaped(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// isPlainToken reports whether s can be a token without escaping.
func isPlainToken(s string) bool {
	for i := range len(s) {
		if !isUnescaped(s[i]) && s[i] != '=' {
			return false
		}
	}
	return s != ""
}

// escaped adds every token that stands for some string.
func (a *automaton) escaped(from, to int) {
	more, equals := a.state(), a.state()
	for _, s := range []int{from, more} {
		for _, r := range unescapedRanges() {
			a.edge(s, r[0], r[1], more)
		}
		a.edge(s, '=', '=', equals)
	}
	for hi := range 16 {
		var low int = -1
		for lo := range 16 {
			if isUnescaped(byte(hi<<4 | lo)) {
				continue
			}
			if low < 0 {
				low = a.state()
				digit := hexDigit(hi)
				a.edge(equals, digit, digit, low)
			}
			a.edge(low, hexDigit(lo), hexDigit(lo), more)
		}
	}
	a.edge(from, '=', '=', to) // the empty string
	a.skip(more, to)
}

func hexDigit(n int) byte { return "0123456789ABCDEF"[n] }

// plain adds every text that is a token as it is.
func (a *automaton) plain(from, to int) {
	more := a.state()
	for _, s := range []int{from, more} {
		for _, r := range unescapedRanges() {
			a.edge(s, r[0], r[1], more)
		}
		a.edge(s, '=', '=', more)
	}
	a.skip(more, to)
}

// upTo adds the decimal numbers from least, which is 0 or 1, to the largest one, without leading zeros.
func (a *automaton) upTo(from, to int, least int, largest string) {
	if least == 0 {
		a.words(from, to, "0")
	}
	for n := 1; n < len(largest); n++ {
		first := a.state()
		a.edge(from, '1', '9', first)
		a.skip(a.digits(first, n-1), to)
	}
	tight := from // the state after as many digits as the largest number begins with
	for i := range len(largest) {
		lo := byte('0')
		if i == 0 {
			lo = '1'
		}
		if largest[i] > lo {
			below := a.state()
			a.edge(tight, lo, largest[i]-1, below)
			a.skip(a.digits(below, len(largest)-1-i), to)
		}
		tight = a.text(tight, largest[i:i+1])
	}
	a.skip(tight, to)
}

// integers adds the numbers of a Go integer type.
func (a *automaton) integers(from, to int, name string) {
	bits, err := strconv.Atoi(strings.TrimLeft(name, "uint"))
	if err != nil {
		bits = 64 // int and uint; which of their values fit is known at run time only
	}
	if strings.HasPrefix(name, "u") {
		a.upTo(from, to, 0, strconv.FormatUint(1<<bits-1, 10))
		return
	}
	a.upTo(from, to, 0, strconv.FormatUint(1<<(bits-1)-1, 10))
	minus := a.text(from, "-")
	a.upTo(minus, to, 1, strconv.FormatUint(1<<(bits-1), 10))
}

// uuid adds the 36 characters of a UUID in lower case.
func (a *automaton) uuid(from, to int) {
	for i, n := range []int{8, 4, 4, 4, 12} {
		if i > 0 {
			from = a.text(from, "-")
		}
		for range n {
			next := a.state()
			a.edge(from, '0', '9', next)
			a.edge(from, 'a', 'f', next)
			from = next
		}
	}
	a.skip(from, to)
}

// dates adds the days of the Gregorian calendar, years 0000 to 9999, as 2006-01-02.
func (a *automaton) dates(from, to int) {
	year := a.text(a.digits(from, 4), "-")
	thirty, thirtyOne := a.state(), a.state() // behind the months of that many days
	a.words(year, thirtyOne, "01-", "03-", "05-", "07-", "08-", "10-", "12-")
	a.words(year, thirty, "04-", "06-", "09-", "11-")
	a.words(thirtyOne, to, "31")
	a.skip(thirtyOne, thirty)
	a.words(thirty, to, "29", "30")
	days := a.state()
	a.skip(thirty, days)
	a.words(year, days, "02-")
	for _, d := range []struct {
		tens   string
		lo, hi byte
	}{{"0", '1', '9'}, {"1", '0', '9'}, {"2", '0', '8'}} {
		a.edge(a.text(days, d.tens), d.lo, d.hi, to)
	}
	leap := a.state()
	century := a.digits(from, 2)
	for n := 4; n < 100; n += 4 {
		two := string([]byte{byte('0' + n/10), byte('0' + n%10)})
		a.words(century, leap, two)
		a.words(from, leap, two+"00")
	}
	a.words(from, leap, "0000")
	a.words(leap, to, "-02-29")
}

// accepts reports whether a text is one of the automaton's. Steps are taken from the budget.
func (a *automaton) accepts(text string, budget *int) bool {
	states := []int{0}
	for i := range len(text) {
		var next []int
		for _, s := range states {
			*budget -= len(a.edges[s])
			for _, e := range a.edges[s] {
				if e.lo <= text[i] && text[i] <= e.hi && !slices.Contains(next, e.to) {
					next = append(next, e.to)
				}
			}
		}
		if states = next; len(states) == 0 || *budget < 0 {
			return false
		}
	}
	return slices.ContainsFunc(states, func(s int) bool { return a.accept[s] })
}

// productCost is how many steps of the budget a move of two automata takes.
const productCost = 16

// productStep is a pair of states that two automata reach with the same text.
type productStep struct {
	a, b int32
	from int32 // index of the step before; -1 at the start
	by   byte
}

// product returns a shortest text that both automata accept. If the budget ends, it returns none.
func (l *languages) product(a, b *automaton) (text string, ok bool) {
	steps := append(l.steps[:0], productStep{from: -1})
	defer func() { l.steps = steps }()
	seen := make([]uint64, (len(a.edges)*len(b.edges)+63)/64) // a bit for each pair of states
	seen[0] = 1
	for i := 0; i < len(steps); i++ {
		at := steps[i]
		if a.accept[at.a] && b.accept[at.b] {
			var out []byte
			for s := at; s.from >= 0; s = steps[s.from] {
				out = append(out, s.by)
			}
			slices.Reverse(out)
			return string(out), true
		}
		if l.budget -= productCost * (1 + len(a.edges[at.a])*len(b.edges[at.b])); l.budget < 0 {
			return "", false
		}
		for _, ea := range a.edges[at.a] {
			for _, eb := range b.edges[at.b] {
				lo, hi := max(ea.lo, eb.lo), min(ea.hi, eb.hi)
				pair := ea.to*len(b.edges) + eb.to
				if lo > hi || seen[pair/64]&(1<<(pair%64)) != 0 {
					continue
				}
				seen[pair/64] |= 1 << (pair % 64)
				steps = append(steps, productStep{int32(ea.to), int32(eb.to), int32(i), lo})
			}
		}
	}
	return "", false
}
