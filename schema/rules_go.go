// Rules of Go types that a schema names. The generator checks them, since it takes the go command to
// find the types; the examples name packages that are not there to be tried.

package schema

var goRules = []Rule{
	{
		ID:      "go-type-invalid",
		Summary: "A Go type or value exists, but generated code cannot use it.",
		Explanation: `It is generic without arguments, an interface, a function or channel, in a command (package main),
internal to another module, or in a package that imports the generated one.`,
	},
	{
		ID:      "go-type-missing",
		Summary: "A Go package, or a type or value in it, does not exist.",
		Explanation: `The path is written as in an import declaration and must be found from the folder that the code is
generated into: add its module with go get, or give the build tags it needs with --tags.`,
	},
	{
		ID:          "go-type-unexported",
		Summary:     "A Go type or value is not exported.",
		Explanation: "Generated code is in another package, and can only name what begins with a capital letter.",
	},
	{
		ID:          "invalid-go-type",
		Summary:     "The name of a Go type or value is malformed.",
		Explanation: "It is an import path, a dot and a name: github.com/acme/money.Amount.",
		Bad: `
types:
  Money:
    go: github.com/acme/money
`,
		Good: `
types:
  Money:
    go: github.com/acme/money.Amount
`,
	},
	{
		ID:          "key-not-comparable",
		Summary:     "A Go type of a parameter is not comparable.",
		Explanation: "Key structs are keys of Go maps, so all their fields are strings, numbers, arrays or structs of them.",
	},
	{
		ID:       "value-round-trip",
		Severity: Warning,
		Summary:  "A Go value may not read back as it was written.",
		Explanation: `encoding/json leaves out unexported fields, reads an any back as another type, and cannot store
channels and functions. Give the type MarshalJSON and UnmarshalJSON, or use another codec.`,
	},
}
