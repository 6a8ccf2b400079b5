"""Future and Task of asyncio, with every state in package future.

Future is asyncio's own Future in Python, except that the state, the outcome, the callbacks
and the notice of a failure are those of a promise of the library. Task is asyncio's own Task
on top of it. No code of asyncio's is copied.
"""

import asyncio
import contextvars
import ctypes
import sys
import weakref
from asyncio import base_futures, events, futures, tasks
from ctypes import CFUNCTYPE, byref, c_int, c_int64

lib = ctypes.CDLL(sys.argv[1])

STATES = (base_futures._PENDING, base_futures._FINISHED, base_futures._FINISHED,
          base_futures._CANCELLED)
VALUE, INVALID, ERROR, CANCELLED = range(4)  # what bridgeResult returns


def function(name, result, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, arguments
    return f


array = ctypes.POINTER(c_int64)
EXECUTE = CFUNCTYPE(c_int, c_int64, c_int64)
CALL = CFUNCTYPE(None, c_int64, c_int64)

bridge_init = function('bridgeInit', None, EXECUTE, CALL)
bridge_new = function('bridgeNew', c_int64)
bridge_state = function('bridgeState', c_int, c_int64)
bridge_set_result = function('bridgeSetResult', c_int, c_int64)
bridge_set_error = function('bridgeSetError', c_int, c_int64)
bridge_cancel = function('bridgeCancel', c_int, c_int64)
bridge_result = function('bridgeResult', c_int, c_int64, array)
bridge_outcome = function('bridgeOutcome', c_int, c_int64, c_int64, array)
bridge_add_callback = function('bridgeAddCallback', c_int64, c_int64)
bridge_remove_callback = function('bridgeRemoveCallback', c_int, c_int64)
bridge_run = function('bridgeRun', None, c_int64)
bridge_drop = function('bridgeDrop', c_int, c_int64)
bridge_gather = function('bridgeGather', c_int64, array, c_int64)
bridge_outcomes = function('bridgeOutcomes', c_int64, array, c_int64)
bridge_shield = function('bridgeShield', c_int64, c_int64)

alive = weakref.WeakValueDictionary()  # futures by number
raised = []  # by code that the library called; ctypes would only print it


def enter(f, *args):
    """Calls the function f of the bridge, and raises what was raised within."""
    got = f(*args)
    if raised:
        raise raised.pop(0)
    return got


def upcall(kind):
    """Makes a function that the library calls. It returns 1 if an exception was raised."""
    def decorate(f):
        def call(*args):
            try:
                f(*args)
            except BaseException as e:
                raised.append(e)
                return 1
            return 0
        return kind(call)
    return decorate


@upcall(EXECUTE)
def execute(number, task):
    # The arguments of call_soon keep the future alive.
    f = alive[number]
    f._loop.call_soon(run, task, f)


def run(task, f):
    enter(bridge_run, task)


@upcall(CALL)
def call(number, callback):
    f = alive[number]
    fn, context = f._registered.pop(callback)
    events.Handle(fn, (f,), f._loop, context)._run()


bridge_init(execute, call)


class Future(futures._PyFuture):

    _number = 0  # in the library; 0 if __init__ was not called
    _dropped = None  # the last state, once the library has dropped the future

    def __init__(self, *, loop=None):
        super().__init__(loop=loop)
        if self._source_traceback:
            del self._source_traceback[-1]  # this frame
        self._start(bridge_new())

    def _start(self, number):
        if self._number:
            bridge_drop(self._number)
        self._number = number
        self._registered = {}  # functions and contexts by the number of the callback
        alive[number] = self

    def __del__(self):
        if self._number:
            self._dropped = self._state
            if bridge_drop(self._number):
                self._Future__log_traceback = True
        super().__del__()

    @property
    def _state(self):
        if not self._number:
            return base_futures._PENDING
        return self._dropped or STATES[bridge_state(self._number)]

    @property
    def _callbacks(self):
        return [] if self.done() else list(self._registered.values())

    @_callbacks.setter
    def _callbacks(self, _):
        pass  # the list of asyncio, which stays empty

    @property
    def _log_traceback(self):
        return False  # the library does not say whether a failure was read

    @_log_traceback.setter
    def _log_traceback(self, to):
        futures._PyFuture._log_traceback.fset(self, to)
        if self._state != base_futures._PENDING:
            self._read()

    def _enter(self, f, *args):
        self.get_loop()  # raises an exception if __init__ was not called
        return enter(f, self._number, *args)

    def _read(self):
        """Reads the outcome, and returns its kind and the number of the future it is of."""
        if not self._number:
            return INVALID, 0
        of = c_int64()
        return bridge_result(self._number, byref(of)), of.value

    def cancel(self, msg=None):
        if not self._enter(bridge_cancel):
            return False
        self._cancel_message = msg
        return True

    def cancelled(self):
        return self._state == base_futures._CANCELLED

    def done(self):
        return self._state != base_futures._PENDING

    def result(self):
        kind, _ = self._read()
        if kind == INVALID:
            raise asyncio.InvalidStateError('The result is not there.')
        if kind == CANCELLED:
            raise self._make_cancelled_error()
        if kind == ERROR:
            raise self._exception.with_traceback(self._exception_tb)
        return self._result

    def exception(self):
        kind, _ = self._read()
        if kind == INVALID:
            raise asyncio.InvalidStateError('The exception is not there.')
        if kind == CANCELLED:
            raise self._make_cancelled_error()
        return self._exception

    def set_result(self, result):
        if not self._enter(bridge_set_result):
            raise asyncio.InvalidStateError(f'{self._state}: {self!r}')
        self._result = result

    def set_exception(self, exception):
        # asyncio says what can be set, and as what.
        other = futures._PyFuture(loop=self.get_loop())
        if not self.done():
            other.set_exception(exception)
            other._log_traceback = False
        if not self._enter(bridge_set_error):
            raise asyncio.InvalidStateError(f'{self._state}: {self!r}')
        self._exception, self._exception_tb = other._exception, other._exception_tb

    def add_done_callback(self, fn, *, context=None):
        if context is None:
            context = contextvars.copy_context()
        number = self._enter(bridge_add_callback)
        self._registered[number] = fn, context

    def remove_done_callback(self, fn):
        self.get_loop()
        removed = 0
        for number, (registered, _) in list(self._registered.items()):
            if registered == fn and self._enter_remove(number):
                removed += 1
        return removed

    def _enter_remove(self, number):
        if not bridge_remove_callback(number):
            return False
        del self._registered[number]
        return True


class Task(tasks._PyTask, Future):
    """The tasks of asyncio, whose super() is the Future above."""


class Derived(Future):
    """A future that the library has derived from others. It has no outcome of its own."""

    def __init__(self, number, sources):
        super().__init__(loop=sources[0].get_loop())
        self._start(number)
        self._sources = sources
        for source in sources:  # keeps this one alive, as a callback would
            source.__dict__.setdefault('_derived', []).append(self)

    @property
    def _result(self):
        _, of = self._read()
        return alive[of]._result

    @property
    def _exception(self):
        kind, of = self._read()
        if kind == ERROR:
            return alive[of]._exception if of else asyncio.CancelledError()

    @property
    def _exception_tb(self):
        return self._exception.__traceback__


class Gathered(Derived):

    def __init__(self, make, sources):
        numbers = (c_int64 * len(sources))(*[s._number for s in sources])
        super().__init__(make(numbers, len(sources)), sources)

    @property
    def _result(self):
        return [self._outcome(i) for i in range(len(self._sources))]

    def _outcome(self, i):
        of = c_int64()
        kind = bridge_outcome(self._number, i, byref(of))
        if kind == CANCELLED:
            return asyncio.CancelledError()
        return alive[of.value]._exception if kind == ERROR else alive[of.value]._result


def gather(*sources, return_exceptions=False):
    return Gathered(bridge_outcomes if return_exceptions else bridge_gather, sources)


def shield(source):
    source = asyncio.ensure_future(source)
    return Derived(bridge_shield(source._number), [source])
