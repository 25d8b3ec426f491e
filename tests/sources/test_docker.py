"""The source over a fake engine: what the real one cannot be made to do; and its keys."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from relay.block import Block, DeclaredLoss
from relay.config.document import parse
from relay.config.loader import build
from relay.config.model import ChannelOptions
from relay.entry import Batch, Position
from relay.errors import ConfigError
from relay.hub import Hub
from relay.sources import MODELS, SOURCES
from relay.sources.docker import DockerOptions, DockerSource
from relay.sources.docker_container import SHORT_SECONDS
from relay.sources.docker_facts import Container
from relay.sources.docker_position import ContainerPosition
from relay.sources.supervisor import Supervisor
from relay.status import ReaderStatus, SourceStatus
from tests.fakes.engine import ID, Answer, FakeEngine
from tests.sources.docker_texts import PART, SECOND, frame, multiplexed, part

PATIENCE_SECONDS = 20.0
NINE = 1_795_251_600 * SECOND
"""2026-11-21T09:00:00Z, when the fake container starts."""


def said(*numbers: int) -> bytes:
    """Return frames of numbered lines, alternating between the streams."""
    return multiplexed([(NINE + n * 1000, n & 1, b"line %d\n" % n) for n in numbers])


class Running:
    """A source that reads a fake engine into a hub."""

    def __init__(self, url: str, kind: type[DockerSource], **options: Any) -> None:
        self.hub = Hub(lambda name: ChannelOptions())
        self.status = SourceStatus("docker", "docker")
        table = {"type": "docker", "host": url, "tail": "all", **options}
        self.source = kind("docker", DockerOptions.model_validate(table), self.status)
        self.hub.sources["docker"] = self.status

    @property
    def items(self) -> list[Block | DeclaredLoss]:
        """All of the container's channel."""
        channel = self.hub.channels.get("app")
        return [] if channel is None else list(channel.ring.after(0))

    @property
    def lines(self) -> list[str]:
        """All of the container's."""
        blocks = [item for item in self.items if isinstance(item, Block)]
        return [line for block in blocks for line in block.lines.strings()]

    @property
    def row(self) -> ReaderStatus:
        """What status shows of it."""
        return self.status.readers.get("app") or ReaderStatus("none")

    async def wait(self, is_there: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_there():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def reading(
    engine: FakeEngine,
    tmp_path: Path,
    kind: type[DockerSource] = DockerSource,
    positions: Mapping[str, Position] | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    """Read a fake engine while the context lasts."""
    async with engine.running(tmp_path / "e.sock") as url:
        running = Running(url, kind, **options)
        supervisor = Supervisor(running.source, running.hub, positions=positions or {})
        task = asyncio.create_task(supervisor.run())
        try:
            yield running
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("cut", [3, 8, 20, 39, 44])
async def test_an_answer_that_ends_inside_a_frame(tmp_path: Path, cut: int) -> None:
    """In its header, its time or its text: the next answer has it whole."""
    whole = said(0, 1, 2)
    frame_bytes = len(said(2))
    first = Answer(whole[: len(whole) - frame_bytes + cut])
    engine = FakeEngine([first, Answer(said(0, 1, 2, 3), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 4)
        assert running.lines == ["line 0", "line 1", "line 2", "line 3"]


@pytest.mark.parametrize(
    ("tail", "expected"), [(2, ["c", "d"]), (0, []), (9, ["a", "b", "c", "d"])]
)
async def test_the_first_lines_that_are_wanted(
    tmp_path: Path, tail: int, expected: list[str]
) -> None:
    """Also those that have an earlier time than the first, since streams overtake each other."""
    times = {"a": 90, "b": 10, "c": 60, "d": 40, "e": 200}
    log = [
        multiplexed([(NINE + ms * 1_000_000, name in "bd", name.encode() + b"\n")])
        for name, ms in times.items()
    ]
    first = max(0, 4 - (tail or 1))
    answers = [Answer(b"".join(log[first:4])), Answer(b"".join(log[:4]))]
    engine = FakeEngine([*answers, Answer(b"".join(log), hold=True)])
    async with reading(engine, tmp_path, tail=tail) as running:
        await running.wait(lambda: running.lines[-1:] == ["e"])
        assert running.lines == [*expected, "e"]
        assert not [item for item in running.items if isinstance(item, DeclaredLoss)]


async def test_an_error_between_answers(tmp_path: Path) -> None:
    """It is shown, and the log is asked for again."""
    errors = [Answer(status=500)] * 3
    engine = FakeEngine([Answer(said(0, 1)), *errors, Answer(said(0, 1, 2), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: running.row.state == "waiting")
        shown = running.row.detail or ""
        assert shown.startswith(f"unix://{tmp_path}/e.sock refuses: an answer of the test's; ")
        await running.wait(lambda: len(running.lines) >= 3)
        assert running.lines == ["line 0", "line 1", "line 2"]
        assert running.row.state == "reading"


@pytest.mark.parametrize(
    "lie",
    [bytes([1, 0, 0, 0, 255, 255, 255, 255]), bytes([9, 0, 0, 0, 0, 0, 0, 9]), frame(1, b"x\n")],
    ids=["size", "stream", "time"],
)
async def test_bytes_that_no_engine_sends(tmp_path: Path, lie: bytes) -> None:
    """What came before is kept; the log is asked for again, and nothing comes twice."""
    engine = FakeEngine([Answer(said(0)), Answer(said(0) + lie), Answer(said(0, 1), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 2)
        assert running.lines == ["line 0", "line 1"]


async def test_an_answer_that_does_not_reach_back_is_asked_for_more(tmp_path: Path) -> None:
    """Nothing of it is taken before it is known that nothing is between."""
    answers = [Answer(said(0, 1)), Answer(said(7, 8)), Answer(said(*range(9)), hold=True)]
    engine = FakeEngine(answers)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 9)
        assert running.lines == [f"line {number}" for number in range(9)]
        await running.wait(lambda: len(engine.asked) == 4)
        asked = [(one["tail"], one["follow"]) for one in engine.asked]
        assert asked == [("all", "1"), ("1024", "1"), ("8192", "0"), ("1024", "1")]


async def test_what_is_not_there_any_more_is_one_loss(tmp_path: Path) -> None:
    """The log was asked for as far back as it was read."""
    engine = FakeEngine([Answer(said(0, 1)), *[Answer(said(7, 8), hold=True)] * 6])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 4)
        assert running.lines == ["line 0", "line 1", "line 7", "line 8"]
        await running.wait(lambda: len(engine.asked) == 8)
        assert [one["tail"] for one in engine.asked] == [
            *("all", "1024", "8192", "65536", "524288", "4194304", "all", "1024")
        ]
        assert len([item for item in running.items if isinstance(item, DeclaredLoss)]) == 1


LIMITED = {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1k"}}}}


async def test_what_a_follower_leaves_out_is_asked_for(tmp_path: Path) -> None:
    """Lines that the answer jumps over come in their order, and the log is followed anew."""
    left_out = said(*range(0, 81_000, 1000))
    follows = Answer(said(*range(0, 9000, 1000), 60_000), hold=True)
    engine = FakeEngine([follows, Answer(left_out, hold=True)], inspected=LIMITED)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 81)
        assert running.lines == [f"line {number}" for number in range(0, 81_000, 1000)]
        await running.wait(lambda: len(engine.asked) == 3)
        asked = [(one["tail"], one["follow"]) for one in engine.asked]
        assert asked == [("all", "1"), ("65", "0"), ("1024", "1")]


async def test_a_file_that_the_engine_has_emptied(tmp_path: Path) -> None:
    """What the answer goes on with after a pause is all that there is: nothing is lost."""
    before, after = range(0, 20_000, 1000), range(60_000, 64_000, 1000)
    emptied = Answer(said(*after), hold=True)
    engine = FakeEngine([Answer(said(*before, *after), hold=True), emptied], inspected=LIMITED)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 24)
        assert running.lines == [f"line {number}" for number in (*before, *after)]
        assert not [item for item in running.items if isinstance(item, DeclaredLoss)]
        assert [one["tail"] for one in engine.asked][1::6] == ["68", "all"]


async def test_a_pause_that_has_left_nothing_out(tmp_path: Path) -> None:
    """So many lines are asked for as have come, and a few: bursts make many such pauses."""
    bursts = [range(n * 60_000, n * 60_000 + 20_000, 1000) for n in range(6)]
    whole = Answer(said(*(n for burst in bursts for n in burst)), hold=True)
    engine = FakeEngine([whole], inspected=LIMITED)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) == 120)
        asked = [(one["tail"], one["follow"]) for one in engine.asked]
        assert asked == [("all", "1"), ("164", "0")]


async def test_what_a_follower_keeps_to_itself_is_asked_for(tmp_path: Path) -> None:
    """Also where nothing comes after it: a silence is looked into, once."""
    engine = FakeEngine([Answer(said(0), hold=True), Answer(said(0, 1), hold=True)])
    engine.inspected = LIMITED
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 2)
        assert running.lines == ["line 0", "line 1"]
        await running.wait(lambda: len(engine.asked) == 4)
        asked = [(one["tail"], one["follow"]) for one in engine.asked]
        assert asked == [("all", "1"), ("1024", "0"), ("1024", "1"), ("1024", "0")]


async def test_an_answer_that_repeats_itself(tmp_path: Path) -> None:
    """As an engine does whose log is rotated under load."""
    engine = FakeEngine([Answer(said(0, 1, 2, 3) + said(1, 2, 3, 4) + said(3, 4, 5), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 6)
        assert running.lines == [f"line {number}" for number in range(6)]


def beside(first: int, stop: int) -> bytes:
    """Return frames of numbered lines of stdout, one each millisecond."""
    return b"".join(part(NINE + n * 1_000_000, 0, b"line %d\n" % n) for n in range(first, stop))


SLOW_HEAD = part(NINE + 500, 1, b"s" * PART)
SLOW_REST = part(NINE + 500, 1, b" end\n")
"""All parts of a line have the time of the first."""


@pytest.mark.parametrize("is_cut", [False, True], ids=["live", "cut"])
async def test_a_long_line_that_takes_long(tmp_path: Path, is_cut: bool) -> None:
    """It comes when it is whole, though what came meanwhile is far later than its time."""
    first = beside(0, 1) + SLOW_HEAD + beside(1, 9000)
    answers = [Answer(first), Answer(first + SLOW_REST + beside(9000, 9010), hold=True)]
    engine = FakeEngine(answers if is_cut else answers[1:])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: "line 9009" in running.lines)
        expected = [f"line {number}" for number in range(9010)]
        expected.insert(9000, "s" * PART + " end")
        assert running.lines == expected


async def test_a_line_whose_parts_are_asked_for_apart(tmp_path: Path) -> None:
    """Its end is no line: the log is asked for from before its beginning, once."""
    whole = beside(0, 100) + SLOW_HEAD + beside(100, 200) + SLOW_REST + beside(200, 300)
    inside = beside(150, 200) + SLOW_REST + beside(200, 301)
    answers = [Answer(whole), Answer(inside), Answer(whole), Answer(inside)]
    engine = FakeEngine([*answers, Answer(whole + beside(300, 302), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: "line 301" in running.lines)
        expected = [f"line {number}" for number in range(302)]
        expected.insert(200, "s" * PART + " end")
        assert running.lines == expected
        asked = [(one["tail"], one["follow"]) for one in engine.asked]
        expected_tails = [("all", "1"), ("1024", "1"), ("8192", "0"), ("1024", "1"), ("8192", "1")]
        assert asked == expected_tails


async def test_a_line_that_goes_on_in_an_answer_that_begins_inside(tmp_path: Path) -> None:
    """An answer is left where it shows what it has not, however far it was read."""
    head = beside(0, 10) + SLOW_HEAD + beside(10, 7000)
    whole = head + SLOW_REST + beside(7000, 7010)
    inside = beside(6900, 7000) + SLOW_REST + beside(7000, 7010)
    answers = [Answer(head), Answer(inside), Answer(whole, hold=True)]
    engine = FakeEngine(answers)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: "line 7009" in running.lines)
        expected = [f"line {number}" for number in range(7010)]
        expected.insert(7000, "s" * PART + " end")
        assert running.lines == expected


class Recorded(DockerSource):
    """A source whose positions are kept."""

    positions: list[Position]

    def hand_on(self, batches: Sequence[Batch]) -> "asyncio.Future[None]":
        """Publish, and keep the position."""
        self.positions = [*getattr(self, "positions", ()), batches[-1].position or Position("")]
        return super().hand_on(batches)


async def test_a_position_does_not_cover_lines_that_wait_for_more(tmp_path: Path) -> None:
    """However much the other stream has said since, whose keys are kept from there on."""
    trace = NINE + 500
    more = part(trace + 9 * SECOND, 1, b"  at\n")
    body = part(trace, 1, b"trace\n") + beside(1, 9000) + more + beside(9001, 9010)
    engine = FakeEngine([Answer(body, hold=True)])
    async with reading(engine, tmp_path, kind=Recorded, multiline="indent") as running:
        await running.wait(lambda: "trace\n  at" in running.lines)
        assert isinstance(running.source, Recorded)
        stands = [ContainerPosition.parse(one.value) for one in running.source.positions]
        kept = b"".join(one.record_keys for one in running.source.positions)
        at = kept.index(trace.to_bytes(8, "big")) // 16
        assert at > 5000
        ends = list(accumulate(len(one.record_keys) // 16 for one in running.source.positions))
        before = [one for one, end in zip(stands, ends, strict=True) if one and end <= at]
        assert before[-1].hi > trace + 5 * SECOND
        assert max(one.lo for one in before) <= trace
        assert max(one.keys_from for one in running.source.positions[: len(before)]) <= trace


async def test_a_line_that_waited_for_more_at_a_kill(tmp_path: Path) -> None:
    """It is read again, though what is after it in the log is known."""
    trace = NINE + 1000 * 1_000_000 + 500
    body = beside(0, 1000) + part(trace, 1, b"trace\n") + beside(1000, 4000)
    engine = FakeEngine([Answer(body, hold=True)])
    async with reading(engine, tmp_path, kind=Recorded, multiline="indent") as running:
        await running.wait(lambda: "trace" in running.lines)
        assert isinstance(running.source, Recorded)
        positions = running.source.positions
    keys = [one.record_keys for one in positions]
    number = next(n for n, one in enumerate(keys) if trace.to_bytes(8, "big") in one)
    killed = Position(positions[number - 1].value, b"".join(keys[:number]))
    known = len(killed.record_keys) // 16
    assert known > 3000
    inside, whole = beside(2900, 4010), body + beside(4000, 4010)
    answers = [Answer(inside, hold=True), Answer(whole), Answer(inside, hold=True)]
    engine = FakeEngine(answers)
    async with reading(engine, tmp_path, positions={ID: killed}, multiline="indent") as running:
        await running.wait(lambda: len(running.lines) >= 4011 - known)
        left = ["trace", *(f"line {number}" for number in range(known, 4010))]
        assert sorted(running.lines) == sorted(left)
        assert not [item for item in running.items if isinstance(item, DeclaredLoss)]


def state(status: str, started: int, finished: int) -> dict[str, Any]:
    """Return what is told of a container by whole seconds after nine."""
    return {
        "State": {
            "Status": status,
            "ExitCode": 0,
            "StartedAt": f"2026-11-21T09:00:{started:02}Z",
            "FinishedAt": f"2026-11-21T09:00:{finished:02}Z",
        }
    }


async def test_two_starts_that_are_seen_at_once(tmp_path: Path) -> None:
    """The lines of a short run are its own, and it ends, though the next one says nothing."""
    log = [(NINE + n * SECOND, 0, b"line %d\n" % n) for n in (1, 11)]
    engine = FakeEngine([Answer(multiplexed(log[:1]))], inspected=state("exited", 0, 2))
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: running.row.state == "ended")
        engine.answers = [Answer(multiplexed(log), hold=True)]
        engine.inspected = state("running", 20, 12)
        actions = (("die", 2), ("start", 10), ("die", 12), ("start", 20))
        actor = {"ID": ID, "Attributes": {"exitCode": "0"}}
        engine.told.put_nowait(
            [
                {"Action": action, "Actor": actor, "timeNano": NINE + at * SECOND + 1}
                for action, at in actions
            ]
        )
        await running.wait(lambda: len(running.hub.runs) == 3)
        assert [run.lines for run in running.hub.runs.values()] == [1, 1, 0]


async def test_a_container_that_goes_while_its_engine_is_away(tmp_path: Path) -> None:
    """It may have said more than was read, which is a loss: the answer was cut, not ended."""
    engine = FakeEngine([Answer(said(0, 1), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) == 2)
        engine.inspect_errors = 1000
        engine.cut.set()
        await running.wait(lambda: running.row.state == "waiting")
        engine.inspect_errors, engine.is_gone = 0, True
        await running.wait(lambda: running.row.state == "none")
        await running.wait(
            lambda: [item for item in running.items if isinstance(item, DeclaredLoss)]
        )


async def test_short_cuts_that_are_long_past_do_not_count(tmp_path: Path) -> None:
    """After an answer that lasted the next cut is waited for as the first."""
    engine = FakeEngine([*[Answer(said(0))] * 4, Answer(said(0), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(engine.asked) == 5)
        await asyncio.sleep(1.1 * SHORT_SECONDS)
        engine.cut.set()
        await running.wait(lambda: len(engine.asked) >= 6)
        began = time.monotonic()
        await running.wait(lambda: len(engine.asked) >= 7)
        assert time.monotonic() - began < 0.8


async def test_an_error_when_a_container_is_met(tmp_path: Path) -> None:
    """It is looked at again: no event may ever tell of it again."""
    start = {"Action": "start", "Actor": {"ID": ID}, "timeNano": NINE}
    engine = FakeEngine(
        [Answer(said(0), hold=True)], is_listed=False, events=[start], inspect_errors=2
    )
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: running.lines == ["line 0"])


@pytest.mark.parametrize("label_bytes", [200_000, 5_000_000])
async def test_an_event_that_is_long(tmp_path: Path, label_bytes: int) -> None:
    """One with many labels is taken, and one that is beyond all measure is left out."""
    labels = {"x": "x" * label_bytes}
    told = {"Action": "start", "Actor": {"ID": ID, "Attributes": labels}, "timeNano": NINE}
    start = {"Action": "start", "Actor": {"ID": ID}, "timeNano": NINE}
    events = [told] if label_bytes < 1_000_000 else [told, start]
    engine = FakeEngine([Answer(said(0), hold=True)], is_listed=False, events=events)
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: running.lines == ["line 0"])
        assert running.status.last_error is None


class Closed(FakeEngine):
    """What does not have what an engine has, such as a proxy that allows less."""

    async def _version(self, request: web.Request) -> web.Response:
        return web.Response(status=404, text="not here")


async def test_no_engine_where_one_should_be(tmp_path: Path) -> None:
    """It refuses, in words, and is asked again."""
    async with reading(Closed([]), tmp_path) as running:
        await running.wait(lambda: running.status.last_error)
        assert running.status.last_error == f"unix://{tmp_path}/e.sock refuses: not here"


class Faulty(DockerSource):
    """A source with a fault that it has some times."""

    faults = 3

    def channel_of(self, container: Container) -> str:
        """Return the channel of a container's lines, or do not."""
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a fault of the test's")
        return super().channel_of(container)


async def test_a_fault_with_a_container(tmp_path: Path) -> None:
    """Status tells of it, and the container is read nevertheless, soon."""
    engine = FakeEngine([Answer(said(0), hold=True)])
    async with reading(engine, tmp_path, kind=Faulty) as running:
        await running.wait(lambda: running.lines == ["line 0"])
        assert running.status.last_error == f"a fault in the relay with container {ID[:12]}"


async def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """What the container says then comes at once, not when the clock has caught up."""
    now = time.time_ns()
    later = [(now + 3600 * SECOND + n * 1_000_000, 0, b"line %d\n" % n) for n in range(9000)]
    then = [(now + n * 1_000_000, 0, b"line %d\n" % n) for n in range(9000, 9100)]
    engine = FakeEngine([Answer(multiplexed(later + then), hold=True)])
    async with reading(engine, tmp_path) as running:
        await running.wait(lambda: len(running.lines) >= 9100)
        assert running.lines == [f"line {number}" for number in range(9100)]


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("tail = -1", 'a number of lines, or "all", got -1'),
        ('since = "soon"', "a time with its zone such as"),
        ('host = "ssh://x"', '"unix:///path" or "tcp://host:port"'),
        ('tls_cert = "a"', "tls_cert and tls_key, or none of both"),
        ("containers = [1]", 'text such as "web-*", or a list of it'),
        ('encoding = "utf-16"', "an encoding whose newline is one byte"),
        ('channel = "{nothing}"', "{service}, {container}, {project}, {image}, {label:NAME}"),
        ('exclude = { name = "x" }', "unknown key"),
    ],
)
def test_keys_that_cannot_be_used(key: str, sentence: str) -> None:
    """Each error says what is allowed."""
    text = f'[sources.c]\ntype = "docker"\n{key}\n'.encode()
    with pytest.raises(ConfigError) as caught:
        build(parse(text, "relay.toml"), "relay.toml", MODELS, {})
    assert sentence in str(caught.value)


def test_two_sources_do_not_read_the_same(tmp_path: Path) -> None:
    """Unless something else tells their containers apart."""
    two = '[sources.a]\ntype = "docker"\n[sources.b]\ntype = "docker"\n'
    with pytest.raises(ConfigError, match=r"'\*' is read by sources\.a already"):
        build(parse(two.encode(), "relay.toml"), "relay.toml", MODELS, {})
    build(parse((two + 'project = "x"\n').encode(), "relay.toml"), "relay.toml", MODELS, {})


def test_its_library_is_loaded_only_where_it_is_configured() -> None:
    """It would be a tenth of a second of every start."""
    import subprocess
    import sys

    code = "import sys, relay.sources.docker as d; print('aiodocker' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert SOURCES["docker"] is DockerSource
