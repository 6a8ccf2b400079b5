package remote

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
)

// The errors of this package. Test for them with [errors.Is]: most come with more detail.
var (
	// ErrRemote is the error of every call that failed on the other side: an [*Error] or a
	// [*RemotePanic] has more.
	ErrRemote = errors.New("remote: call failed")

	// ErrUnknownName is the error of a call whose name no worker handles that took the job.
	ErrUnknownName = errors.New("remote: unknown name")

	// ErrUndecodable is the error of a call whose request the worker cannot decode, or whose
	// result the caller cannot.
	ErrUndecodable = errors.New("remote: cannot decode")

	// ErrTooLarge is the error of a call whose request or result exceeds [MaxPayload], or the
	// limit of the server.
	ErrTooLarge = errors.New("remote: payload too large")

	// ErrMaxRun is the error of a call whose handler ran longer than [MaxRun], and the cause of
	// the end of its context.
	ErrMaxRun = errors.New("remote: handler ran too long")

	// ErrLost is the error of a call whose job was lost with more than 10 workers, one after the
	// other: it may be the job that kills them.
	ErrLost = errors.New("remote: lost by too many workers")

	// ErrUnknownID is the error of [Attach] if there is no call of that id: it was never
	// accepted, or its result is no longer kept.
	ErrUnknownID = errors.New("remote: no such call")

	// ErrClosed is the error of the calls of a client that was closed while they were pending,
	// or whose connection was. The jobs go on: attach to them with another client.
	ErrClosed = errors.New("remote: client closed")

	// ErrDraining is the cause of the end of a handler's context when its worker stops and has
	// waited for it long enough. The job is handed to another worker.
	ErrDraining = errors.New("remote: worker stops")
)

// An Error is how an error of a handler, or of a worker that could not call a handler, reaches
// the callers. It Is [ErrRemote] and, of the errors that both sides have registered with
// [RegisterError], each that the error of the handler was.
type Error struct {
	Code    string // the first registered code of the error, in alphabetical order; or ""
	Message string // the text of the error
	Worker  string // the name of the worker; "" if the caller ended the call

	is []error // the registered errors, and ErrRemote
}

// Error returns the message, and the name of the worker.
func (e *Error) Error() string {
	if e.Worker == "" {
		return e.Message
	}
	return e.Message + " (worker " + e.Worker + ")"
}

// Unwrap returns the errors that e is.
func (e *Error) Unwrap() []error { return e.is }

// A RemotePanic is the error of a call whose handler panicked. It Is [ErrRemote].
type RemotePanic struct {
	Value  string // the text of the panic value
	Stack  []byte // the stack of the handler's goroutine, as debug.Stack formats it
	Worker string // the name of the worker
}

// Error returns one line without the stack.
func (e *RemotePanic) Error() string {
	return fmt.Sprintf("remote: handler panicked: %s (worker %s)", e.Value, e.Worker)
}

// Format implements [fmt.Formatter]: %+v adds the stack to the text.
func (e *RemotePanic) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, "%s\n\n%s", e.Error(), e.Stack)
		return
	}
	fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
}

// Unwrap returns ErrRemote.
func (e *RemotePanic) Unwrap() error { return ErrRemote }

// The errors that keep their identity on the wire. The registry is for the whole process, as
// those of gob and of database drivers are.
var registry = struct {
	mu     sync.RWMutex
	byCode map[string]error
	codes  []string // sorted
}{byCode: map[string]error{}}

func init() {
	for code, err := range map[string]error{
		"canceled":     future.ErrCancelled,
		"deadline":     context.DeadlineExceeded,
		"goexit":       future.ErrGoexit,
		"timeout":      future.ErrTimeout,
		"unknown_name": ErrUnknownName,
		"undecodable":  ErrUndecodable,
		"too_large":    ErrTooLarge,
		"max_run":      ErrMaxRun,
		"lost":         ErrLost,
		"closed":       ErrClosed,
		"draining":     ErrDraining,
		"unknown_id":   ErrUnknownID,
	} {
		RegisterError(code, err)
	}
}

// RegisterError gives err a code, so that it can be found on the other side of a call: if the
// error of a handler Is err, the error of the call Is err too. Callers and workers must register
// the same codes, usually in the init function or a variable of a package that both import. A
// code that a caller has not registered is ignored. The errors of this package, ErrCancelled,
// ErrTimeout and ErrGoexit of package future, and context.DeadlineExceeded are registered.
//
// RegisterError is safe for concurrent use. It panics if code is empty or err is nil, or if the
// code is registered for another error.
func RegisterError(code string, err error) {
	if code == "" || err == nil {
		panic("remote: RegisterError: empty code or nil error")
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if old, ok := registry.byCode[code]; ok {
		if old != err {
			panic("remote: RegisterError: code " + code + " is registered for another error")
		}
		return
	}
	registry.byCode[code] = err
	i, _ := slices.BinarySearch(registry.codes, code)
	registry.codes = slices.Insert(registry.codes, i, code)
}

// codesOf returns the codes of the registered errors that err is.
func codesOf(err error) (codes []string) {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	for _, code := range registry.codes {
		if errors.Is(err, registry.byCode[code]) {
			codes = append(codes, code)
		}
	}
	return codes
}

// registered returns the errors of codes, without those that are not registered here.
func registered(codes []string) (errs []error) {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	for _, code := range codes {
		if err, ok := registry.byCode[code]; ok {
			errs = append(errs, err)
		}
	}
	return errs
}

// isPermanent reports whether err has the mark of [future.Permanent].
func isPermanent(err error) bool {
	return errors.As(err, reflect.New(permanentType).Interface())
}

var permanentType = reflect.TypeOf(future.Permanent(ErrRemote))

const codeStoreFailed jetstream.ErrorCode = 10077 // the stream is full, or the subject has its message

// isTransient reports whether a request to the server that failed with err may succeed later.
func isTransient(err error) bool {
	for _, final := range []error{
		nats.ErrConnectionClosed, nats.ErrInvalidConnection, nats.ErrMaxPayload, nats.ErrBadSubject, nats.ErrPermissionViolation,
		jetstream.ErrMsgNotFound, jetstream.ErrStreamNameAlreadyInUse, context.Canceled, errSettled, errNoJetStream, ErrUnknownID,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	var api *jetstream.APIError
	return !errors.As(err, &api) || api.Code >= 500 && api.ErrorCode != codeStoreFailed
}

// isRefusal reports whether the server refused to store a message since its subject has one, or
// has one that is not stored yet.
func isRefusal(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
