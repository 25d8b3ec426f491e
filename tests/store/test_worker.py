"""Threads that do one thing after the other."""

import asyncio
import threading

import pytest

from relay.store.worker import Worker, in_thread


async def test_jobs_are_done_one_after_the_other() -> None:
    """In the order in which they were handed over, in a thread that has its name."""
    worker = Worker("writing")
    done: list[tuple[int, str]] = []

    def job(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number * number

    jobs = [worker.submit(lambda number=number: job(number)) for number in range(5)]  # type: ignore[misc]
    assert worker.pending == 5
    assert await asyncio.gather(*jobs) == [0, 1, 4, 9, 16]
    assert done == [(number, "writing") for number in range(5)]
    assert worker.pending == 0
    worker.stop()


async def test_an_error_is_the_asking_ones() -> None:
    """The thread goes on with the next job."""
    worker = Worker("writing")

    def fail() -> None:
        raise OSError(28, "No space left on device")

    failed, next_ = worker.submit(fail), worker.submit(lambda: "done")
    with pytest.raises(OSError, match="No space left on device"):
        await failed
    assert await next_ == "done"
    worker.stop()


async def test_who_waits_no_more_does_not_stop_a_job() -> None:
    """It is done, and the next one after it."""
    worker = Worker("writing")
    let, done = threading.Event(), list[str]()

    def slow() -> None:
        assert let.wait(10)
        done.append("slow")

    left = worker.submit(slow)
    left.cancel()
    let.set()
    await worker.submit(lambda: done.append("next"))
    assert done == ["slow", "next"]
    assert worker.pending == 0
    worker.stop()


async def test_what_was_handed_over_is_done_before_it_ends() -> None:
    """Stopping waits for nothing."""
    worker = Worker("ending")
    last = worker.submit(lambda: "last")
    worker.stop()
    assert await last == "last"
    for thread in threading.enumerate():
        if thread.name == "ending":
            thread.join(10)
            assert not thread.is_alive()


async def test_with_two_threads_one_job_does_not_wait_for_another() -> None:
    """A third one waits for either."""
    worker = Worker("reading", 2)
    let = threading.Event()
    slow = worker.submit(lambda: let.wait(10))
    assert await worker.submit(lambda: "second") == "second"
    assert await worker.submit(lambda: "third") == "third"
    let.set()
    assert await slow
    worker.stop()
    for thread in threading.enumerate():
        if thread.name == "reading":
            thread.join(10)
            assert not thread.is_alive()


async def test_a_thread_for_one_job_ends_with_it() -> None:
    """Its result, or error, is the asking one's."""

    def fail() -> None:
        raise OSError(28, "No space left on device")

    assert await in_thread("once", lambda: threading.current_thread().name) == "once"
    with pytest.raises(OSError, match="No space left on device"):
        await in_thread("once", fail)
    for thread in threading.enumerate():
        if thread.name == "once":
            thread.join(10)
            assert not thread.is_alive()


def test_a_job_that_hangs_does_not_keep_the_loop_from_ending() -> None:
    """Nobody waits for its result any more."""
    let, ended = threading.Event(), threading.Event()

    def hang() -> None:
        let.wait(10)
        ended.set()

    async def hand_over() -> "asyncio.Future[None]":
        return Worker("hanging").submit(hang)

    job = asyncio.run(hand_over())
    (thread,) = [one for one in threading.enumerate() if one.name == "hanging"]
    let.set()
    assert ended.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert not job.done()
