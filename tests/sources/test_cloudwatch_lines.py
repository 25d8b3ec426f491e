"""What becomes of events: texts, times, channels, origins, runs."""

from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.entry import Batch, Origin, Position
from relay.sources.cloudwatch_batches import Making, batches_of
from relay.sources.cloudwatch_events import Event, in_order, turns
from relay.sources.cloudwatch_lambda import InvocationEnded
from relay.sources.cloudwatch_lines import LineOptions, LogLines
from relay.sources.own_log import OwnLogSource
from relay.status import SourceStatus

NOW_MS = 1_795_255_350_000
A = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a01"
B = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a02"

TEXTS = st.lists(st.text(max_size=300), min_size=1, max_size=20)


def event(n: int, text: str, stream: str = "s") -> Event:
    """Return an event."""
    return (NOW_MS + n, 0, n, stream, text)


def made(most: int = 1 << 20) -> Making:
    """Return what batches have in common."""
    return Making("aws", "r", lambda stream, run: Origin("aws", stream, run), most)


def log_lines(group: str = "/aws/lambda/worker", **keys: Any) -> LogLines:
    """Return the lines of a log group."""
    options = LineOptions.model_validate({"type": "x", **keys})
    source = OwnLogSource("aws", options, SourceStatus("aws", "x"))
    return LogLines(source, options, group, "r", "eu-central-1")


def rows(batches: list[Batch]) -> list[tuple[str, str, str | None]]:
    """Return channel, text and run of each line."""
    found = []
    for batch in batches:
        index = batch.origin_index or bytes(batch.lines.count)
        for text, place in zip(batch.lines.strings(), index, strict=True):
            found.append((batch.channel, text, batch.origins[place].run))
    return found


@given(TEXTS)
def test_each_event_is_one_entry_whatever_stands_in_it(texts: list[str]) -> None:
    """Without the newline that closes it."""
    events = [event(n, text) for n, text in enumerate(texts)]
    (batch,) = batches_of(made(), "web", events)
    expected = [
        text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        for text in texts
    ]
    assert batch.lines.strings() == expected
    assert batch.timestamps == array("q", [event[0] * 1_000_000 for event in events])


@given(TEXTS, st.integers(4, 60))
def test_parts_of_a_long_event_are_its_text(texts: list[str], most: int) -> None:
    """None is too long, none is cut inside a character, each has the event's time."""
    texts = [text.replace("\n", " ").replace("\r", " ") for text in texts]
    (batch,) = batches_of(made(most), "web", [event(n, text) for n, text in enumerate(texts)])
    pieces = batch.lines.split()
    assert max(map(len, pieces)) <= most
    assert batch.timestamps is not None
    whole = ["" for _ in texts]
    for number, piece in enumerate(pieces):
        place = batch.timestamps[number] // 1_000_000 - NOW_MS
        whole[place] += piece.decode()
        assert (number in batch.parts) == (len(texts[place].encode()) > most)
    assert whole == texts


def test_no_batch_has_more_than_256_origins() -> None:
    """A page may have events of thousands of streams."""
    events = [event(n, f"{n}", f"stream-{n % 700}") for n in range(2000)]
    batches = list(batches_of(made(), "web", events))
    assert max(len(batch.origins) for batch in batches) <= 256
    assert [text for batch in batches for text in batch.lines.strings()] == [
        f"{n}" for n in range(2000)
    ]
    for batch in batches:
        index = batch.origin_index or bytes(batch.lines.count)
        for text, place in zip(batch.lines.strings(), index, strict=True):
            assert batch.origins[place].instance == f"stream-{int(text) % 700}"


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 60))
def test_turns_are_all_events_in_their_order(sizes: list[int], most: int) -> None:
    """Each of about so many characters."""
    events = [event(n, "x" * size) for n, size in enumerate(sizes)]
    cut = list(turns(events, most))
    assert [one for turn in cut for one in turn] == events
    assert all(turn for turn in cut)
    assert all(sum(len(one[4]) for one in turn[:-1]) < most for turn in cut)


