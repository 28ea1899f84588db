// Package protocodec stores protocol buffer messages. It is a package of its own so that only
// applications that use protocol buffers compile them.
package protocodec

import (
	"google.golang.org/protobuf/proto"

	kvrt "github.com/kvgen/kvgen/runtime"
)

// Proto is the binary wire format of a generated message type: Proto[*pb.Session](). A nil message
// is stored like an empty one.
func Proto[M proto.Message]() kvrt.Codec[M] { return codec[M]{} }

type codec[M proto.Message] struct{}

func (codec[M]) Encode(value M) ([]byte, error) {
	// Equal messages give equal bytes, by which Modify sees that nothing changed.
	return proto.MarshalOptions{Deterministic: true}.Marshal(value)
}

func (c codec[M]) Decode(data []byte) (M, error) {
	m := c.New()
	return m, proto.Unmarshal(data, m)
}

// New returns an empty message: what Modify starts from when a key is absent.
func (codec[M]) New() M {
	var none M
	return none.ProtoReflect().New().Interface().(M)
}
