import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from relay.entry import Batch, Loss, Position, Reason, RunCounted, RunEnded, RunStarted, Stream
from relay.errors import SourceError
from relay.sources import guard
from relay.sources.base import SourceState, SourceStatus
from relay.sources.pipe import PIPE_BYTES
from relay.sources.piped import in_pipe
from relay.sources.process import TAIL_BYTES, Backoff, ProcessOptions, ProcessSource

SECONDS = 20.0
"""How long anything here may take on a busy machine."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def process(command: str | list[str], **keys: Any) -> ProcessSource:
    """Return a source; not restarted, unless its keys say so."""
    keys = {"type": "process", "command": command, "restart": "never"} | keys
    options = ProcessOptions.model_validate(keys)
    return ProcessSource("worker", options, SourceStatus("worker", "process"))


async def run(
    source: ProcessSource, positions: Mapping[str, Position] = MappingProxyType({})
) -> list[Batch]:
    """Return all batches of a source that ends by itself."""
    async with asyncio.timeout(SECONDS), aclosing(source.batches(positions)) as lists:
        return [batch async for batches in lists for batch in batches]


async def read_until(lists: AsyncGenerator[list[Batch], None], text: str) -> list[Batch]:
    """Read on until a line is ``text``."""
    seen = []
    async with asyncio.timeout(SECONDS):
        async for batches in lists:
            seen += batches
            if text in lines(batches):
                return seen
    raise AssertionError(f"ended without {text!r}")


def lines(batches: list[Batch], stream: Stream | None = None) -> list[str]:
    """Return the lines, of all streams or one."""
    return [
        line
        for batch in batches
        if batch.lines.count and stream in (None, batch.origins[0].stream)
        for line in batch.lines.strings()
    ]


def changes(batches: list[Batch]) -> list[RunStarted | RunEnded]:
    """Return what became of runs."""
    return [
        change for batch in batches for change in batch.runs if not isinstance(change, RunCounted)
    ]


def ending(batches: list[Batch]) -> tuple[str, int | None, str | None]:
    """Return status, exit code and signal of the last run."""
    last = changes(batches)[-1]
    assert isinstance(last, RunEnded)
    return last.status, last.exit_code, last.signal


def positions_of(batches: list[Batch]) -> dict[str, Position]:
    """Return what a store would keep once these are committed."""
    kept = {batch.reader: batch.position for batch in batches if batch.position is not None}
    return {reader: position for reader, position in kept.items() if position.value}


def leader(batches: list[Batch]) -> int:
    """Return the pid of the first run."""
    first = changes(batches)[0]
    assert isinstance(first, RunStarted)
    assert first.pid is not None
    return first.pid


def written_bytes(pid: int) -> int:
    """Return how many bytes a process has written."""
    match = re.search(r"wchar: (\d+)", Path(f"/proc/{pid}/io").read_text())
    assert match
    return int(match[1])


def has_ended(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def resident_bytes() -> int:
    """Return how much memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what only looking can tell."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


async def settled(value: Callable[[], int]) -> int:
    """Return a value that does not change any more."""
    seen, again = -1, value()
    while seen != again:
        await asyncio.sleep(0.2)
        seen, again = again, value()
    return seen


