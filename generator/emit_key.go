// One key pattern: the key and filter structs, and the accessor.

package generator

import (
	"fmt"
	"strings"

	"github.com/dave/jennifer/jen"
)

func (e *emitter) key(k *keyType) {
	name := k.GoName + "Key"
	e.comment(described(fmt.Sprintf("%s names one key of pattern %s.", name, k.Pattern), k.Description))
	e.Type().Id(name).StructFunc(func(g *jen.Group) {
		for _, p := range k.Params {
			doc(g, p.Description)
			g.Id(p.GoName).Add(goType(p.Type))
		}
	})
	receiver := func() *jen.Statement { return jen.Id("k").Id(name) }
	e.comment("String returns the key as NATS sees it, for logs and other tools; one that cannot be encoded reads !invalid(…).")
	e.Func().Params(receiver()).Id("String").Params().String().Block(jen.Return(kvrt("KeyString").Call(jen.Id("k").Dot("Encode").Call())))
	e.comment("Encode returns the key as NATS sees it, or kvrt.ErrInvalidKey.")
	e.Func().Params(receiver()).Id("Encode").Params().Params(jen.String(), jen.Error()).Block(
		jen.Var().Id("e").Add(kvrt("KeyEncoder")),
		jen.Id("k").Dot("encode").Call(jen.Op("&").Id("e")),
		jen.Return(jen.Id("e").Dot("Key").Call()),
	)
	e.Line()
	e.Func().Params(receiver()).Id("encode").Params(jen.Id("e").Op("*").Add(kvrt("KeyEncoder"))).BlockFunc(func(g *jen.Group) {
		if k.Plain {
			g.Id("e").Dot("Plain").Call()
		}
		for _, p := range k.Parts {
			encodePart(g, k, p)
		}
	})
	e.comment(fmt.Sprintf("Parse%s is the inverse of %s.String. Text that is not the key of one is kvrt.ErrInvalidKey.", name, name))
	e.Func().Id("Parse"+name).Params(jen.Id("key").String()).Params(jen.Id(name), jen.Error()).BlockFunc(func(g *jen.Group) {
		g.Var().Id("k").Id(name)
		g.Id("d").Op(":=").Add(kvrt("DecodeKey")).Call(jen.Lit(k.Pattern), jen.Id("key"))
		if k.Plain {
			g.Id("d").Dot("Plain").Call()
		}
		for _, p := range k.Parts {
			decodePart(g, k, p)
		}
		g.Return(kvrt("DecodedKey").Call(jen.Op("&").Id("d"), jen.Id("k")))
	})
	e.spec(k)
	if k.Filtered {
		e.filter(k)
	}
	types := []jen.Code{jen.Id(name), goType(k.Value)}
	e.comment(fmt.Sprintf("%sEntry is a value of pattern %s with its key and revision.", k.GoName, k.Pattern))
	e.Type().Id(k.GoName + "Entry").Op("=").Add(kvrt("Entry")).Types(types...)
	e.comment(fmt.Sprintf("%sEvent is a change of a key of pattern %s.", k.GoName, k.Pattern))
	e.Type().Id(k.GoName + "Event").Op("=").Add(kvrt("Event")).Types(types...)
}

func encodePart(g *jen.Group, k *keyType, part part) {
	if part.Literal != "" {
		g.Id("e").Dot("Literal").Call(jen.Lit(part.Literal))
		return
	}
	if part.Prefix != "" || part.Suffix != "" {
		g.Id("e").Dot("Affix").Call(jen.Lit(part.Prefix), jen.Lit(part.Suffix))
	}
	p := k.Params[part.Param]
	value := jen.Id("k").Dot(p.GoName)
	name := jen.Lit(p.Name)
	switch p.Codec {
	case paramInt, paramUint:
		wide := strings.ToLower(string(p.Codec)) + "64"
		if p.Type.GoName != wide {
			value = jen.Id(wide).Call(value)
		}
	case paramText:
		if p.ByPointer {
			value = jen.Op("&").Add(value)
		}
		g.Add(kvrt("EncodeText")).Call(jen.Id("e"), name, value)
		return
	case paramEnum:
		g.Add(kvrt("EncodeEnum")).Call(jen.Id("e"), name, value)
		return
	}
	g.Id("e").Dot(string(p.Codec)).Call(name, value)
}

