package health

//go:generate go tool kvgen health.kv.yaml