class TestOutput:
    async def test_stdout_and_stderr_are_told_apart(self) -> None:
        """Each stream has its own origin, with its own level."""
        batches = await run(process("echo out; echo err >&2; echo more"))
        assert lines(batches, Stream.STDOUT) == ["out", "more"]
        assert lines(batches, Stream.STDERR) == ["err"]
        levels = {b.origins[0].stream.word: b.origins[0].level.word for b in batches if b.origins}
        assert levels == {"stdout": "info", "stderr": "error"}

    async def test_a_run_surrounds_the_lines(self) -> None:
        """The start stands before the first line, the end after the last, in one run."""
        before = time.time_ns()
        batches = await run(process("echo $$"))
        started, ended = changes(batches)
        assert isinstance(started, RunStarted)
        assert isinstance(ended, RunEnded)
        assert (batches[1].runs, batches[-1].runs) == ((started,), (ended,))
        assert [each.lines.count for each in batches] == [0, 0, 1, 0]
        assert lines(batches) == [str(started.pid)]
        assert before <= started.started_ns <= ended.ended_ns <= time.time_ns()
        assert re.fullmatch(r"worker\.\d{8}T\d{6}\.\d{6}", started.run)
        assert {b.origins[0].run for b in batches if b.origins} == {started.run} == {ended.run}

    async def test_the_run_is_named_after_its_start(self) -> None:
        """The time in the run's id is UTC, with microseconds, and the name is made to fit."""
        source = process("true")
        source.name = "my worker " + "x" * 200
        assert source.new_run(1_795_255_350_123_456_789) == (
            "my-worker-" + "x" * 90 + ".20261121T100230.123456"
        )

    @pytest.mark.parametrize(
        ("channel", "expected"),
        [(None, "worker"), ("jobs", "jobs"), ("all {source}", "all-worker"), ("raw", "_raw")],
    )
    async def test_lines_go_to_the_channel(self, channel: str | None, expected: str) -> None:
        """The channel is the source's name, or made from the template."""
        assert {batch.channel for batch in await run(process("echo x", channel=channel))} == {
            expected
        }

    async def test_a_last_line_without_newline_is_whole(self) -> None:
        """What a command leaves unfinished at its end is a line, not a part."""
        batches = await run(process(r"printf 'one\ntwo'"))
        assert lines(batches) == ["one", "two"]
        assert all(not batch.parts for batch in batches)

    async def test_a_prompt_is_given_out(self) -> None:
        """An unfinished line comes as a part once it has not grown for a while."""
        source = process("printf 'name? '; sleep 1000")
        async with aclosing(source.batches({})) as lists:
            batches = await read_until(lists, "name? ")
        assert batches[-1].parts == {0}

    async def test_bytes_that_are_no_text_are_counted(self) -> None:
        """They are replaced, and status counts them."""
        source = process(r"printf 'a\377b\n'")
        assert lines(await run(source)) == ["a\ufffdb"]
        assert source.status.invalid_bytes == 1

    async def test_one_million_lines_come_once_and_in_order(self) -> None:
        """Nothing is lost or repeated, and the reader's memory does not grow with them."""
        expected, before = 1, resident_bytes()
        source = process(["seq", "1", "1000000"])
        async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
            async for batches in lists:
                for batch in batches:
                    numbers = list(map(int, batch.lines.split()))
                    assert numbers == list(range(expected, expected + len(numbers)))
                    expected += len(numbers)
        assert expected == 1_000_001
        assert resident_bytes() - before < 8 << 20

    async def test_a_flood_waits_in_the_pipe(self) -> None:
        """While a batch is being published the command is held back by its pipe."""
        source = process(["yes"])
        async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
            await anext(lists)
            pid = leader(await anext(lists))
            seen = sum(len(batch.lines.text) for batch in await anext(lists))
            written = await settled(lambda: written_bytes(pid))
            assert written <= seen + PIPE_BYTES + 4096  # It wrote a little to become ``yes``.
            await anext(lists)
            await until(lambda: written_bytes(pid) > written)

    async def test_lines_written_one_by_one_come_together(self) -> None:
        """A program that writes line by line does not become a batch for each line."""
        script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
        batches = await run(process(script))
        assert lines(batches) == [str(number) for number in range(20000)]
        assert len(batches) < 5000

    def test_it_runs_under_uvloop(self) -> None:
        """The other loop reads the same."""
        source = process("echo out; echo err >&2; exit 3")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            batches = runner.run(run(source))
        assert sorted(lines(batches)) == ["err", "out"]
        assert ending(batches) == ("failed", 3, None)


