// Which generated types check their values: the names of their methods are taken, and the generator
// writes them.

package schema

// ValidatingTypes returns the types of a file that have something to check, after Check: enums, structs with a
// constraint, and structs with a field of such a type, at any depth.
func ValidatingTypes(f *File) map[*Type]bool {
	validates := map[*Type]bool{}
	users := map[*Type][]*Type{} // structs by the types of their fields
	var found []*Type
	find := func(t *Type) {
		if !validates[t] {
			validates[t] = true
			found = append(found, t)
		}
	}
	for _, t := range f.Types {
		if t.Kind == EnumType {
			find(t)
		}
		for _, field := range t.Fields {
			if field.Constraints.Any() {
				find(t)
			}
			for e := field.Type; e != nil; e = e.Elem {
				if e.Named != nil {
					users[e.Named] = append(users[e.Named], t)
				}
			}
		}
	}
	for len(found) > 0 {
		t := found[len(found)-1]
		found = found[:len(found)-1]
		for _, user := range users[t] {
			find(user)
		}
	}
	return validates
}