func decodePart(g *jen.Group, k *keyType, part part) {
	if part.Literal != "" {
		g.Id("d").Dot("Literal").Call(jen.Lit(part.Literal))
		return
	}
	if part.Prefix != "" || part.Suffix != "" {
		g.Id("d").Dot("Affix").Call(jen.Lit(part.Prefix), jen.Lit(part.Suffix))
	}
	p := k.Params[part.Param]
	target := g.Id("k").Dot(p.GoName).Op("=")
	name := jen.Lit(p.Name)
	switch p.Codec {
	case paramText:
		target.Add(kvrt("DecodeText")).Types(goType(p.Type)).Call(jen.Op("&").Id("d"), name)
	case paramEnum:
		target.Add(kvrt("DecodeEnum")).Types(goType(p.Type)).Call(jen.Op("&").Id("d"), name)
	case paramInt, paramUint:
		number := jen.Id("d").Dot(string(p.Codec)).Call(name, jen.Lit(p.Bits))
		if p.Type.GoName != strings.ToLower(string(p.Codec))+"64" {
			number = jen.Id(p.Type.GoName).Call(number)
		}
		target.Add(number)
	default:
		target.Id("d").Dot(string(p.Codec)).Call(name)
	}
}

// spec prints what the runtime has to know of the pattern.
func (e *emitter) spec(k *keyType) {
	name := k.GoName + "Key"
	types := []jen.Code{jen.Id(name), goType(k.Value)}
	fields := []jen.Code{
		set("Encode", jen.Id(name).Dot("Encode")),
		set("Parse", jen.Id("Parse"+name)),
		set("Codec", codecValue(k)),
	}
	if k.Validate != nil {
		fields = append(fields, set("Validate", validator(k.Validate)))
	}
	if k.TTL != 0 {
		fields = append(fields, set("TTL", duration(k.TTL)))
	}
	e.Line()
	e.Func().Params(jen.Id(name)).Id("spec").Params().Add(kvrt("KeySpec")).Types(types...).Block(
		jen.Return(kvrt("KeySpec").Types(types...).Custom(multiline, fields...)),
	)
}

func codecValue(k *keyType) *jen.Statement {
	value := goType(k.Value)
	switch k.Codec.Kind {
	case codecCustom:
		return jen.Qual(k.Codec.GoPath, k.Codec.GoName)
	case codecProto:
		return jen.Qual(runtimePath+"/codec/proto", "Proto").Types(value).Call()
	case codecRawJSON, codecTextTime, codecTextDuration:
		return kvrt(string(k.Codec.Kind)).Call()
	}
	return kvrt(string(k.Codec.Kind)).Types(value).Call()
}

func validator(n *nested) *jen.Statement {
	switch n.Kind {
	case nestedEnum:
		return kvrt("ValidateEnum").Types(jen.Id(n.GoName))
	case nestedStruct:
		return jen.Id(n.GoName).Dot("Validate")
	case nestedList:
		return kvrt("ValidateList").Call(validator(n.Elem))
	case nestedMap:
		return kvrt("ValidateMap").Call(validator(n.Elem))
	}
	return kvrt("ValidatePointer").Call(validator(n.Elem))
}

func (e *emitter) filter(k *keyType) {
	name := k.GoName + "Filter"
	e.comment(fmt.Sprintf("%s selects keys of pattern %s: a nil field matches any value.", name, k.Pattern))
	e.Type().Id(name).StructFunc(func(g *jen.Group) {
		for _, p := range k.Params {
			g.Id(p.GoName).Op("*").Add(goType(p.Type))
			if p.Codec == paramPath {
				g.Comment("// Keys strictly below. Setting both is kvrt.ErrInvalidKey.")
				g.Id(p.GoName + "Prefix").Op("*").Add(goType(p.Type))
			}
		}
	})
	e.Line()
	e.Func().Params(jen.Id("f").Id(name)).Id("selection").Params().Add(kvrt("Selection")).BlockFunc(func(g *jen.Group) {
		var fields []jen.Code
		for _, p := range k.Params {
			value := kvrt("Select").Call(jen.Op("&").Id("e"), jen.Id("f").Dot(p.GoName))
			if p.Codec == paramPath {
				value = kvrt("SelectPath").Call(jen.Op("&").Id("e"), jen.Id("f").Dot(p.GoName), jen.Id("f").Dot(p.GoName+"Prefix"))
			}
			fields = append(fields, set(p.GoName, value))
		}
		g.Var().Id("e").Add(kvrt("KeyEncoder"))
		g.Id("k").Op(":=").Id(k.GoName+"Key").Custom(multiline, fields...)
		g.Id("k").Dot("encode").Call(jen.Op("&").Id("e"))
		g.Return(jen.Id("e").Dot("Selection").Call())
	})
}

func (e *emitter) accessor(a *accessor) {
	if a.CacheName != "" {
		name, text := "Cache", fmt.Sprintf("%s is a local copy of entries of pattern %s in bucket %s.", a.CacheName, a.Pattern, a.Bucket)
		if a.Singleton {
			name, text = "KeyCache", fmt.Sprintf("%s is a local copy of the entry %s in bucket %s.", a.CacheName, a.Pattern, a.Bucket)
		}
		e.comment(text)
		e.Type().Id(a.CacheName).Op("=").Add(kvrt(name)).Types(jen.Id(a.Key+"Key"), goType(a.Value))
	}
	e.comment(fmt.Sprintf("%s gives access to the keys of pattern %s in bucket %s.", a.GoName, a.Pattern, a.Bucket))
	e.Type().Id(a.GoName).Struct(jen.Id("kv").Op("*").Add(kvrt("KV")).Types(jen.Id(a.Key+"Key"), goType(a.Value)))
	for i := range a.Ops {
		e.operation(a, &a.Ops[i])
	}
}