class TestStart:
    async def test_a_list_is_run_without_a_shell(self) -> None:
        """Words arrive as they are."""
        assert lines(await run(process(["printf", r"%s\n", "$HOME *", "'"]))) == ["$HOME *", "'"]

    async def test_it_starts_where_and_with_what_it_is_told(self, tmp_path: Path) -> None:
        """``cwd`` is its directory; ``env`` is added to the relay's."""
        source = process(
            'pwd; echo "$GREETING"; echo "$PATH"', cwd=str(tmp_path), env={"GREETING": "hi"}
        )
        assert lines(await run(source)) == [str(tmp_path), "hi", os.environ["PATH"]]

    async def test_it_has_nothing_to_read_and_no_descriptors(self) -> None:
        """Its stdin is empty, and nothing of the relay's is open in it."""
        assert lines(await run(process("cat; ls /proc/$$/fd"))) == ["0", "1", "2"]

    @as_root
    async def test_it_runs_as_another_user(self) -> None:
        """User, groups and home are the user's."""
        source = process("id -un; id -gn; id -Gn; echo $HOME $USER", user="nobody")
        assert lines(await run(source)) == ["nobody", "nogroup", "nogroup", "/nonexistent nobody"]

    @as_root
    async def test_only_root_can_run_it_as_another_user(self) -> None:
        """A relay without the right says so."""
        os.seteuid(65534)
        try:
            with pytest.raises(SourceError) as error:
                await run(process("true", user="root"))
        finally:
            os.seteuid(0)
        assert str(error.value) == (
            "user 'root': only a relay that runs as root can run a command as another user"
        )

    @pytest.mark.parametrize(
        ("command", "keys", "sentence"),
        [
            (["nosuch-program"], {}, "command 'nosuch-program': no such file or directory"),
            (["/etc/passwd"], {}, "command '/etc/passwd': permission denied"),
            (["a\0b"], {}, "command 'a\\x00b': embedded null byte"),
            ("true", {"cwd": "/nosuch"}, "cwd '/nosuch': no such directory"),
            ("true", {"user": "nosuch"}, "user 'nosuch': no such user"),
        ],
    )
    async def test_what_cannot_be_started_says_why(
        self, command: str | list[str], keys: dict[str, str], sentence: str
    ) -> None:
        """The supervisor gets one sentence, and no descriptor stays open."""
        source = process("true")
        await run(source)  # The guard's socket stays open.
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(SourceError) as error:
            await run(process(command, **keys))
        assert str(error.value) == sentence
        assert len(os.listdir("/proc/self/fd")) == before


class TestEnd:
    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("exit 0", ("succeeded", 0, None)),
            ("exit 3", ("failed", 3, None)),
            ("kill -SEGV $$", ("killed", 139, "SIGSEGV")),
            ("kill -40 $$", ("killed", 168, "SIGRTMIN+6")),
        ],
    )
    async def test_a_run_ends_as_its_command_did(
        self, command: str, expected: tuple[str, int | None, str | None]
    ) -> None:
        """The exit code or the signal decides about the status."""
        assert ending(await run(process(command))) == expected

    async def test_its_end_is_awaited_though_it_closed_its_output(self) -> None:
        """A silent command still runs."""
        assert ending(await run(process("exec >&- 2>&-; sleep 0.3; exit 7"))) == (
            "failed",
            7,
            None,
        )

    async def test_a_child_that_stays_behind_is_ended(self) -> None:
        """Who still holds the pipe after the leader's end gets a moment, then is ended."""
        batches = await run(process("(sleep 0.3; echo late; sleep 1000) & echo done"))
        assert lines(batches) == ["done", "late"]
        assert ending(batches) == ("succeeded", 0, None)
        assert not guard.is_alive(leader(batches))

    async def test_a_silent_child_that_stays_behind_is_ended(self) -> None:
        """The whole group ends with its leader."""
        batches = await run(process("sleep 1000 >/dev/null 2>&1 & echo done"))
        assert lines(batches) == ["done"]
        assert not guard.is_alive(leader(batches))

    async def test_who_left_the_group_does_not_hold_up_the_end(self) -> None:
        """A daemon that took the pipe along is left alone."""
        started = time.monotonic()
        batches = await run(process("setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.3"))
        daemon = int(lines(batches)[0])
        try:
            assert time.monotonic() - started < 8
            assert guard.is_alive(daemon)
            assert ending(batches) == ("succeeded", 0, None)
        finally:
            guard.end_groups([daemon])


