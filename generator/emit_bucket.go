// The file of one bucket: configuration, constructors, the bucket struct, and its keys.

package generator

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"
)

// emitBucket prints the file of a bucket.
func emitBucket(a *assembler, b *bucketUnit) {
	a.print(func(e *emitter) {
		e.comment("This file needs a runtime of the same generation as the kvgen that wrote it.")
		e.Const().Id("_").Op("=").Add(kvrt("GeneratedVersion1"))
		e.params(b)
		e.config(b)
		e.constructors(b)
		e.bucketStruct(b)
	})
	for i := range b.Keys {
		k := &b.Keys[i]
		blank, texts := k.blank()
		repeat(a, "key", k, blank, texts, (*emitter).key)
	}
	for i := range b.Accessors {
		acc := &b.Accessors[i]
		blank, texts := acc.blank()
		repeat(a, "accessor", acc, blank, texts, (*emitter).accessor)
	}
	if !b.Settings.Transactions {
		return
	}
	a.print(func(e *emitter) { e.transactions(b) })
	for i := range b.Accessors {
		acc := &b.Accessors[i]
		blank, texts := acc.blank()
		repeat(a, "txn", acc, blank, texts, (*emitter).txnAccessor)
	}
}

func (e *emitter) params(b *bucketUnit) {
	if len(b.Params) == 0 {
		return
	}
	e.comment(fmt.Sprintf("%sParams fills the parameters of the bucket's name, %s. Values have letters, digits and '-'.", b.GoName, b.ServerName))
	e.Type().Id(b.GoName + "Params").StructFunc(func(g *jen.Group) {
		for _, p := range b.Params {
			doc(g, p.Description)
			g.Id(p.GoName).String()
		}
	})
}

// nameParams are the parameters and arguments that a bucket's name adds.
func nameParams(b *bucketUnit) (params, args []jen.Code) {
	if len(b.Params) == 0 {
		return nil, nil
	}
	return []jen.Code{jen.Id("params").Id(b.GoName + "Params")}, []jen.Code{jen.Id("params")}
}

func (e *emitter) config(b *bucketUnit) {
	params, _ := nameParams(b)
	s := &b.Settings
	e.comment(fmt.Sprintf("%sConfig is the configuration that the schema declares for bucket %s.", b.GoName, b.ServerName))
	e.Func().Id(b.GoName + "Config").Params(params...).Add(kvrt("BucketConfig")).Block(
		jen.Return(kvrt("BucketConfig").Custom(multiline, fields(b, s)...)),
	)
}

var multiline = jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}

func set(name string, value jen.Code) jen.Code { return jen.Id(name).Op(":").Add(value) }

func fields(b *bucketUnit, s *settings) []jen.Code {
	var out []jen.Code
	add := func(given bool, name string, value func() *jen.Statement) {
		if given {
			out = append(out, set(name, value()))
		}
	}
	lit := func(v any) func() *jen.Statement { return func() *jen.Statement { return jen.Lit(v) } }
	if len(b.Params) == 0 {
		add(true, "Name", lit(b.ServerName))
	} else {
		args := []jen.Code{jen.Lit(b.ServerName)}
		for _, p := range b.Params {
			args = append(args, jen.Id("params").Dot(p.GoName))
		}
		out = append(out, set("Name", kvrt("BucketName").Call(args...)))
	}
	add(s.Description != "", "Description", lit(s.Description))
	add(s.History != 0, "History", lit(s.History))
	add(s.Storage == "file", "Storage", func() *jen.Statement { return kvrt("FileStorage") })
	add(s.Storage == "memory", "Storage", func() *jen.Statement { return kvrt("MemoryStorage") })
	add(s.Replicas != 0, "Replicas", lit(s.Replicas))
	add(s.TTL != 0, "TTL", func() *jen.Statement { return duration(s.TTL) })
	add(s.LimitMarkerTTL != 0, "LimitMarkerTTL", func() *jen.Statement { return duration(s.LimitMarkerTTL) })
	add(s.KeyTTL, "KeyTTL", lit(true))
	add(s.MaxValueSize != 0, "MaxValueSize", func() *jen.Statement { return size(s.MaxValueSize) })
	add(s.MaxBytes != 0, "MaxBytes", func() *jen.Statement { return size(s.MaxBytes) })
	add(s.Compression != nil, "Compression", func() *jen.Statement { return jen.New(jen.Lit(*s.Compression)) })
	add(s.Placement != nil, "Placement", func() *jen.Statement {
		return composite(jen.Op("&").Add(kvrt("Placement")), "Cluster", s.Placement.Cluster, "Tags", s.Placement.Tags)
	})
	add(s.Republish != nil, "Republish", func() *jen.Statement {
		return composite(jen.Op("&").Add(kvrt("Republish")), "Source", s.Republish.Source, "Destination", s.Republish.Destination, "HeadersOnly", s.Republish.HeadersOnly)
	})
	add(len(s.Metadata) > 0, "Metadata", func() *jen.Statement {
		var pairs []jen.Code
		for _, m := range s.Metadata {
			pairs = append(pairs, jen.Lit(m.Key).Op(":").Lit(m.Value))
		}
		return jen.Map(jen.String()).String().Custom(multiline, pairs...)
	})
	add(s.Transactions, "Transactions", lit(true))
	add(s.Linearizable, "Linearizable", lit(true))
	add(s.Mirror != nil, "Mirror", func() *jen.Statement {
		return composite(jen.Op("&").Add(kvrt("Mirror")), "Bucket", s.Mirror.Bucket, "Domain", s.Mirror.Domain, "APIPrefix", s.Mirror.APIPrefix)
	})
	add(len(s.Sources) > 0, "Sources", func() *jen.Statement { return sources(s.Sources) })
	return out
}

