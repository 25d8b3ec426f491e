"""`encoding` and `multiline` as sources have them: files, commands and stdin."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from relay.config.loader import load
from relay.decode.entry_rules import READY_MADE
from relay.decode.traces import TRACES
from relay.entry import Batch, Position
from relay.errors import ConfigError
from relay.sources import SOURCES
from relay.sources.base import SourceStatus
from relay.sources.decoding import ReadyMade, joining
from relay.sources.process import ProcessOptions, ProcessSource
from relay.sources.stdin import StdinOptions, StdinSource
from tests.sources.file_follower import Follower, append

SECONDS = 20.0
"""How long anything here may take on a busy machine."""

MODELS = {kind: source.Options for kind, source in SOURCES.items()}

DATA = Path(__file__).parents[1] / "data" / "traces"

TRACE = (DATA / "python" / "chain.log").read_text(encoding="utf-8").removesuffix("\n")
OTHER = (DATA / "python" / "thread.log").read_text(encoding="utf-8").removesuffix("\n")


def lines(batches: list[Batch]) -> list[str]:
    return [line for batch in batches for line in batch.lines.strings()]


def parts(batches: list[Batch]) -> list[str]:
    return [line for b in batches for i, line in enumerate(b.lines.strings()) if i in b.parts]


# What can be configured

NAMES = "'python', 'java', 'go', 'javascript', 'ruby' or 'indent'"

NOT_ONE = (
    f"sources.a.multiline: expected {NAMES} or a table with one of rule, start and continue, "
    "got a table"
)


def problems(tmp_path: Path, keys: str) -> list[str]:
    """Return what is wrong with a source's keys."""
    path = tmp_path / "relay.toml"
    path.write_text(f'[sources.a]\ntype = "stdin"\n{keys}\n')
    with pytest.raises(ConfigError) as caught:
        load(path, MODELS, {})
    return [f"{problem.where}: {problem.sentence}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            'encoding = "uft-8"',
            "sources.a.encoding: expected an encoding such as 'utf-8', got 'uft-8'",
        ),
        (
            'multiline = "pyton"',
            f"sources.a.multiline: expected {NAMES} or a table, got 'pyton'",
        ),
        ("multiline = { max_lines = 7 }", NOT_ONE),
        ('multiline = { start = "a", continue = "b" }', NOT_ONE),
        (
            "multiline = { start = '(?=a)' }",
            "sources.a.multiline.start: expected a pattern without look-around (?=, got '(?=a)'",
        ),
        (
            "multiline = { start = 'a', max_lines = 1 }",
            "sources.a.multiline.max_lines: expected at least 2, got 1",
        ),
        (
            "multiline = { start = 'a', timeout = \"0s\" }",
            "sources.a.multiline.timeout: expected more than 0s, got '0s'",
        ),
        (
            "multiline = { starts = 'a' }",
            "sources.a.multiline: unknown key 'starts'; did you mean 'start'?",
        ),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, keys: str, expected: str) -> None:
    """With what is allowed."""
    assert problems(tmp_path, keys) == [expected]


def test_a_name_stands_for_a_table() -> None:
    """All names that the rules have can be given; a rule is compiled once."""
    assert get_args(ReadyMade) == (*TRACES, "indent") == READY_MADE
    named = StdinOptions.model_validate({"type": "stdin", "multiline": "java"})
    table = {"rule": "java", "timeout": "3s", "max_bytes": "1KiB"}
    full = StdinOptions.model_validate({"type": "stdin", "multiline": table})
    first, second = named.decoding.joining, full.decoding.joining
    assert first is not None
    assert second is not None
    assert first.rule is second.rule
    assert (first.max_bytes, first.max_lines, first.timeout_seconds) == (1 << 18, 500, 1.0)
    assert (second.max_bytes, second.max_lines, second.timeout_seconds) == (1024, 500, 3.0)
    assert joining("java", 1 << 18) is first
    assert StdinOptions.model_validate({"type": "stdin"}).decoding.joining is None


# Pipes


async def read(data: bytes, **keys: object) -> list[Batch]:
    """Return what stdin gives that holds ``data``."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    options = StdinOptions.model_validate({"type": "stdin", **keys})
    source = StdinSource("stdin", options, SourceStatus("stdin", "stdin"), reader)
    async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
        given = [batch async for batches in lists for batch in batches]
    os.close(reader)
    return given


async def test_stdin_joins_and_decodes() -> None:
    """At its end the last entry is whole."""
    text = f"one\n{TRACE}\ntwo\n{OTHER}"
    for encoding in ("utf-8", "utf-16", "gbk"):
        given = await read(text.encode(encoding), multiline="python", encoding=encoding)
        assert lines(given) == ["one", TRACE, "two", OTHER]
        assert parts(given) == []


async def test_bytes_that_are_no_text_are_counted() -> None:
    """In the source's status, by bytes."""
    options = StdinOptions.model_validate({"type": "stdin", "encoding": "ascii"})
    reader, writer = os.pipe()
    os.write(writer, b"caf\xc3\xa9\n")
    os.close(writer)
    source = StdinSource("stdin", options, SourceStatus("stdin", "stdin"), reader)
    async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
        given = [batch async for batches in lists for batch in batches]
    os.close(reader)
    assert lines(given) == ["caf��"]
    assert source.status.invalid_bytes == 2