class TestStop:
    async def test_its_last_words_are_read(self) -> None:
        """What it says after TERM comes before the end of the run, which is ``stopped``."""
        source = process(
            "trap 'echo bye; printf last; exit 0' TERM; echo ready; sleep 1000 & wait"
        )
        async with aclosing(source.batches({})) as lists:
            await read_until(lists, "ready")
        last = await source.stop()
        assert lines(last) == ["bye", "last"]
        assert ending(last) == ("stopped", 0, None)
        assert await source.stop() == []

    async def test_it_is_stopped_by_term(self) -> None:
        """The signal is told."""
        source = process("echo ready; exec sleep 1000")
        async with aclosing(source.batches({})) as lists:
            await read_until(lists, "ready")
        assert ending(await source.stop()) == ("stopped", 143, "SIGTERM")
        assert source.status.readers["command"].detail == "SIGTERM"

    async def test_stop_is_enough(self) -> None:
        """It ends the group also where nobody closed the generator."""
        source = process("echo ready; exec sleep 1000")
        lists = source.batches({})
        pid = leader(await read_until(lists, "ready"))
        assert ending(await source.stop()) == ("stopped", 143, "SIGTERM")
        assert not guard.is_alive(pid)
        await lists.aclose()
        assert await source.stop() == []

    async def test_after_a_fault_the_old_run_ends_first(self) -> None:
        """A source that is started again says what became of the life before."""
        source = process("echo ready; exec sleep 1000")
        lists = source.batches({})
        started = changes(await read_until(lists, "ready"))[0]
        with pytest.raises(ZeroDivisionError):
            await lists.athrow(ZeroDivisionError())
        async with aclosing(source.batches({})) as lists:
            batches = await anext(lists)
        assert ending(batches) == ("stopped", 143, "SIGTERM")
        assert changes(batches)[0].run == started.run

    async def test_a_cancelled_reader_leaves_nothing_behind(self) -> None:
        """Cancelling while it waits for lines ends the group too."""
        source = process("echo ready; exec sleep 1000")
        ready = asyncio.Event()

        async def read() -> None:
            async with aclosing(source.batches({})) as lists:
                pids.append(leader(await read_until(lists, "ready")))
                ready.set()
                async for _ in lists:
                    pass

        pids: list[int] = []
        task = asyncio.create_task(read())
        await ready.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not guard.is_alive(pids[0])

    async def test_who_ignores_term_is_killed(self) -> None:
        """KILL comes after the stop timeout, and not before."""
        source = process("trap '' TERM; echo ready; exec sleep 1000", stop_timeout="500ms")
        async with aclosing(source.batches({})) as lists:
            await read_until(lists, "ready")
            started = time.monotonic()
        last = await source.stop()
        assert 0.5 <= time.monotonic() - started < 5
        assert ending(last) == ("stopped", 137, "SIGKILL")

    async def test_the_whole_group_is_ended(self) -> None:
        """Grandchildren end too, even those that ignore TERM while their parent does not."""
        source = process(
            "(trap '' TERM; sleep 1000; sleep 1000) & (sleep 1000 & sleep 1000) &echo ready; wait",
            stop_timeout="300ms",
        )
        async with aclosing(source.batches({})) as lists:
            pid = leader(await read_until(lists, "ready"))
        assert ending(await source.stop()) == ("stopped", 143, "SIGTERM")
        assert not guard.is_alive(pid)

    async def test_a_flood_of_last_words_is_bounded(self) -> None:
        """The newest are kept; how many went before them is declared, to the line."""
        source = process("trap '' TERM; exec seq 1 1000000000", stop_timeout="1s")
        async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
            await anext(lists)
            await anext(lists)
            before = int(lines(await anext(lists))[-1])
        loss, *last = await source.stop()
        numbers = list(map(int, lines(last)[:-1]))  # The very last is cut by the KILL.
        lost = numbers[0] - before - 1
        assert lost > 0
        assert loss.loss == Loss(Reason.SOURCE, lost, lost)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert sum(len(batch.lines.text) for batch in last) <= TAIL_BYTES

    async def test_what_ended_by_itself_is_not_stopped(self) -> None:
        """A stop while only a grandchild is left does not change how the command ended."""
        source = process("echo ready; trap 'exit' TERM; sleep 1000 & exit 4")
        async with aclosing(source.batches({})) as lists:
            pid = leader(await read_until(lists, "ready"))
            await until(lambda: has_ended(pid))
        assert ending(await source.stop()) == ("failed", 4, None)


