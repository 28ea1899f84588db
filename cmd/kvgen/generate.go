// kvgen generate.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/kvgen/kvgen/generator"
	"github.com/kvgen/kvgen/schema"
)

// runGenerate generates; explicit says that the command was given, not only paths.
func runGenerate(ctx context.Context, c *console, args []string, explicit bool) error {
	var o options
	fs := newFlags("generate", &o)
	fs.BoolVar(&o.check, "check", false, "")
	fs.BoolVar(&o.stdout, "stdout", false, "")
	fs.BoolVar(&o.watch, "watch", false, "")
	paths, err := parseArgs(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return runHelp(c, []string{"generate"})
	}
	if err != nil {
		return err
	}
	if err := o.validate(); err != nil {
		return err
	}
	if o.watch {
		return watch(ctx, c, &o, paths, explicit)
	}
	return generate(ctx, c, &o, paths, explicit)
}

// generate makes the files of the paths' schemas and does with them what the flags say.
func generate(ctx context.Context, c *console, o *options, paths []string, explicit bool) error {
	inputs, err := findInputs(paths, !explicit)
	if err != nil {
		return err
	}
	projects, err := group(inputs, o.out)
	if err != nil {
		return err
	}
	var known *memory
	if !o.stdout && !o.verbose {
		known = openMemory(c)
	}
	projects = known.pending(projects)
	found, err := analyse(ctx, c, o, projects)
	if err := report(c, o, found, err); err != nil {
		return err
	}
	var changes []change
	var printed []generated
	var made [][]generator.File
	for _, p := range projects {
		files, err := generator.Generate(p.files, p.types)
		if err != nil {
			return err
		}
		if o.stdout {
			for _, file := range files {
				printed = append(printed, generated{filepath.ToSlash(filepath.Join(p.dir, file.Path)), file.Content})
			}
			continue
		}
		made = append(made, files)
		planned, err := plan(p, files)
		if err != nil {
			return err
		}
		changes = append(changes, planned...)
	}
	switch {
	case o.stdout:
		return printFiles(c, printed)
	case o.check:
		return compare(c, o, changes)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := apply(changes); err != nil {
		return err
	}
	known.rememberAll(projects, found, made)
	if o.verbose {
		for _, ch := range changes {
			fmt.Fprintf(c.stderr, "%s %s\n", ch.verb(), ch.show)
		}
	}
	return nil
}

// report prints the diagnostics of a call. It returns an error if the call ends with them. When the
// environment failed, and there are errors in a schema too, these are the result: they are certain.
func report(c *console, o *options, found findings, environment error) error {
	if err := printDiagnostics(c, o, found); err != nil {
		return err
	}
	if !schema.HasErrors(found.diags) {
		return environment
	}
	if environment != nil {
		var usage *usageError
		if errors.As(environment, &usage) || errors.Is(environment, context.Canceled) {
			return environment
		}
		fmt.Fprintf(c.stderr, "kvgen: %s\n", printable(environment.Error()))
	}
	return errFindings
}

// generated is a file to print.
type generated struct {
	show    string
	content []byte
}

// printFiles prints generated files, headed by their names as in a txtar archive if there are several.
func printFiles(c *console, files []generated) error {
	for _, file := range files {
		if len(files) > 1 {
			if _, err := fmt.Fprintf(c.stdout, "-- %s --\n", file.show); err != nil {
				return err
			}
		}
		if _, err := c.stdout.Write(file.content); err != nil {
			return err
		}
	}
	return nil
}
