package main

import (
	"strings"
	"testing"
)

func TestCaretsStandBelowTheirPlace(t *testing.T) {
	long := strings.Repeat("0123456789", 50)
	tests := []struct {
		name        string
		line        string
		column, end int
		shown       string
		pad, carets string
	}{
		{"plain", "  histroy: 5", 3, 10, "  histroy: 5", "  ", "^^^^^^^"},
		{"a place of no width", "a: b", 4, 4, "a: b", "   ", "^"},
		{"the end of the line", "a:", 3, 3, "a:", "  ", "^"},
		{"an end in a later line", "a: |", 4, 90, "a: |", "   ", "^"},
		{"a tab before leads to the same stop", "a:\tbad", 4, 7, "a:\tbad", "  \t", "^^^"},
		{"a wide rune before takes two places", "名: bad", 4, 7, "名: bad", "    ", "^^^"},
		{"wide runes take two carets", "a: 名前", 4, 6, "a: 名前", "   ", "^^^^"},
		{"an accent of its own takes no place", "e\u0301: bad", 5, 8, "e\u0301: bad", "   ", "^^^"},
		{"an emoji takes two places", "🚀 bad", 3, 6, "🚀 bad", "   ", "^^^"},
		{"escape codes are not obeyed", "a: \x1b[31m", 4, 5, "a: \ufffd[31m", "   ", "^"},
		{"text does not run backwards", "a: \u202eb", 5, 6, "a: \ufffdb", "    ", "^"},
		{"what nobody sees is seen", "\u200ba\u2060: \ufeffb", 5, 6, "\ufffda\ufffd: \ufffdb", "    ", "^"},
		{"a column outside of the line", "a", 9, 10, "a", "", ""},
		{"no column", "a", 0, 0, "a", "", ""},
		{"a long line is cut around the place", long, 201, 203,
			"…" + long[140:300] + "…", strings.Repeat(" ", 61), "^^"},
		{"a long line is cut at its end only", long, 3, 5, long[:160] + "…", "  ", "^^"},
		{"an underlining ends with what is shown", long, 450, 501, "…" + long[340:], strings.Repeat(" ", 110), strings.Repeat("^", 51)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shown, pad, carets := underline(test.line, test.column, test.end)
			if shown != test.shown || pad != test.pad || carets != test.carets {
				t.Errorf("got\n%q\n%q\n%q\nwant\n%q\n%q\n%q", shown, pad, carets, test.shown, test.pad, test.carets)
			}
		})
	}
}
