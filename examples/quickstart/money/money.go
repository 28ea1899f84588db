// Package money stands for a package that an application already has.
package money

// Amount is an amount of money.
type Amount struct {
	Cents    int64  `json:"cents"`
	Currency string `json:"currency"`
}