def test_events_of_one_time_stay_as_they_came() -> None:
    """AWS orders them by the request that wrote them."""
    events = [(5, 9, 1, "a", ""), (5, 3, 2, "a", ""), (5, 3, 3, "a", "")]
    assert in_order(events) == events
    assert in_order([(6, 0, 0, "a", ""), *events]) == [
        events[1],
        events[2],
        events[0],
        (6, 0, 0, "a", ""),
    ]


def test_words_of_a_log_group_may_stand_in_a_channel() -> None:
    """Without the slash that most begin with."""
    template = "{region}.{log_group}.{name}.{source}"
    batches = log_lines(channel=template).batches([event(1, "x")], None)
    assert batches[0].channel == "eu-central-1.aws-lambda-worker.worker.aws"


def test_a_position_stands_behind_the_last_of_all_channels() -> None:
    """Also where there is no line at all; then the channel is the source's."""
    lines = log_lines(channel="{log_stream}")
    events = [event(1, "a", "x"), event(2, "b", "y"), event(3, "c", "x")]
    batches = lines.batches(events, Position("1"))
    assert rows(batches) == [("x", "a", None), ("x", "c", None), ("y", "b", None)]
    assert [batch.position for batch in batches] == [None, Position("1")]
    assert lines.batches((), Position("2")) == [
        Batch("aws", "aws", reader="r", position=Position("2"))
    ]
    assert (lines.channel, log_lines().channel, log_lines(channel="{name}").channel) == (
        None,
        "aws",
        "worker",
    )


def test_a_channel_of_the_pattern_is_left_to_the_refinery() -> None:
    """It is not known before the line is."""
    lines = log_lines(channel="jobs-{tenant}", run_pattern=r"(?P<tenant>\w+)/(?P<run>\w+)")
    assert lines.batches([event(1, "a/b")], None)[0].channel == "jobs-{tenant}"
    assert lines.channel is None


def test_a_run_may_be_named_after_the_log_stream() -> None:
    """What a run may not be called becomes a dash."""
    lines = log_lines(run="{name}.{log_stream}")
    events = [event(1, "a", "2026/11/21/[$LATEST]ab"), event(2, f"START RequestId: {A} V", "b")]
    assert [run for _, _, run in rows(lines.batches(events, None))] == [
        "worker.2026-11-21---LATEST-ab",
        "worker.b",
    ]


def test_requests_of_lambda_are_runs_where_nothing_else_names_them() -> None:
    """Their ends stand behind all lines of a turn."""
    events = [
        event(1, f"START RequestId: {A} Version: 1"),
        event(2, "x"),
        event(3, f"REPORT RequestId: {A}\tx"),
        event(4, f"START RequestId: {B} Version: 1"),
    ]
    batches = log_lines().batches(events, Position("1"))
    assert [run for _, _, run in rows(batches)] == [A, A, A, B]
    ended = InvocationEnded(A, (NOW_MS + 3) * 1_000_000, "succeeded", instance="s")
    assert [batch.runs for batch in batches] == [(), (ended,)]
    assert batches[-1].position == Position("1")
    for keys in ({"lambda_lines": False}, {"run": "x"}, {"run_end_pattern": "x"}):
        assert not any(batch.runs for batch in log_lines(**keys).batches(events, None))
    assert [run for *_, run in rows(log_lines("/app").batches(events, None))] == [None] * 4
    assert rows(log_lines("/app", lambda_lines=True).batches(events, None)) == rows(batches)


def test_where_lines_name_jobs_invocations_stand_apart() -> None:
    """So that each report ends the jobs before it, and no later ones."""
    events = [
        event(1, f"START RequestId: {A} Version: 1"),
        event(2, f"REPORT RequestId: {A}\tx"),
        event(3, "job=2"),
        event(4, f"REPORT RequestId: {B}\tx"),
    ]
    batches = log_lines(run_pattern=r"job=(?P<run>\w+)").batches(events, Position("1"))
    shape = [(batch.lines.count, [one.run for one in batch.runs]) for batch in batches]
    assert shape == [(2, []), (0, [A]), (2, []), (0, [B])]
    assert {run for *_, run in rows(batches)} == {None}
