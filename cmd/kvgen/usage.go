// The help texts.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

const usageMain = `kvgen generates type-safe Go from schemas of NATS key-value buckets.

Usage:

	kvgen [generate] [flags] [PATH...]   generate Go code
	kvgen check [flags] [PATH...]        report all problems, write nothing
	kvgen version                        print the version
	kvgen help [COMMAND]                 explain a command

A PATH is a schema file (NAME.kv.yaml), a folder, which stands for the schema
files in it, or ./..., which stands for those in a folder and all below it.
No path at all is the current folder.

Exit codes: 0 all is well; 1 a schema has errors, or generated files are out of
date; 2 the command was used wrongly; 3 the environment failed: a file, the Go
toolchain.
`

const usageGenerate = `usage: kvgen [generate] [flags] [PATH...]

Generate writes the Go files of each schema next to it. It writes all files or
none, leaves a file alone that would not change, and removes files that it made
from the same schema earlier and that the schema no longer asks for. It never
touches a file that it did not generate.

A PATH is a schema file (NAME.kv.yaml), a folder, or ./...; none is the current
folder. Flags may follow paths.

	--check         write nothing; print a diff and exit with 1 if a file
	                would change
	--out DIR       write all files into DIR, which is created if missing
	--stdout        print the files instead of writing them
	--watch         generate again whenever a schema changes, until interrupted
	--tags LIST     build tags for loading Go types that schemas name
	--format FORM   diagnostics as text (to standard error), json or github (to
	                standard output)
	-q              no warnings, no diff
	-v              list the files written, unchanged and removed

What was generated is remembered in the folder kvgen of the user's cache folder,
so that a call which finds everything as it should be ends at once. The variable
KVGENCACHE names another folder, or is "off".
`

const usageCheck = `usage: kvgen check [flags] [PATH...]

Check reports the problems of all schemas and writes nothing. It exits with 1
if there are errors; warnings alone are 0.

A PATH is a schema file (NAME.kv.yaml), a folder, or ./...; none is the current
folder. Flags may follow paths.

	--explain RULE  explain a rule, with an example, and do nothing else
	--out DIR       the folder that generate would get
	--tags LIST     build tags for loading Go types that schemas name
	--format FORM   text (to standard error), json or github (to standard
	                output)
	-q              no warnings
	-v              list the schemas
`

const usageVersion = `usage: kvgen version

Version prints the version of kvgen and of the Go toolchain that built it.
`

const usageHelp = `usage: kvgen help [COMMAND]
`

// runHelp prints the help of a command, or of kvgen itself.
func runHelp(c *console, args []string) error {
	text := usageMain
	if len(args) > 0 {
		switch args[0] {
		case "generate":
			text = usageGenerate
		case "check":
			text = usageCheck
		case "version":
			text = usageVersion
		case "help", "-h", "-help", "--help":
			text = usageHelp
		default:
			hint := "the commands are " + strings.Join(commands(), ", ")
			if near := schema.Suggest(args[0], commands()); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return &usageError{fmt.Sprintf("no help for %q, which is not a command", args[0]), hint}
		}
	}
	_, err := io.WriteString(c.stdout, text)
	return err
}
