// Command kvgen generates type-safe Go from schemas of NATS key-value buckets.
//
// This file is the way in and out: it picks the subcommand and turns what comes of it into an exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/kvgen/kvgen/schema"
)

// Exit codes, a promise to scripts.
const (
	exitOK          = 0
	exitFindings    = 1 // errors in a schema, files out of date
	exitUsage       = 2 // the command was used wrongly
	exitEnvironment = 3 // a file, the Go toolchain
)

// console is what a run of the command talks to.
type console struct {
	stdout   io.Writer
	stderr   io.Writer
	env      []string // "NAME=value"
	terminal bool     // stderr is one
	color    bool     // stderr shows colours
}

// getenv returns a variable of the environment, or "".
func (c *console) getenv(name string) string {
	value := ""
	for _, entry := range c.env {
		if k, v, _ := strings.Cut(entry, "="); k == name {
			value = v // the last one counts, as in os/exec
		}
	}
	return value
}

// errFindings ends a run whose findings have been printed.
var errFindings = errors.New("there are findings")

// usageError says how the command was used wrongly.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

func main() {
	os.Exit(start())
}

func start() int {
	// A run is short and its memory small: collect rarely. A limit keeps large schemas in bounds.
	debug.SetGCPercent(200)
	debug.SetMemoryLimit(200 << 20)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &console{stdout: os.Stdout, stderr: os.Stderr, env: os.Environ()}
	c.terminal = isTerminal(os.Stderr) && c.getenv("TERM") != "dumb"
	c.color = c.terminal && c.getenv("NO_COLOR") == ""
	return run(ctx, c, os.Args[1:])
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// run runs the command line and returns the exit code.
func run(ctx context.Context, c *console, args []string) int {
	err := dispatch(ctx, c, args)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &usage):
		fmt.Fprintf(c.stderr, "kvgen: %s\n", printable(usage.message))
		if usage.hint != "" {
			fmt.Fprintf(c.stderr, "   hint: %s\n", printable(usage.hint))
		}
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(c.stderr, "kvgen: interrupted; no file was changed")
		return exitEnvironment
	}
	fmt.Fprintf(c.stderr, "kvgen: %s\n", printable(err.Error()))
	return exitEnvironment
}

// commands are the subcommands in the order in which help lists them.
func commands() []string { return []string{"generate", "check", "version", "help"} }

func dispatch(ctx context.Context, c *console, args []string) error {
	if len(args) == 0 {
		return runGenerate(ctx, c, nil, false)
	}
	switch word := args[0]; word {
	case "generate":
		return runGenerate(ctx, c, args[1:], true)
	case "check":
		return runCheck(ctx, c, args[1:])
	case "version", "--version", "-version":
		return runVersion(c, args[1:])
	case "help":
		return runHelp(c, args[1:])
	case "-h", "-help", "--help":
		return runHelp(c, nil)
	default:
		if !strings.HasPrefix(word, "-") && !isPath(word) {
			return unknownCommand(word)
		}
	}
	return runGenerate(ctx, c, args, false)
}

// isPath tells a path from a mistyped command.
func isPath(word string) bool {
	if strings.ContainsAny(word, `/\`) || word == "..." || strings.HasSuffix(word, ".yaml") || strings.HasSuffix(word, ".yml") {
		return true
	}
	_, err := os.Lstat(filepath.Clean(word))
	return word != "" && err == nil
}

func unknownCommand(word string) error {
	hint := "the commands are " + strings.Join(commands(), ", ") + "; a path is a schema file (NAME.kv.yaml), a folder, or ./..."
	if near := schema.Suggest(word, commands()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &usageError{fmt.Sprintf("%q is neither a command nor a path", word), hint}
}