class TestRestart:
    @pytest.mark.parametrize(
        ("restart", "code", "runs"),
        [
            ("never", 0, 1),
            ("never", 1, 1),
            ("on-failure", 0, 1),
            ("on-failure", 1, 3),
            ("always", 0, 3),
            ("always", 1, 3),
        ],
    )
    async def test_it_is_started_again_by_its_policy(
        self, restart: str, code: int, runs: int, tmp_path: Path
    ) -> None:
        """Each start is a run of its own; three are enough to know."""
        source = process(f"echo x; exit {code}", restart=restart)
        seen: list[Batch] = []
        async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
            async for batches in lists:
                seen += batches
                if sum(isinstance(change, RunEnded) for change in changes(seen)) == 3:
                    break
        assert lines(seen) == ["x"] * runs
        assert len({change.run for change in changes(seen)}) == runs
        assert source.status.restarts == runs - 1

    async def test_between_two_lives_it_waits(self) -> None:
        """Status says how it ended, and that it will start again."""
        source = process("exit 3", restart="always")
        async with asyncio.timeout(SECONDS), aclosing(source.batches({})) as lists:
            for _ in ["before the start", "start", "end"]:
                await anext(lists)
            waiting = asyncio.ensure_future(anext(lists))
            await until(lambda: source.status.state is SourceState.WAITING)
            assert source.status.last_error == "the command ended: exit code 3"
            assert source.status.readers["command"].detail == "exit code 3; starts again in 0.1 s"
            await waiting
            assert isinstance(changes(await anext(lists))[0], RunStarted)
            assert source.status.state is SourceState.RUNNING

    async def test_a_life_that_the_relay_did_not_survive(self) -> None:
        """What was in the pipe is declared and its run ends, before the next one starts."""
        source = process("echo ready; sleep 1000", stop_timeout="1s")
        async with aclosing(source.batches({})) as lists:
            seen = await read_until(lists, "ready")
        killed = changes(seen)[0].run
        await source.stop()
        before = time.time_ns()
        async with aclosing(process("echo ready").batches(positions_of(seen))) as lists:
            again = await read_until(lists, "ready")
        assert again[0] == Batch("worker", "worker", loss=Loss(Reason.SOURCE))
        ended, started = changes(again)
        assert isinstance(ended, RunEnded)
        assert (ended.run, ended.status, ended.exit_code) == (killed, "ended", None)
        assert before <= ended.ended_ns <= time.time_ns()
        assert started.run != killed
        assert [batch.lines.count for batch in again[:-1]] == [0] * (len(again) - 1)

    async def test_a_start_that_the_relay_did_not_survive(self) -> None:
        """The command may have run before its run was known: that is a loss without an end."""
        source = process("true")
        async with aclosing(source.batches({})) as lists:
            seen = await anext(lists)
        assert positions_of(seen) == {"command": Position('{"run": null}')}
        again = await run(process("true"), positions_of(seen))
        assert again[0] == Batch("worker", "worker", loss=Loss(Reason.SOURCE))
        assert [type(change) for change in changes(again)] == [RunStarted, RunEnded]

    @pytest.mark.parametrize("command", ["true", "/none"])
    async def test_a_life_that_ended_leaves_no_position(self, command: str) -> None:
        """Also one that was stopped, or could not be started: nothing is lost with it."""
        source, seen = process([command]), []
        with suppress(SourceError):
            async with aclosing(source.batches({})) as lists:
                seen = [batch async for batches in lists for batch in batches]
        seen += await source.stop()
        assert positions_of(seen) == {}
        stopped = process("echo ready; sleep 1000")
        async with aclosing(stopped.batches({})) as lists:
            seen = await read_until(lists, "ready")
        assert positions_of(seen) != {}
        assert positions_of([*seen, *await stopped.stop()]) == {}

    async def test_no_run_has_the_name_of_one_that_was_killed(self) -> None:
        """The clock may show the same time once more."""
        killed = process("true").new_run(1_795_255_350_123_456_000)
        source = process("true")
        source.left({"command": in_pipe(killed)})
        assert source.new_run(1_795_255_350_123_456_000) == "worker.20261121T100230.123457"

    def test_waits_grow(self) -> None:
        """They double from 0.1 s to 30 s, and begin again after a life of 10 s."""
        backoff = Backoff(lambda: 0.0)
        waits = [backoff.wait(0.0) for _ in range(11)]
        assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
        assert [backoff.wait(9.9), backoff.wait(10.0), backoff.wait(1.0)] == [30.0, 0.1, 0.2]

    def test_waits_vary(self) -> None:
        """Chance shortens a wait by up to a quarter."""
        assert Backoff(lambda: 1.0).wait(0.0) == pytest.approx(0.075)


class TestOptions:
    @pytest.mark.parametrize("command", ["", " ", [], [""], [1], 5, {}])
    def test_a_wrong_command_is_refused(self, command: object) -> None:
        """One sentence says what is allowed."""
        assert problem(command=command) == (
            'Value error, a list of words such as ["ping", "localhost"], or a line for the shell'
        )

    @pytest.mark.parametrize("channel", ["", "{stem}", "a{"])
    def test_a_wrong_channel_is_refused(self, channel: str) -> None:
        """The template knows one word."""
        assert problem(command="true", channel=channel) == (
            "Value error, text in which {source} may stand"
        )

    def test_defaults(self) -> None:
        """What holds where nothing is said."""
        options = ProcessOptions.model_validate({"type": "process", "command": ["true"]})
        assert (options.restart, options.stop_timeout, options.env) == ("on-failure", 10.0, {})


def problem(**keys: object) -> str:
    """Return the one sentence about wrong keys."""
    with pytest.raises(ValidationError) as error:
        ProcessOptions.model_validate({"type": "process", **keys})
    (only,) = error.value.errors()
    return only["msg"]