func (e *emitter) operation(a *accessor, op *operation) {
	params := []jen.Code{ctxParam()}
	for _, arg := range op.Args {
		params = append(params, argumentParam(a, arg))
	}
	kv := jen.Id("a").Dot("kv")
	args := []jen.Code{jen.Id("ctx")}
	call := kv.Clone().Dot(op.Call)
	if op.Func {
		args = append(args, kv)
		call = kvrt(op.Call)
	}
	for _, arg := range op.Pass {
		args = append(args, argumentValue(a, arg))
	}
	if op.Options != "" {
		params = append(params, jen.Id("opts").Op("...").Add(kvrt(op.Options)))
		args = append(args, jen.Id("opts").Op("..."))
	}
	if op.Result == resultKeys || op.Result == resultEntries {
		e.comment(op.Name + " " + op.Doc)
		e.Func().Params(jen.Id("a").Id(a.GoName)).Id(op.Name).Params(params...).Add(results(a, op.Result)...).Block(
			jen.Return(call.Call(args...)))
		return
	}
	e.comment(op.Name + " " + op.Doc)
	e.Func().Params(jen.Id("a").Id(a.GoName)).Id(op.Name).Params(params...).Params(results(a, op.Result)...).Block(
		jen.Return(call.Call(args...)))
}

func argumentParam(a *accessor, arg argument) *jen.Statement {
	switch arg {
	case argKey:
		return jen.Id("key").Id(a.Key + "Key")
	case argKeys:
		return jen.Id("keys").Index().Id(a.Key + "Key")
	case argKeySeq:
		return jen.Id("keys").Qual("iter", "Seq").Types(jen.Id(a.Key + "Key"))
	case argEntrySeq:
		return jen.Id("entries").Qual("iter", "Seq2").Types(jen.Id(a.Key+"Key"), goType(a.Value))
	case argFilter:
		return jen.Id("filter").Id(a.Key + "Filter")
	case argValue:
		return jen.Id("value").Add(goType(a.Value))
	case argRevision:
		return jen.Id("revision").Uint64()
	case argModify:
		return jen.Id("fn").Func().Params(jen.Id("entry").Op("*").Id(a.Key + "Entry")).Error()
	}
	return jen.Id("fn").Func().Params().Params(goType(a.Value), jen.Error())
}

func argumentValue(a *accessor, arg argument) *jen.Statement {
	switch arg {
	case argKey:
		if a.Singleton {
			return jen.Id(a.Key + "Key").Values()
		}
		return jen.Id("key")
	case argKeys, argKeySeq:
		return jen.Id("keys")
	case argEntrySeq:
		return jen.Id("entries")
	case argFilter:
		return jen.Id("filter").Dot("selection").Call()
	case argValue:
		return jen.Id("value")
	case argRevision:
		return jen.Id("revision")
	}
	return jen.Id("fn")
}

func results(a *accessor, r result) []jen.Code {
	entry, event := jen.Id(a.Key+"Entry"), jen.Id(a.Key+"Event")
	switch r {
	case resultEntry:
		return []jen.Code{entry, jen.Error()}
	case resultEntryMap:
		return []jen.Code{jen.Map(jen.Id(a.Key + "Key")).Add(entry), jen.Error()}
	case resultDone:
		return []jen.Code{jen.Error()}
	case resultWritten:
		return []jen.Code{jen.Id("written").Int(), jen.Err().Error()}
	case resultKeys:
		return []jen.Code{jen.Qual("iter", "Seq2").Types(jen.Id(a.Key+"Key"), jen.Error())}
	case resultEntries:
		return []jen.Code{jen.Qual("iter", "Seq2").Types(entry, jen.Error())}
	case resultCount:
		return []jen.Code{jen.Int(), jen.Error()}
	case resultWatcher:
		return []jen.Code{jen.Op("*").Add(kvrt("Watcher")).Types(event), jen.Error()}
	case resultCache:
		return []jen.Code{jen.Op("*").Id(a.CacheName), jen.Error()}
	case resultEvent:
		return []jen.Code{event, jen.Error()}
	case resultEvents:
		return []jen.Code{jen.Index().Add(event), jen.Error()}
	case resultRevision:
		return []jen.Code{jen.Id("revision").Uint64(), jen.Err().Error()}
	case resultEntryMade:
		return []jen.Code{jen.Id("entry").Add(entry), jen.Id("created").Bool(), jen.Err().Error()}
	}
	return []jen.Code{jen.Uint64(), jen.Error()}
}
