package schema

import (
	"maps"
	"testing"
)

func TestCommentsThatIgnoreARuleSpeakOfTheNextLine(t *testing.T) {
	got := findIgnores([]string{
		"# kvgen:ignore first",
		"a: b # kvgen:ignore not-alone",
		"  #kvgen:ignore  second   because it is so\r",
		"\t# kvgen:ignore third",
		"c: d",
		"# kvgen:ignore",
		"# kvgen:ignored fourth",
		"e: f",
		"# kvgen:ignore last",
	}, nil)
	if want := map[ignore]bool{{2, "first"}: true, {5, "second"}: true, {5, "third"}: true}; !maps.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

func TestOnlyWarningsOfTheSameFileLineAndRuleAreDropped(t *testing.T) {
	file, diags := Load("a.kv.yaml", []byte("kvgen: v1\n# kvgen:ignore even-replicas\npackage: p\n"))
	if len(diags) > 0 {
		t.Fatal(findings(diags))
	}
	dropped := Diagnostic{Rule: "even-replicas", Severity: Warning, File: "a.kv.yaml", Line: 3}
	kept := []Diagnostic{dropped, dropped, dropped, dropped}
	kept[0].Severity = Error
	kept[1].Line = 4
	kept[2].Rule = "unused-type"
	kept[3].File = "b.kv.yaml"
	all := append([]Diagnostic{dropped}, kept...)
	got := DropIgnored([]*File{nil, file}, all)
	if len(got) != len(kept) {
		t.Errorf("%d are left, want %d", len(got), len(kept))
	}
	if len(all) != 5 || all[0].Rule != "even-replicas" {
		t.Error("the argument was changed")
	}
}
