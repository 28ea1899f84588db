package schema

import (
	"strings"
	"testing"
)

func TestTheNearestNameIsSuggestedIfItIsNearEnough(t *testing.T) {
	candidates := []string{"history", "storage", "replicas", "ttl", "keys", "keys_from", "Status"}
	for name, want := range map[string]string{
		"histroy": "history", "History": "history", "histry": "history", "hist": "", "storge": "storage",
		"key": "keys", "keysfrom": "keys_from", "keys-from": "keys_from", "tll": "ttl", "status": "Status",
		"colour": "", "x": "", "": "", "replica": "replicas", strings.Repeat("history", 100): "",
	} {
		if got := Suggest(name, candidates); got != want {
			t.Errorf("%q suggests %q, want %q", name, got, want)
		}
	}
	if got := Suggest("a", nil); got != "" {
		t.Errorf("without candidates, %q", got)
	}
}

func TestDistanceCountsInsertedDeletedReplacedAndSwappedLetters(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "abcd", 1}, {"abcd", "bcd", 1}, {"abcdef", "badcfe", 3}, {"kitten", "sitting", 3}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q is %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
