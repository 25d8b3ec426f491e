import asyncio
import os
import pty
import re
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from io import FileIO
from pathlib import Path

import pytest
import uvloop
from pydantic import ValidationError

from relay.entry import Batch, Loss, Position, Reason, RunEnded, RunStarted, Stream
from relay.errors import SourceError
from relay.sources.base import TURN_BYTES, SourceStatus
from relay.sources.pipe import PIPE_BYTES
from relay.sources.stdin import StdinOptions, StdinSource

SECONDS = 20.0
"""How long anything here may take on a busy machine."""

Ends = tuple[FileIO, FileIO]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give a read and a write end of a pipe."""
    read, write = os.pipe()
    with FileIO(read) as reader, FileIO(write, "w") as writer:
        yield reader, writer


def stdin(descriptor: int, **keys: object) -> StdinSource:
    """Return a source that reads ``descriptor``."""
    options = StdinOptions.model_validate({"type": "stdin", **keys})
    return StdinSource("stdin", options, SourceStatus("stdin", "stdin"), descriptor)


async def run(source: StdinSource) -> list[Batch]:
    """Return all batches up to the end."""
    async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
        return [batch async for batches in lists for batch in batches]


async def read(lists: AsyncGenerator[list[Batch], None]) -> list[Batch]:
    """Return the next batches."""
    async with asyncio.timeout(SECONDS):
        return await anext(lists)


def lines(batches: list[Batch]) -> list[str]:
    """Return the lines."""
    return [line for batch in batches for line in batch.lines.strings()]


async def test_a_pipe_is_read_to_its_end_as_one_run(ends: Ends) -> None:
    """The run starts before the first line and is complete after the last."""
    ends[1].write(b"one\ntwo\nthree")
    ends[1].close()
    batches = await run(stdin(ends[0].fileno()))
    assert lines(batches) == ["one", "two", "three"]
    assert all(not batch.parts for batch in batches)
    assert {batch.channel for batch in batches} == {"stdin"}
    (started,), (ended,) = batches[0].runs, batches[-1].runs
    assert isinstance(started, RunStarted)
    assert isinstance(ended, RunEnded)
    assert re.fullmatch(r"stdin\.\d{8}T\d{6}\.\d{6}", started.run)
    assert (ended.run, ended.status, ended.exit_code) == (started.run, "ended", None)
    assert [batch.origins[0].run for batch in batches if batch.origins] == [started.run] * 2
    assert batches[1].origins[0].stream is Stream.STDOUT


async def test_the_run_may_be_named(ends: Ends) -> None:
    """The name given is the run's id."""
    ends[1].close()
    assert [batch.runs[0].run for batch in await run(stdin(ends[0].fileno(), run="job-42"))] == [
        "job-42",
        "job-42",
    ]


@pytest.mark.parametrize("name", ["", "a b", ".a", "x" * 129])
def test_a_wrong_name_is_refused(name: str) -> None:
    """One sentence says what is allowed."""
    with pytest.raises(ValidationError) as error:
        stdin(0, run=name)
    assert [problem["msg"] for problem in error.value.errors()] == [
        (
            "Value error, 1 to 128 ASCII letters, digits, '.', '_', ':', '-', "
            "the first a letter, a digit or '_'"
        )
    ]


async def test_a_file_is_read(tmp_path: Path) -> None:
    """A regular file, which the system cannot watch, is read turn by turn, once."""
    file = tmp_path / "log"
    file.write_bytes(b"".join(b"%d\n" % number for number in range(200_000)))
    with FileIO(file) as opened:
        batches = await run(stdin(opened.fileno()))
    assert lines(batches) == [str(number) for number in range(200_000)]
    assert (
        max(len(batch.lines.text) for batch in batches) <= TURN_BYTES + 8
    )  # A line begun before.


async def test_nothing_ends_at_once() -> None:
    """The empty device is an empty run."""
    with FileIO(os.devnull) as null:
        assert lines(await run(stdin(null.fileno()))) == []


