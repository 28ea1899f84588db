// Package auth stands for a package that an application already has.
package auth

import "time"

// Session is a user's login on one device.
type Session struct {
	Since time.Time `json:"since"`
	Admin bool      `json:"admin"`
}
