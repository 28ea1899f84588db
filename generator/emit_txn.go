// Transactions of a bucket: its Txn method, and the accessors within one.

package generator

import (
	"fmt"

	"github.com/dave/jennifer/jen"
)

func (e *emitter) transactions(b *bucketUnit) {
	name := b.GoName + "Txn"
	e.comment(name + " is one attempt of a transaction, as the function given to Txn sees it: its own writes, and for\n" +
		"every other key what it read there first. It ends with the function; later calls are kvrt.ErrTxnEnded.")
	e.Type().Id(name).StructFunc(func(g *jen.Group) {
		for _, a := range b.Accessors {
			doc(g, a.Text)
			g.Id(a.FieldName).Id(a.TxnName)
		}
	})
	e.comment("Txn runs fn, and again while others write what it read, until its writes can be stored: all of them or none, as\n" +
		"of one moment. It returns the revision of the last write, or 0 if nothing changed. An error of fn ends it with\n" +
		"nothing written, and is returned as it is. kvrt.MaxAttempts limits the attempts. See kvrt.RunTxn.")
	e.Func().Params(jen.Id("b").Op("*").Id(b.GoName+"Bucket")).Id("Txn").
		Params(ctxParam(), jen.Id("fn").Func().Params(jen.Id("tx").Op("*").Id(name)).Error(), jen.Id("opts").Op("...").Add(kvrt("TxnOption"))).
		Params(jen.Id("revision").Uint64(), jen.Err().Error()).
		BlockFunc(func(g *jen.Group) {
			var out []jen.Code
			for _, a := range b.Accessors {
				out = append(out, set(a.FieldName, jen.Id(a.TxnName).Values(kvrt("NewTxnKV").Call(jen.Id("tx"), jen.Id("b").Dot(a.FieldName).Dot("kv")))))
			}
			run := jen.Func().Params(jen.Id("tx").Op("*").Add(kvrt("Txn"))).Error().Block(
				jen.Return(jen.Id("fn").Call(jen.Op("&").Id(name).Custom(multiline, out...))))
			g.Return(kvrt("RunTxn").Call(jen.Id("ctx"), jen.Id("b").Dot("bucket"), run, jen.Id("opts").Op("...")))
		})
}

func (e *emitter) txnAccessor(a *accessor) {
	e.comment(fmt.Sprintf("%s gives access to the keys of pattern %s within a transaction.", a.TxnName, a.Pattern))
	e.Type().Id(a.TxnName).Struct(jen.Id("kv").Add(kvrt("TxnKV")).Types(jen.Id(a.Key+"Key"), goType(a.Value)))
	for _, op := range a.TxnOps {
		var params, args []jen.Code
		for _, arg := range op.Args {
			params = append(params, argumentParam(a, arg))
		}
		for _, arg := range op.Pass {
			args = append(args, argumentValue(a, arg))
		}
		if op.Options != "" {
			params = append(params, jen.Id("opts").Op("...").Add(kvrt(op.Options)))
			args = append(args, jen.Id("opts").Op("..."))
		}
		e.comment(op.Name + " " + op.Doc)
		e.Func().Params(jen.Id("a").Id(a.TxnName)).Id(op.Name).Params(params...).Params(results(a, op.Result)...).Block(
			jen.Return(jen.Id("a").Dot("kv").Dot(op.Call).Call(args...)))
	}
}
