// Carets: which part of a line is shown, and how far to the right the underlining stands. Columns
// count runes; on a terminal a rune takes no place, one, two, or leads to the next tab stop.

package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how many runes of a line are shown; longer lines are shown around the place.
const (
	maxShown  = 160
	ahead     = 60 // runes before the place of a line that is cut
	cutMarker = "…"
)

// underline returns a line as it is shown, the blanks that lead to column, and carets up to
// endColumn. A place beyond the line gets no carets; one of no width gets one.
func underline(line string, column, endColumn int) (shown, pad, carets string) {
	length, start := utf8.RuneCountInString(line), column-1
	end := max(min(endColumn-1, length), start+1)
	if start < 0 || start > length {
		start, end = 0, 0 // the line without carets
	}
	from, to := window(length, start)
	var b strings.Builder
	if from > 0 {
		b.WriteString(cutMarker)
		pad = " "
	}
	runes := runesOf(line, from, to)
	b.WriteString(string(runes))
	if to < length {
		b.WriteString(cutMarker)
	}
	pad += blanks(runes[:max(0, min(start, to)-from)])
	if end == 0 {
		return b.String(), "", ""
	}
	width := 1
	if start < to {
		width = max(1, len(blanks(runes[start-from:min(end, to)-from])))
	}
	return b.String(), pad, strings.Repeat("^", width)
}

// runesOf returns the runes of a line from one number to another, harmless for a terminal. A line may
// have millions.
func runesOf(line string, from, to int) []rune {
	runes := make([]rune, 0, to-from)
	n := 0
	for _, r := range line {
		if n >= to {
			break
		}
		if n >= from {
			runes = append(runes, visible(r))
		}
		n++
	}
	return runes
}

// window returns the part of a line of n runes that is shown for a place.
func window(n, start int) (from, to int) {
	if n <= maxShown {
		return 0, n
	}
	from = max(0, min(start-ahead, n-maxShown))
	return from, from + maxShown
}

// blanks returns white space as wide as the runes. Tabs stay tabs, and so lead to the same stop.
func blanks(runes []rune) string {
	var b strings.Builder
	for _, r := range runes {
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
			// drawn onto the rune before
		case isWide(r):
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// isWide reports whether terminals give a rune two places: East Asian scripts and emoji, the blocks
// in which UAX #11 has wide and full-width characters.
func isWide(r rune) bool {
	return r >= 0x1100 && r <= 0x115F || // Hangul initials
		r >= 0x2E80 && r <= 0x303E || // CJK radicals and punctuation
		r >= 0x3041 && r <= 0xA4CF || // Kana, CJK, Yi
		r >= 0xA960 && r <= 0xA97F ||
		r >= 0xAC00 && r <= 0xD7A3 || // Hangul syllables
		r >= 0xF900 && r <= 0xFAFF ||
		r >= 0xFE30 && r <= 0xFE6F ||
		r >= 0xFF00 && r <= 0xFF60 || // full-width forms
		r >= 0xFFE0 && r <= 0xFFE6 ||
		r >= 0x1F300 && r <= 0x1F64F || // pictographs, emoji
		r >= 0x1F680 && r <= 0x1F6FF ||
		r >= 0x1F900 && r <= 0x1F9FF ||
		r >= 0x20000 && r <= 0x3FFFD // CJK extensions
}
