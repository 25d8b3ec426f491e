"""
One thread that does one thing after the other, for what blocks and must keep its order.

Handing over and back costs about 30 µs; an executor's futures cost three times as much.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")

_Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Worker:
    """
    A thread for jobs; made where a loop runs.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.pending = 0
        """How many jobs wait or are under way."""
        # A disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """
        Do a job after those before it.

        Returns:
            A future of the loop; one that is cancelled does not stop the job.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self.pending += 1
        self._jobs.put((done, job))
        return done

    def stop(self) -> None:
        """Let the thread end once its jobs are done."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            done, job = item
            result: Any = None
            error: BaseException | None = None
            try:
                result = job()
            except BaseException as caught:  # noqa: BLE001 - handed to whoever asked for it
                error = caught
            try:
                self._loop.call_soon_threadsafe(self._finish, done, result, error)
            except RuntimeError:
                return  # The loop is closed: nobody waits any more.

    def _finish(
        self, done: "asyncio.Future[Any]", result: Any, error: BaseException | None
    ) -> None:
        self.pending -= 1
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)