async def test_a_socket_is_read() -> None:
    """As a service manager gives it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"one\ntwo\n")
        theirs.close()
        assert lines(await run(stdin(ours.fileno()))) == ["one", "two"]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_terminal_is_read_and_stays_as_it_was(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Ctrl-D is its end; the shell that shares it finds it blocking, as it left it."""
    shell, terminal = pty.openpty()

    async def typed() -> None:
        async with aclosing(stdin(terminal).batches({})) as lists:
            await read(lists)
            os.write(shell, b"hello\n")
            assert lines(await read(lists)) == ["hello"]
            assert os.get_blocking(terminal)
            os.write(shell, b"\x04")
            (ended,) = (await read(lists))[0].runs
            assert isinstance(ended, RunEnded)
            assert ended.status == "ended"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(typed())
    assert os.get_blocking(terminal)
    os.close(shell)
    os.close(terminal)


async def test_a_terminal_that_goes_away_is_the_end() -> None:
    """Closing the window completes the run."""
    shell, terminal = pty.openpty()
    os.close(shell)
    batches = await run(stdin(terminal))
    assert batches[-1].runs[0].run == batches[0].runs[0].run
    os.close(terminal)


async def test_an_unfinished_line_comes_after_a_moment(ends: Ends) -> None:
    """It is a part, and so is what completes it."""
    async with aclosing(stdin(ends[0].fileno()).batches({})) as lists:
        await read(lists)
        ends[1].write(b"name? ")
        (prompt,) = await read(lists)
        ends[1].write(b"Ada\n")
        (answer,) = await read(lists)
    assert (prompt.lines.split(), prompt.parts) == ([b"name? "], frozenset([0]))
    assert (answer.lines.split(), answer.parts) == ([b"Ada"], frozenset([0]))


async def test_stop_reads_what_was_written(ends: Ends) -> None:
    """What was piped in before the stop is not lost; the run is ``stopped``."""
    source = stdin(ends[0].fileno())
    async with aclosing(source.batches({})) as batches:
        await read(batches)
        ends[1].write(b"one\ntw")
    last = await source.stop()
    assert lines(last) == ["one", "tw"]
    (ended,) = last[-1].runs
    assert isinstance(ended, RunEnded)
    assert ended.status == "stopped"
    assert await source.stop() == []


async def test_a_slow_reader_holds_back_the_writer(ends: Ends) -> None:
    """What is not asked for waits in the pipe, which then takes no more."""
    os.set_blocking(ends[1].fileno(), False)
    async with aclosing(stdin(ends[0].fileno()).batches({})) as lists:
        await read(lists)
        written = 0
        while (more := ends[1].write(b"x" * 1023 + b"\n")) is not None:
            written += more
        assert written <= PIPE_BYTES
        (batch,) = await read(lists)
        assert len(batch.lines.text) == TURN_BYTES


async def test_a_run_that_the_relay_did_not_survive(ends: Ends) -> None:
    """What was in the pipe is declared, and its run ends before the next one starts."""
    source = stdin(ends[0].fileno(), run="job")
    async with aclosing(source.batches({})) as lists:
        (begun,) = await read(lists)
        assert begun.position is not None
    again = stdin(ends[0].fileno(), run="job")
    async with aclosing(again.batches({"stdin": begun.position})) as lists:
        lost, end = await read(lists)
        (start,) = await read(lists)
    assert lost == Batch("stdin", "stdin", loss=Loss(Reason.SOURCE))
    ((ended,), (started,)) = end.runs, start.runs
    assert isinstance(ended, RunEnded)
    assert (ended.run, ended.status) == ("job", "ended")
    assert isinstance(started, RunStarted)
    last = await again.stop()
    assert (end.reader, end.position) == ("stdin", Position(""))
    assert (last[-1].reader, last[-1].position) == ("stdin", Position(""))


async def test_a_closed_stdin_says_so() -> None:
    """The supervisor gets one sentence."""
    descriptor = os.dup(0)
    os.close(descriptor)
    with pytest.raises(SourceError) as error:
        await run(stdin(descriptor))
    assert str(error.value) == "stdin is closed"


def test_one_million_piped_lines_come_once_and_in_order() -> None:
    """Nothing is lost or repeated."""
    with subprocess.Popen(["seq", "1", "1000000"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        batches = asyncio.run(run(stdin(process.stdout.fileno())))
    text = b"".join(batch.lines.text for batch in batches)
    assert text == b"".join(b"%d\n" % number for number in range(1, 1_000_001))
