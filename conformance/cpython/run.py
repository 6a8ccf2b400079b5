"""Runs CPython's own tests of futures and tasks on those of bridge.py.

The last line of the output is a JSON object: for each class, how many tests were run, and
which failed or were skipped.
"""
import asyncio
import functools
import json
import re
import sys
import unittest
from asyncio import futures, tasks
from unittest import mock

import bridge
from test.test_asyncio import test_futures, test_tasks
from test.test_asyncio import utils as test_utils
from test.test_asyncio.test_tasks import add_subclass_tests


class FutureTests(test_futures.PyFutureTests):
    cls = bridge.Future


class SubFutureTests(test_futures.PyFutureTests):
    class SubFuture(bridge.Future):
        pass

    cls = SubFuture


class FutureDoneCallbackTests(test_futures.PyFutureDoneCallbackTests):
    def _new_future(self):
        return bridge.Future(loop=self.loop)


class SubFutureDoneCallbackTests(test_futures.PyFutureDoneCallbackTests):
    def _new_future(self):
        return SubFutureTests.SubFuture(loop=self.loop)


class FutureInheritanceTests(test_futures.PyFutureInheritanceTests):
    def _get_future_cls(self):
        return bridge.Future


class TaskTests(test_tasks.PyTask_PyFuture_Tests):
    Task, Future = bridge.Task, bridge.Future


@add_subclass_tests
class SubTaskTests(test_tasks.BaseTaskTests, test_utils.TestCase):
    Task, Future = bridge.Task, bridge.Future


class CTaskTests(test_tasks.CTask_PyFuture_Tests):
    Future = bridge.Future


@add_subclass_tests
class SubCTaskTests(test_tasks.BaseTaskTests, test_utils.TestCase):
    Task, Future = tasks._CTask, bridge.Future


class TaskOfCFutureTests(test_tasks.PyTask_CFuture_Tests):
    Task = bridge.Task


@add_subclass_tests
class SubTaskOfCFutureTests(test_tasks.BaseTaskTests, test_utils.TestCase):
    Task, Future = bridge.Task, futures._CFuture


class Combinators:
    """Has gather and shield of asyncio replaced by those of the library."""

    def setUp(self):
        super().setUp()
        patch = mock.patch.multiple(asyncio, gather=bridge.gather, shield=bridge.shield)
        patch.start()
        self.addCleanup(patch.stop)


class ShieldTests(Combinators, test_tasks.PyTask_PyFuture_Tests):
    Task, Future = bridge.Task, bridge.Future
    only = 'shield'


class GatherTests(Combinators, test_tasks.FutureGatherTests):
    # The others are about the loop of a gather of nothing, and about debugging.
    only = 'success|exception|cancellation|homogenous'

    def setUp(self):
        super().setUp()
        for loop in self.one_loop, self.other_loop:
            loop.create_future = functools.partial(bridge.Future, loop=loop)


CLASSES = [FutureTests, SubFutureTests, FutureDoneCallbackTests, SubFutureDoneCallbackTests,
           FutureInheritanceTests, TaskTests, SubTaskTests, CTaskTests, SubCTaskTests,
           TaskOfCFutureTests, SubTaskOfCFutureTests, ShieldTests, GatherTests]

report = {}
for cls in CLASSES:
    names = unittest.defaultTestLoader.getTestCaseNames(cls)
    only = re.compile(getattr(cls, 'only', ''))
    suite = unittest.TestSuite(cls(name) for name in names if only.search(name))
    result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    failed = result.failures + result.errors
    report[cls.__name__] = {
        'Run': result.testsRun,
        'Failed': sorted({test.id().split('.')[-1] for test, _ in failed}),
        'Skipped': {test.id().split('.')[-1]: why for test, why in result.skipped},
    }
print(json.dumps(report))
