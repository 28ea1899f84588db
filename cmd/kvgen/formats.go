// Diagnostics for programs: JSON, and the annotations of GitHub's workflows.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/kvgen/kvgen/schema"
)

// printJSON prints one array, an empty one if nothing was found.
func printJSON(w io.Writer, diags []schema.Diagnostic) error {
	if diags == nil {
		diags = []schema.Diagnostic{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(diags); err != nil {
		return fmt.Errorf("writing diagnostics as JSON: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// printGitHub prints a workflow command for each diagnostic.
func printGitHub(w io.Writer, diags []schema.Diagnostic) error {
	var b bytes.Buffer
	for _, d := range diags {
		fmt.Fprintf(&b, "::%s file=%s", d.Severity, escapeProperty(d.File))
		if d.Line > 0 {
			fmt.Fprintf(&b, ",line=%d,col=%d,endColumn=%d", d.Line, d.Column, max(d.Column, d.EndColumn))
		}
		message := d.Message
		if d.Hint != "" {
			message += "\nhint: " + d.Hint
		}
		for _, r := range d.Related {
			message += fmt.Sprintf("\nsee %s: %s", place(r.File, r.Line, r.Column), r.Message)
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", escapeProperty(d.Rule), escapeData(message))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// escapeData writes the text of a workflow command, in which a line end would begin the next command.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// escapeProperty writes a property of a workflow command; its end is a comma or a colon.
func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
