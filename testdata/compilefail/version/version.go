// Package version was generated for a runtime that is not this one.
package version

import kvrt "github.com/kvgen/kvgen/runtime"

const _ = kvrt.GeneratedVersion0 // ERROR: undefined: kvrt.GeneratedVersion0