async def test_a_command_joins_each_of_its_streams() -> None:
    """Stdout and stderr do not meet in an entry; what waits too long is given out."""
    script = (
        "echo 1 out; echo 1 err >&2; echo '  more out'; echo '  more err' >&2; sleep 0.8;"
        "echo '  late'; sleep 0.8; echo 2 last"
    )
    keys = {"type": "process", "command": script, "restart": "never"}
    joined = {"multiline": {"start": "^\\d", "timeout": "400ms"}}
    options = ProcessOptions.model_validate(keys | joined)
    source = ProcessSource("a", options, SourceStatus("a", "process"))
    async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
        given = [batch async for batches in lists for batch in batches]
    assert sorted(lines(given)) == ["  late", "1 err\n  more err", "1 out\n  more out", "2 last"]
    assert parts(given) == []


# Files


async def test_traces_in_a_file_that_is_rotated(tmp_path: Path) -> None:
    """Each comes as one entry, also the last of a file and the first of the next."""
    log = tmp_path / "app.log"
    append(log, f"one\n{TRACE}\n")
    async with Follower(log, multiline="python") as follower:
        await follower.until_lines("one", TRACE)
        append(log, f"two\n{OTHER}\n")
        log.rename(tmp_path / "app.log.1")
        append(log, f"{TRACE}\nthree\n{OTHER}\n")
        await follower.until_lines("one", TRACE, "two", OTHER, TRACE, "three", OTHER)
    assert parts(follower.batches) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_an_entry_that_is_held_is_read_again(tmp_path: Path, encoding: str) -> None:
    """Whenever the relay is stopped, another one goes on: nothing is lost or repeated."""
    log = tmp_path / "app.log"
    entries = [TRACE if number % 2 else f"{number} ordinary" for number in range(6)]
    data = "".join(f"{entry}\r\n" for entry in entries).encode(encoding)
    came: list[str] = []
    positions: Mapping[str, Position] = {}
    joined = {"rule": "python", "timeout": "1h"}
    step = len(data) // 17
    for start in range(0, len(data), step):
        with log.open("ab") as file:
            file.write(data[start : start + step])
        async with Follower(log, positions, encoding=encoding, multiline=joined) as follower:
            await follower.until(partial(_stands_at, follower, log.stat().st_size))
        came += lines(follower.batches)
        assert parts(follower.batches) == []
        positions = follower.positions
    # The last trace is held: another exception may follow from it.
    assert came == entries[:-1]
    with log.open("ab") as file:
        file.write("end\n".encode("utf-16-le" if encoding == "utf-16" else encoding))
    async with Follower(log, positions, encoding=encoding, multiline=joined) as follower:
        await follower.until_lines(TRACE, "end")


def _stands_at(follower: Follower, size: int) -> bool:
    return any(row.position == str(size) for row in follower.status.readers.values())


async def test_an_entry_is_given_out_after_its_timeout(tmp_path: Path) -> None:
    """It waits for no line that does not come; what comes later is an entry of its own."""
    log = tmp_path / "app.log"
    append(log, "1 one\n  a\n")
    joined = {"start": "^\\d", "timeout": "200ms"}
    async with Follower(log, multiline=joined) as follower:
        await follower.until_lines("1 one\n  a")
        append(log, "  b\n  c\n2 two\n")
        await follower.until_lines("1 one\n  a", "  b\n  c", "2 two")
    assert parts(follower.batches) == []


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32", "utf-8", "shift_jis"])
@pytest.mark.parametrize("start", [0, 1, 2, 9, "end"])
async def test_a_file_is_begun_in_its_midst(tmp_path: Path, codec: str, start: int | str) -> None:
    """Counted in lines of its encoding, whose newline is not one byte; and so are positions."""
    log = tmp_path / "app.log"
    text = "一\nĊ਀ two\n上\n" if codec != "shift_jis" else "一\n表 two\n上\n"
    log.write_bytes(text.encode(codec))
    order = codec if codec[-1] in "es" or codec == "utf-8" else f"{codec}-le"
    shown = [] if start == "end" else text.splitlines()[max(0, 3 - int(start)) :]
    async with Follower(log, encoding=codec, start=start) as follower:
        await follower.until_watching()
        with log.open("ab") as file:
            file.write("後\n".encode(order))
        await follower.until_lines(*shown, "後")
    assert parts(follower.batches) == []
    async with Follower(log, follower.positions, encoding=codec) as follower:
        with log.open("ab") as file:
            file.write("下\n".encode(order))
        await follower.until_lines("下")


async def test_a_mark_is_no_text_in_each_file(tmp_path: Path) -> None:
    """A new file may begin with one too; the position stands after it."""
    log = tmp_path / "app.log"
    log.write_bytes("one\n".encode("utf-8-sig"))
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("one")
        (tmp_path / "b.log").write_bytes("two\n".encode("utf-8-sig"))
        await follower.until_lines("one", "two")