func sources(all []source) *jen.Statement {
	var out []jen.Code
	for _, s := range all {
		var transforms *jen.Statement
		if len(s.Transforms) > 0 {
			var list []jen.Code
			for _, t := range s.Transforms {
				list = append(list, composite(jen.Null(), "Source", t.Source, "Destination", t.Destination))
			}
			transforms = jen.Index().Add(kvrt("Transform")).Custom(multiline, list...)
		}
		out = append(out, composite(jen.Null(), "Bucket", s.Bucket, "Stream", s.Stream, "Filter", s.Filter,
			"Domain", s.Domain, "APIPrefix", s.APIPrefix, "Transforms", transforms))
	}
	return jen.Index().Add(kvrt("Source")).Custom(multiline, out...)
}

// composite is a literal on one line with the fields that are not zero, given as names and values.
func composite(typ *jen.Statement, pairs ...any) *jen.Statement {
	var out []jen.Code
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case string:
			if v != "" {
				out = append(out, set(name, jen.Lit(v)))
			}
		case bool:
			if v {
				out = append(out, set(name, jen.True()))
			}
		case []string:
			if len(v) > 0 {
				out = append(out, set(name, jen.Index().String().ValuesFunc(func(g *jen.Group) {
					for _, s := range v {
						g.Lit(s)
					}
				})))
			}
		case *jen.Statement:
			if v != nil {
				out = append(out, set(name, v))
			}
		}
	}
	return typ.Values(out...)
}

func (e *emitter) constructors(b *bucketUnit) {
	params, args := nameParams(b)
	for _, c := range []struct{ name, doc string }{
		{"Open", "binds to the existing bucket and checks that it can do what the schema relies on."},
		{"Ensure", "creates the bucket, or brings an existing one to the declared configuration."},
	} {
		all := append([]jen.Code{ctxParam(), jen.Id("js").Qual(jetstreamPath, "JetStream")}, params...)
		all = append(all, jen.Id("opts").Op("...").Add(kvrt("OpenOption")))
		e.comment(c.name + b.GoName + " " + c.doc)
		e.Func().Id(c.name+b.GoName).Params(all...).Params(jen.Op("*").Id(b.GoName+"Bucket"), jen.Error()).Block(
			jen.Return(kvrt(c.name).Call(jen.Id("ctx"), jen.Id("js"), jen.Id(b.GoName+"Config").Call(args...),
				jen.Id("bind"+b.GoName), jen.Id("opts").Op("..."))),
		)
	}
	e.Line()
	e.Func().Id("bind" + b.GoName).Params(jen.Id("b").Op("*").Add(kvrt("Bucket"))).Op("*").Id(b.GoName + "Bucket").BlockFunc(func(g *jen.Group) {
		var out []jen.Code
		for _, a := range b.Accessors {
			out = append(out, set(a.FieldName, jen.Id(a.GoName).Values(kvrt("NewKV").Call(jen.Id("b"), jen.Id(a.Key+"Key").Values().Dot("spec").Call()))))
		}
		out = append(out, set("bucket", jen.Id("b")))
		g.Return(jen.Op("&").Id(b.GoName+"Bucket").Custom(multiline, out...))
	})
}

func (e *emitter) bucketStruct(b *bucketUnit) {
	name := b.GoName + "Bucket"
	e.comment(described(fmt.Sprintf("%s is bucket %s. Any number of goroutines may use it; it needs no closing.", name, b.ServerName), b.Description))
	e.Type().Id(name).StructFunc(func(g *jen.Group) {
		for _, a := range b.Accessors {
			doc(g, a.Text)
			g.Id(a.FieldName).Id(a.GoName)
		}
		g.Line()
		g.Id("bucket").Op("*").Add(kvrt("Bucket"))
	})
	receiver := jen.Id("b").Op("*").Id(name)
	e.comment("Bucket gives what concerns the bucket as a whole: its name, status, drift.")
	e.Func().Params(receiver.Clone()).Id("Bucket").Params().Op("*").Add(kvrt("Bucket")).Block(jen.Return(jen.Id("b").Dot("bucket")))
	if !b.watchable() {
		return
	}
	var events []string
	for _, a := range b.Accessors {
		events = append(events, a.Key+"Event")
	}
	e.comment(wrapped(fmt.Sprintf("%sEvent is what a watch of the whole bucket delivers: %s, kvrt.UnmatchedEvent for a key of no pattern, "+
		"or kvrt.ControlEvent. It is made for a type switch.", name, strings.Join(events, ", "))))
	e.Type().Id(name + "Event").Interface(kvrt("BucketEvent"))
	e.comment("Watch follows every key of the bucket. It is attached when it returns.")
	e.Func().Params(receiver.Clone()).Id("Watch").Params(ctxParam(), jen.Id("opts").Op("...").Add(kvrt("WatchOption"))).
		Params(jen.Op("*").Add(kvrt("Watcher")).Types(jen.Id(name+"Event")), jen.Error()).BlockFunc(func(g *jen.Group) {
		args := []jen.Code{jen.Id("ctx"), jen.Id("b").Dot("bucket"), jen.Id("opts")}
		for _, a := range b.Accessors {
			args = append(args, jen.Id("b").Dot(a.FieldName).Dot("kv"))
		}
		call := jen.Options{Open: "(", Close: ")", Separator: ",", Multi: len(b.Accessors) > 4}
		g.Return(kvrt("WatchBucket").Types(jen.Id(name+"Event")).Custom(call, args...))
	})
}

// watchable reports whether some key of the bucket can be read.
func (b *bucketUnit) watchable() bool {
	for _, a := range b.Accessors {
		for _, op := range a.Ops {
			if op.Result == resultWatcher {
				return true
			}
		}
	}
	return false
}
