// Suggestions: names of a package that are near to one that it does not have.

package generator

import (
	"fmt"
	"go/types"

	"golang.org/x/tools/go/packages"

	"github.com/kvgen/kvgen/schema"
)

// suggestExported returns a hint with the exported name of pkg nearest to name, or "".
func suggestExported(pkg *packages.Package, name string, value bool) string {
	var candidates []string
	scope := pkg.Types.Scope()
	for _, candidate := range scope.Names() { // sorted
		obj := scope.Lookup(candidate)
		if _, isType := obj.(*types.TypeName); obj.Exported() && isType != value {
			candidates = append(candidates, candidate)
		}
	}
	best := schema.Suggest(name, candidates)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", pkg.PkgPath+"."+best)
}
