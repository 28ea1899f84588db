package shop

//go:generate go tool kvgen shop.kv.yaml
