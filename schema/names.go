// Go names: how a name of the schema becomes an identifier, and which identifiers Go takes.

package schema

import (
	"go/token"
	"strings"
	"unicode"
	"unicode/utf8"
)

// initialism reports whether golint writes a word all in capitals.
func initialism(word string) bool {
	switch word {
	case "ACL", "API", "ASCII", "CPU", "CSS", "DNS", "EOF", "GUID", "HTML", "HTTP", "HTTPS", "ID", "IP", "JSON",
		"LHS", "QPS", "RAM", "RHS", "RPC", "SLA", "SMTP", "SQL", "SSH", "TCP", "TLS", "TTL", "UDP", "UI", "UID",
		"UUID", "URI", "URL", "UTF8", "VM", "XML", "XMPP", "XSRF", "XSS":
		return true
	}
	return false
}

// goName turns a name of the schema into an exported Go identifier: "api_key" gives "APIKey". What
// is neither a letter nor a digit separates words; the result is empty if there is nothing else, and
// begins with a digit if name does.
func goName(name string) string {
	var b strings.Builder
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, word := range words {
		if upper := strings.ToUpper(word); initialism(upper) {
			b.WriteString(upper)
			continue
		}
		first, size := utf8.DecodeRuneInString(word)
		b.WriteRune(unicode.ToUpper(first))
		b.WriteString(word[size:])
	}
	return b.String()
}

// PatternVar is the variable that holds the compiled pattern of a struct's field, from their Go names.
func PatternVar(structName, fieldName string) string {
	first, size := utf8.DecodeRuneInString(structName)
	return string(unicode.ToLower(first)) + structName[size:] + fieldName + "Pattern"
}

// isExportedIdentifier reports whether s can be the name of a type, a field or a function that
// other packages use.
func isExportedIdentifier(s string) bool {
	return token.IsIdentifier(s) && token.IsExported(s)
}

// isIdentifierSuffix reports whether s after an identifier makes an identifier.
func isIdentifierSuffix(s string) bool { return s != "" && token.IsIdentifier("X"+s) }

// packageNameProblem tells why name cannot be the name of a package that is generated, or returns "".
func packageNameProblem(name string) string {
	switch {
	case token.IsKeyword(name):
		return "it is a keyword of Go"
	case name == "_" || !token.IsIdentifier(name):
		return "a package name is made of letters, digits and _, and does not begin with a digit"
	case strings.HasSuffix(name, "_test"):
		return "packages ending in _test are for tests only"
	case name == "documentation":
		return "the go command ignores files of a package of that name"
	}
	return ""
}

// fileSuffix returns the part of a file name that the go command would take for a constraint on the
// operating system or the architecture, or for a test: "linux" of "shop_linux"; "" if there is none.
// As in go/build, all before the first _ is a plain name.
func fileSuffix(name string) string {
	elems := strings.Split(name, "_")[1:]
	if len(elems) == 0 {
		return ""
	}
	last := elems[len(elems)-1]
	if last == "test" || isSystem(last) || isArchitecture(last) {
		return last
	}
	return ""
}

// isDeviceName reports whether Windows takes a file of that name, whatever follows after a dot, for a device.
func isDeviceName(name string) bool {
	switch name {
	case "con", "prn", "aux", "nul":
		return true
	}
	port, number := name[:max(0, len(name)-1)], name[max(0, len(name)-1):]
	return (port == "com" || port == "lpt") && number >= "0" && number <= "9"
}

// isSystem reports whether name is a GOOS, of now, the past or the future, as
// listed in internal/syslist of Go 1.26.
func isSystem(name string) bool {
	switch name {
	case "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl",
		"netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos":
		return true
	}
	return false
}

// isArchitecture reports whether name is a GOARCH, of now, the past or the future, as listed in
// internal/syslist of Go 1.26.
func isArchitecture(name string) bool {
	switch name {
	case "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle", "mips64",
		"mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x",
		"sparc", "sparc64", "wasm":
		return true
	}
	return false
}
