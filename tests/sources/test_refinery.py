"""The whole way from a source's batch to what is published."""

from array import array
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.entry import UNSAID, Batch, Level, Loss, Origin, Position, Reason
from relay.lines import Lines
from relay.sources.base import SourceOptions
from relay.sources.refinery import FOLLOW_NS, Refinery
from tests.building import batch

NOW = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z
AT = 1_795_254_450_000_000_000  # 2026-11-21T09:47:30Z
STAMP = "2026-11-21T09:47:30Z"

EVERYTHING = {
    "channel": "jobs-{tenant}",
    "redact": ["email", "card", r"(?i)password=(?P<secret>\S+)"],
    "timestamp": "auto",
    "timezone": "UTC",
    "fields": "logfmt",
    "level_pattern": r"<(?P<level>\w+)>",
    "run_pattern": r"tenant=(?P<tenant>\S+) job=(?P<run>\S+)",
}


def refinery(**keys: Any) -> Refinery:
    """Return the steps that a source with these keys has."""
    return Refinery(SourceOptions.model_validate({"type": "x", **keys}), "app")


def test_without_any_step_the_batches_are_handed_through() -> None:
    """The very list."""
    batches = [batch("web", "a b")]
    assert refinery().refine(batches, NOW) is batches


def test_all_steps_together() -> None:
    """What is taken out of a line is taken out of what is left after redaction."""
    line = f"{STAMP} <warning> tenant=a@b.org job=7 password=x y"
    given_ = replace(
        batch("jobs-{tenant}", [line, "plain"], position=Position("9"), reader="r"),
        fields=Lines.of([b"", b'{"mail":"c@d.org"}']),
        loss=Loss(Reason.SOURCE, 1, 1),
    )
    first, second = refinery(**EVERYTHING).refine([given_], NOW)
    assert first.channel == "jobs----"
    assert first.lines.strings() == [f"{STAMP} <warning> tenant=*** job=7 password=*** y"]
    assert first.timestamps == array("q", [AT])
    assert first.levels == bytes([Level.WARN])
    assert first.fields is not None
    assert orjson.loads(first.fields.text) == {"tenant": "***", "job": "7", "password": "***"}
    assert first.origins == (Origin("app", run="7"),)
    assert (first.position, first.loss) == (None, None)
    assert (second.channel, second.lines.strings()) == ("app", ["plain"])
    assert second.timestamps == array("q", [AT])
    assert second.levels == bytes([UNSAID])
    assert second.fields == Lines.of([b'{"mail":"***"}'])
    assert (second.position, second.loss) == (Position("9"), Loss(Reason.SOURCE, 1, 1))


def test_a_batch_without_lines_only_has_its_channel_named() -> None:
    """A first position is kept as it is."""
    empty = Batch("app", "jobs-{tenant}", reader="r", position=Position("0"))
    assert refinery(**EVERYTHING).refine([empty], NOW) == [replace(empty, channel="app")]


def test_a_line_without_a_time_has_that_of_the_line_before() -> None:
    """Of the same reader, if it came soon after it; else it has its arrival's."""
    steps = refinery(timestamp="auto")

    def stamps(reader: str, now_ns: int, *lines: str) -> list[int]:
        [refined] = steps.refine([batch("web", list(lines), reader=reader)], now_ns)
        assert refined.timestamps is not None
        return list(refined.timestamps)

    assert stamps("a", NOW, "x", f"{STAMP} y", "  at z") == [NOW, AT, AT]
    assert stamps("b", NOW, "x") == [NOW]
    assert stamps("a", NOW + FOLLOW_NS - 1, "x") == [AT]
    assert stamps("a", NOW + FOLLOW_NS, "x", f"{STAMP} y") == [NOW + FOLLOW_NS, AT]


def test_times_that_the_source_knows_stay_where_lines_have_none() -> None:
    """They are better than another line's."""
    given_ = replace(batch("web", [f"{STAMP} x", "y"]), timestamps=array("q", [1, 2]))
    [refined] = refinery(timestamp="auto").refine([given_], NOW)
    assert refined.timestamps == array("q", [AT, 2])


def test_fields_that_the_source_gives_stay() -> None:
    """Others are found."""
    given_ = replace(batch("web", ["a=1", "a=2"]), fields=Lines.of([b'{"b":3}', b""]))
    [refined] = refinery(fields="logfmt").refine([given_], NOW)
    assert refined.fields == Lines.of([b'{"b":3}', b'{"a":"2"}'])


PIECES = st.sampled_from(
    [STAMP, "Nov 20 10:00:00 ", "tenant=a job=1 ", "tenant=b job=2 ", "<error> ", "x@y.org ",
     "password=z ", "k=v ", "\n", "{", "é"]
)  # fmt: skip
ENTRIES = st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=1, max_size=6)


def told(batches: list[Batch]) -> dict[str, list[tuple[object, ...]]]:
    """Return all that is said of each line, by channel."""
    channels: dict[str, list[tuple[object, ...]]] = {}
    for each in batches:
        for index, line in enumerate(each.lines.split()):
            origin = each.origins[each.origin_index[index] if each.origin_index else 0]
            channels.setdefault(each.channel, []).append(
                (
                    line,
                    origin,
                    each.timestamps and each.timestamps[index],
                    UNSAID if each.levels is None else each.levels[index],
                    b"" if each.fields is None else each.fields.entry(index),
                )
            )
    return channels


@settings(max_examples=200)
@given(ENTRIES)
def test_lines_refined_together_are_as_each_refined_alone(entries: list[str]) -> None:
    """Whatever stands in them."""
    whole = refinery(**EVERYTHING).refine([batch("jobs-{tenant}", entries)], NOW)
    one_by_one = refinery(**EVERYTHING)
    singles = [
        piece
        for entry in entries
        for piece in one_by_one.refine([batch("jobs-{tenant}", [entry])], NOW)
    ]
    assert told(whole) == told(singles)
