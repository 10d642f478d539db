"""The main thread: an asyncio loop that takes tasks from Rust.

Rust writes one byte into a pipe for every task. Between tasks the loop runs whatever cells have
started (``asyncio.create_task``), so those go on while no cell runs. Everything of the user runs
in one context: a context variable that a cell sets is there in the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import json
import os
import sys
import traceback
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tidemill.kernel.cells import CellRun
from tidemill.kernel.comms import Comms
from tidemill.kernel.output import CELL, Origin
from tidemill.kernel.questions import Answers
from tidemill.kernel.services import KernelServices
from tidemill.kernel.shell import create_shell, run_startup_files
from tidemill.kernel.signals import Interrupts
from tidemill.kernel.stdin import Questions
from tidemill.kernel.streams import OutputStream
from tidemill.kernel.subshells import Subshells

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from IPython.core.interactiveshell import ExecutionResult

    from tidemill._native.kernel import Kernel, Task


class _Steps(Awaitable[Any]):
    """A coroutine whose every step runs in a context, which a task of Python 3.10 would copy."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> None:
        self._coroutine = coroutine
        self._context = context

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = functools.partial(self._coroutine.send, None)
        while True:
            try:
                waits_for = self._context.run(step)
            except StopIteration as stop:
                return stop.value
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 (the coroutine decides)
                step = functools.partial(self._coroutine.throw, error)
            else:
                step = functools.partial(self._coroutine.send, None)


async def _in_context(coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> Any:
    return await _Steps(coroutine, context)


class KernelLoop:
    """Runs the tasks of the main thread.

    Parameters
    ----------
    native
        The kernel, whose sockets are bound.
    """

    def __init__(self, native: Kernel) -> None:
        self._native = native
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._context = contextvars.copy_context()
        self._leaving = False

        origin = Origin(native)
        origin.follow_threads()
        sys.stdout = OutputStream(origin, 1)
        sys.stderr = OutputStream(origin, 2)
        Questions(origin).install()
        comms = Comms(origin)
        comms.install()
        self._comms = comms
        self._interrupts = Interrupts(self._loop, native)
        self._interrupts.before_cell()
        services = KernelServices(origin, comms.manager)
        self._shell = services.shell = create_shell(services, origin, self._interrupts)
        self._answers = Answers(self._shell, comms)
        self._subshells = Subshells(native, self._shell, comms)

    def run(self) -> None:
        """Take tasks until the shutdown."""
        # A package beside the notebook can be imported, as in any interactive Python.
        sys.path.insert(0, "")
        self._context.run(run_startup_files, self._shell)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._loop.add_reader(reading, self._on_wake, reading)
        self._native.attach(writing, self._subshells.run)
        while not self._leaving:
            # An interrupt that hit a task of the user comes out here; its cell has been told.
            with contextlib.suppress(KeyboardInterrupt):
                self._loop.run_forever()

    def _on_wake(self, reading: int) -> None:
        os.read(reading, 1)
        self._interrupts.before_task()
        try:
            task = self._native.next_task()
            if task is not None:
                self._handle(task)
        finally:
            self._interrupts.taking_up = False

    def _handle(self, task: Task) -> None:
        # What the task prints, shows or sends answers its request, also from tasks it starts.
        self._context.run(CELL.set, task.parent)
        if task.kind == "execute":
            self._execute(task)
        elif task.kind == "introspect":
            self._answer(task)
        elif task.kind == "comm":
            self._interruptible(self._comms.handle, task)
            task.reply({"status": "ok"})
        else:
            self._leaving = True
            self._loop.stop()

    def _execute(self, task: Task) -> None:
        self._interrupts.before_cell()
        run = self._context.run(CellRun, self._shell, task)
        if task.interrupted:
            run.refuse()
            return
        if run.awaits():
            self._start_awaiting(run)
            return
        try:
            result = self._interruptible(run.run_now)
        except KeyboardInterrupt:
            run.refuse()
        else:
            run.finish(result)

    def _start_awaiting(self, run: CellRun) -> None:
        coroutine = run.run_in_loop()
        if sys.version_info >= (3, 11):
            running = self._loop.create_task(coroutine, context=self._context)
        else:
            running = self._loop.create_task(_in_context(coroutine, self._context))

        def done(running: asyncio.Task[ExecutionResult | None]) -> None:
            self._interrupts.awaiting = None
            failed = running.cancelled() or running.exception() is not None
            run.finish(None if failed else running.result())

        self._interrupts.awaiting = running
        running.add_done_callback(done)
        if self._interrupts.take_missed():
            self._interrupts.cancelled = True
            running.cancel()

    def _answer(self, task: Task) -> None:
        try:
            content = json.loads(task.content())
            reply = self._interruptible(self._answers.answer, task.msg_type, content)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (of a completer, a repr)
            reply = {
                "status": "error",
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": traceback.format_exception(error),
            }
        task.reply(reply)

    def _interruptible(self, function: Any, *args: Any) -> Any:
        """Run code of the user; an interrupt is an exception in it."""
        self._interrupts.computing = True
        try:
            if self._interrupts.take_missed():
                raise KeyboardInterrupt
            return self._context.run(function, *args)
        finally:
            self._interrupts.computing = False
