"""Performs sequences of operations on asyncio's futures.

Each line of the input is a sequence: a JSON list of operations, each of which is a
list of a name and arguments. Futures, callbacks and waits are numbered in the order
of their creation. Each line of the output is a JSON list with the observations after
each operation of the sequence.
"""

import asyncio
import json
import sys


class Error(Exception):
    pass


def error(text):
    return asyncio.CancelledError() if text == "cancelled" else Error(text)


def show(value):
    if isinstance(value, list):
        return "[" + " ".join(map(show, value)) + "]"
    if isinstance(value, asyncio.CancelledError):
        message = value.args[0] if value.args else None
        return f"(cancelled {message})" if message else "cancelled"
    return str(value)


def state(fut):
    if not fut.done():
        return "pending "
    if fut.cancelled():
        try:
            fut.result()
        except asyncio.CancelledError as e:
            return "cancelled " + show(e)
    if fut.exception() is not None:
        return "failed " + show(fut.exception())
    return "succeeded " + show(fut.result())


WHEN = [asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION]


class Sequence:
    def __init__(self):
        self.futures, self.callbacks, self.waits = [], [], []
        self.calls = []

    def create(self):
        self.futures.append(asyncio.get_running_loop().create_future())

    def set_result(self, f, value):
        self.futures[f].set_result(value)

    def set_exception(self, f, text):
        self.futures[f].set_exception(error(text))

    def cancel(self, f, message):
        return self.futures[f].cancel(message or None)

    def add_done_callback(self, f):
        n = len(self.callbacks)

        def callback(fut):
            self.calls.append([n, state(fut)])

        self.callbacks.append((f, callback))
        self.futures[f].add_done_callback(callback)

    def remove_done_callback(self, n):
        f, callback = self.callbacks[n]
        return self.futures[f].remove_done_callback(callback) > 0

    def shield(self, f):
        self.futures.append(asyncio.shield(self.futures[f]))

    def gather(self, return_exceptions, *fs):
        children = [self.futures[f] for f in fs]
        self.futures.append(asyncio.gather(*children, return_exceptions=return_exceptions))

    def wait(self, when, *fs):
        async def wait():
            done, pending = await asyncio.wait([self.futures[f] for f in fs], return_when=WHEN[when])
            return [sorted({f for f in fs if self.futures[f] in s}) for s in (done, pending)]

        self.waits.append(asyncio.get_running_loop().create_task(wait()))

    async def run(self, operations):
        seen = []
        for name, *args in operations:
            self.calls = []
            try:
                returned = getattr(self, name)(*args)
            except asyncio.InvalidStateError:
                returned = "invalid"
            for _ in range(30):
                await asyncio.sleep(0)
            seen.append({
                "returned": "" if returned is None else str(returned).lower(),
                "states": [state(f) for f in self.futures],
                "calls": self.calls,
                "waits": [str(w.result()) if w.done() else "" for w in self.waits],
            })
        for w in self.waits:
            w.cancel()
        return seen


async def main():
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    for line in sys.stdin:
        print(json.dumps(await Sequence().run(json.loads(line))), flush=True)


asyncio.run(main())
