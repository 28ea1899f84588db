// Package schema reads the YAML files that describe buckets, keys and values, and checks them.
//
// Load turns the text of one file into a File with the place of everything in it; Check completes the
// files that generate into one folder and finds what is wrong between their parts. Whatever is wrong
// is a Diagnostic: a value with a rule, a place, plain words and, where possible, the way to mend it.
package schema
