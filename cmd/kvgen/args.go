// The arguments of a subcommand: flags, which may stand before and after paths, and paths.

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

// options are the flags; a subcommand declares those that it has.
type options struct {
	check   bool
	out     string
	stdout  bool
	watch   bool
	tags    string
	format  string
	explain string
	quiet   bool
	verbose bool
}

// newFlags returns the flags that generate and check have in common.
func newFlags(command string, o *options) *flag.FlagSet {
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are printed by run, help by runHelp
	fs.Usage = func() {}
	fs.StringVar(&o.out, "out", "", "")
	fs.StringVar(&o.tags, "tags", "", "")
	fs.StringVar(&o.format, "format", formatText, "")
	fs.BoolVar(&o.quiet, "q", false, "")
	fs.BoolVar(&o.verbose, "v", false, "")
	return fs
}

// parseArgs sets the flags and returns the paths. flag.ErrHelp stands for a call for help.
func parseArgs(fs *flag.FlagSet, args []string) ([]string, error) {
	var paths []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, flagError(fs, err)
		}
		rest := fs.Args()
		parsed := args[:len(args)-len(rest)]
		if len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			return append(paths, rest...), nil
		}
		if len(rest) == 0 {
			return paths, nil
		}
		paths = append(paths, rest[0])
		args = rest[1:]
	}
}

// flagError puts an error of package flag into our words.
func flagError(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	hint := fmt.Sprintf("kvgen help %s lists the flags", fs.Name())
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return &usageError{err.Error(), hint}
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := schema.Suggest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", dashed(near))
	}
	return &usageError{fmt.Sprintf("unknown flag %s of kvgen %s", dashed(name), fs.Name()), hint}
}

// dashed writes a flag as help does.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// validate finds flags that do not go together.
func (o *options) validate() error {
	switch o.format {
	case formatText, formatJSON, formatGitHub:
	default:
		hint := "the formats are text, json and github"
		if near := schema.Suggest(o.format, []string{formatText, formatJSON, formatGitHub}); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return &usageError{fmt.Sprintf("unknown format %q", o.format), hint}
	}
	clash := func(a, b, why string) error {
		return &usageError{fmt.Sprintf("%s and %s exclude each other", a, b), why}
	}
	switch {
	case o.quiet && o.verbose:
		return clash("-q", "-v", "one says less, the other more")
	case o.check && o.stdout:
		return clash("--check", "--stdout", "one compares the files, the other prints them")
	case o.check && o.watch:
		return clash("--check", "--watch", "one writes nothing, the other writes whenever a schema changes")
	case o.stdout && o.watch:
		return clash("--stdout", "--watch", "output that is printed again and again has no end")
	case o.stdout && o.format == formatJSON:
		return clash("--stdout", "--format json", "both print to standard output")
	}
	return nil
}

// tagList returns the build tags, which may be separated as the go command takes them.
func (o *options) tagList() []string {
	return strings.FieldsFunc(o.tags, func(r rune) bool { return r == ',' || r == ' ' })
}
