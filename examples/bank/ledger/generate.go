package ledger

//go:generate go tool kvgen ledger.kv.yaml
