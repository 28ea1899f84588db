// Package generator turns checked schemas into Go source. It works in stages, each a function over
// values: resolve the Go types that the schemas name, lower the schemas to an intermediate
// representation in which every name is final, print that, format the result. It writes nothing;
// the caller gets the files in memory.
package generator
