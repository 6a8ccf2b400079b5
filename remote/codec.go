package remote

import (
	"encoding/json"
	"fmt"
)

// A Codec turns requests and results into bytes and back. Its methods are called by several
// goroutines at once. For protocol buffers:
//
//	type protobuf struct{}
//
//	func (protobuf) Encode(v any) ([]byte, error)      { return proto.Marshal(v.(proto.Message)) }
//	func (protobuf) Decode(data []byte, v any) error {
//		m := reflect.ValueOf(v).Elem() // v is a **T, where *T is the message
//		m.Set(reflect.New(m.Type().Elem()))
//		return proto.Unmarshal(data, m.Interface().(proto.Message))
//	}
type Codec interface {
	// Encode returns v as bytes. v is a Req or a Res of [Go] and [Handle].
	Encode(v any) ([]byte, error)

	// Decode sets *v, where v is a pointer to a Req or a Res, to the value that Encode was
	// given. It must not keep data.
	Decode(data []byte, v any) error
}

type jsonCodec struct{}

func (jsonCodec) Encode(v any) ([]byte, error)    { return json.Marshal(v) }
func (jsonCodec) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }

// encode calls the codec, whose code may be the user's and may panic.
func encode(c Codec, v any) (data []byte, err error) {
	defer recoverInto(&err)
	return c.Encode(v)
}

// decode calls the codec. Its error Is ErrUndecodable.
func decode(c Codec, data []byte, v any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrUndecodable, err)
		}
	}()
	defer recoverInto(&err)
	return c.Decode(data, v)
}

func recoverInto(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("remote: codec panicked: %v", r)
	}
}
