"""
Threads for what blocks: one does one thing after the other, and so keeps their order.

Handing over and back costs about 30 µs; an executor's futures cost three times as much, and
whoever ends waits for an executor's threads, which a disk that hangs holds for ever.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Worker", "in_thread"]

T = TypeVar("T")

_Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Worker:
    """
    A thread for jobs, or some; made where a loop runs.

    Args:
        name: of the threads.
        threads: how many; with more than one, jobs are begun in their order.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.pending = 0
        """How many jobs wait or are under way."""
        self._threads = threads
        for _ in range(threads):
            # A disk that hangs for ever must not keep the process from ending.
            threading.Thread(target=self._work, name=name, daemon=True).start()

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
        """Let the threads end once their jobs are done."""
        for _ in range(self._threads):
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


async def in_thread(name: str, job: Callable[[], T]) -> T:
    """
    Do a job in a thread of its own, which nobody waits for who does not wait for the job.

    Args:
        name: of the thread.
        job: what to do; it goes on where whoever waits is cancelled.
    """
    worker = Worker(name)
    try:
        return await worker.submit(job)
    finally:
        worker.stop()
