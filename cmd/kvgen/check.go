// kvgen check.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

// runCheck reports all problems of the schemas, or explains a rule.
func runCheck(ctx context.Context, c *console, args []string) error {
	var o options
	fs := newFlags("check", &o)
	fs.StringVar(&o.explain, "explain", "", "")
	paths, err := parseArgs(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return runHelp(c, []string{"check"})
	}
	if err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	explain := false
	fs.Visit(func(f *flag.Flag) { explain = explain || f.Name == "explain" })
	if explain {
		if len(paths) > 0 {
			return &usageError{"--explain takes the id of a rule and no path", ""}
		}
		return explainRule(c, o.explain)
	}
	inputs, err := findInputs(paths, false)
	if err != nil {
		return err
	}
	if o.verbose {
		for _, in := range inputs {
			fmt.Fprintf(c.stderr, "checking %s\n", in.path)
		}
	}
	projects, err := group(inputs, o.out)
	if err != nil {
		return err
	}
	found, err := analyse(ctx, c, &o, projects)
	return report(c, &o, found, err)
}

// explainRule prints the catalogue's entry of a rule.
func explainRule(c *console, id string) error {
	var ids []string
	for _, rule := range schema.Rules() {
		if rule.ID == id {
			_, err := io.WriteString(c.stdout, ruleText(rule))
			return err
		}
		ids = append(ids, rule.ID)
	}
	hint := "diagnostics show the id of their rule in brackets: [unknown-field]"
	if near := schema.Suggest(id, ids); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &usageError{fmt.Sprintf("there is no rule %q", id), hint}
}

// ruleText writes a rule's entry for reading.
func ruleText(rule schema.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n%s\n", rule.ID, rule.Severity, strings.TrimSpace(rule.Summary))
	if text := strings.TrimSpace(rule.Explanation); text != "" {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	example := func(title, yaml string) {
		yaml = strings.Trim(yaml, "\n")
		if yaml == "" {
			return
		}
		fmt.Fprintf(&b, "\n%s:\n\n", title)
		for line := range strings.SplitSeq(yaml, "\n") {
			b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
		}
	}
	example("Not like this", rule.Bad)
	example("Like this", rule.Good)
	return b.String()
}
