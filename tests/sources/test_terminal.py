"""Commands in a pseudo terminal: real ones."""

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path
from typing import Any

from relay.entry import Batch, RunEnded, Stream
from relay.sources.base import SourceStatus
from relay.sources.process import ProcessOptions, ProcessSource

SECONDS = 20.0
"""How long anything here may take on a busy machine."""


def process(command: str | list[str], **keys: Any) -> ProcessSource:
    """Return a source in a terminal; not restarted."""
    told = {"type": "process", "command": command, "restart": "never", "pty": True} | keys
    options = ProcessOptions.model_validate(told)
    return ProcessSource("worker", options, SourceStatus("worker", "process"))


async def run(source: ProcessSource) -> list[Batch]:
    """Return all batches of a source that ends by itself."""
    async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
        return [batch async for batches in lists for batch in batches]


def lines(batches: list[Batch]) -> list[str]:
    return [line for batch in batches for line in batch.lines.strings()]


def ending(batches: list[Batch]) -> tuple[str, int | None, str | None]:
    last = batches[-1].runs[-1]
    assert isinstance(last, RunEnded)
    return last.status, last.exit_code, last.signal


def has_ended(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


async def test_a_command_sees_a_terminal() -> None:
    """With a size and a name, on stdout and stderr; there is still nothing to read."""
    found = await run(
        process(
            "test -t 1 && test -t 2 && ! test -t 0 && echo yes; stty size <&1; echo $TERM; wc -c"
        )
    )
    assert lines(found) == ["yes", "40 120", "xterm-256color", "0"]
    assert ending(found) == ("succeeded", 0, None)


async def test_what_the_configuration_says_of_term_holds() -> None:
    """It is one of the environment's variables."""
    found = await run(process("echo $TERM", env={"TERM": "dumb"}))
    assert lines(found) == ["dumb"]


async def test_stdout_and_stderr_are_one_stream_in_order() -> None:
    """Newlines are as the program wrote them, colours stay, the last line may go without."""
    found = await run(
        process("for i in 1 2 3; do echo o$i; echo e$i >&2; done; printf '\\033[1mx'")
    )
    assert lines(found) == ["o1", "e1", "o2", "e2", "o3", "e3", "\x1b[1mx"]
    streams = {batch.origins[0].stream for batch in found if batch.lines.count}
    assert streams == {Stream.STDOUT}
    assert not any(batch.parts for batch in found)


async def test_nothing_of_a_flood_is_lost() -> None:
    """Up to the last line before the end, also with a failure."""
    count = 100_000
    found = await run(process(f"seq {count}; exit 3"))
    assert lines(found) == [str(number) for number in range(1, count + 1)]
    assert ending(found) == ("failed", 3, None)


async def test_a_program_that_buffers_in_a_pipe_does_not() -> None:
    """Its first line comes while it still runs, though it flushes nothing."""
    script = "import time; print('first'); time.sleep(1000)"
    source = process(["python3", "-c", script])
    lists = source.batches({})
    async with asyncio.timeout(SECONDS), aclosing(lists):
        async for batches in lists:
            if lines(batches) == ["first"]:
                break


async def test_stopping_ends_the_whole_group() -> None:
    """As with pipes: TERM, its last words, the end of its run."""
    source = process("trap 'echo goodbye; exit 4' TERM; sleep 1000 & echo $!; wait")
    lists = source.batches({})
    child = 0
    async with asyncio.timeout(SECONDS), aclosing(lists):
        async for batches in lists:
            if said := lines(batches):
                child = int(said[0])
                break
    last = await source.stop()
    assert lines(last) == ["goodbye"]
    assert ending(last) == ("stopped", 4, None)
    async with asyncio.timeout(SECONDS):
        while not has_ended(child):
            await asyncio.sleep(0.01)


async def test_a_signal_that_ends_it_is_told() -> None:
    """As with pipes."""
    found = await run(process("echo a; kill -9 $$"))
    assert lines(found) == ["a"]
    assert ending(found) == ("killed", 128 + signal.SIGKILL, "SIGKILL")


async def test_no_descriptor_is_left() -> None:
    """Neither of runs that ended nor of one that could not start."""
    await run(process("true"))
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await run(process("echo a"))
    assert sorted(os.listdir("/proc/self/fd")) == before
