"""What a write does, worked out before anything is done."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.block import DeclaredLoss
from relay.entry import Loss, Origin, Reason, RunCounted, RunStarted
from relay.run import Counted, Ending, Start
from relay.span import Span
from relay.store.index import NO_NEWEST_NS, NO_OLDEST_NS, ChannelRow, OpenSegment
from relay.store.plan import Append, Now, plan_records
from relay.store.segment import Record, hole, render
from tests.building import block

NOW = Now(age_ns=77, date="2026-11-21", last_id=990)
DAY_NS = 86_400_000_000_000


def lines(text: str, first_id: int, first_seq: int, channel: str = "web") -> Span:
    """Return a span of the words of a text."""
    one = block(text, first_id, first_seq, channel=channel)
    return Span(one, 0, one.count)


def is_there(file: str) -> bool:
    """Say that all files are there."""
    return True


def start(channel: str = "web", run: str = "job") -> Start:
    return Start(channel, "app", RunStarted(run, 5))


def test_a_first_record_opens_a_segment() -> None:
    """It is named after its first id; the channel is born before it."""
    one = lines("a b", 1000, 1)
    plan = plan_records({}, [one], NOW, is_there)
    text = render([one])
    file = "channels/web/2026-11-21/1000.ndjson"
    assert plan.appends == [Append("web", 1000, file, 0, [text])]
    part = OpenSegment(1000, 1, len(text), 2, 1_000_000, 1_000_000, "2026-11-21", 77, 77)
    assert plan.rows == {"web": ChannelRow("web", 999, 1001, 2, None, part)}
    assert plan.sealed == []


def test_a_channel_without_a_line_is_born_now() -> None:
    """A start has no id: all ids to come are greater than those that there are."""
    plan = plan_records({}, [start()], NOW, is_there)
    assert plan.rows == {"web": ChannelRow("web", 990, 990, 0)}
    assert plan.appends == []


def test_what_has_no_entry_has_no_times() -> None:
    """A hole takes its seqs, a loss and an ending none."""
    loss = DeclaredLoss(1000, "web", Loss(Reason.RATE, 5, 5))
    gap = hole("web", 1001, 1009, 4, Reason.STORAGE)
    ending = Ending(1010, "web", "job", 9, "ended")
    plan = plan_records({}, [loss, gap, ending], NOW, is_there)
    row = plan.rows["web"]
    assert (row.last_id, row.last_seq) == (1010, 4)
    assert row.open is not None
    assert (row.open.entries, row.open.oldest_ns, row.open.newest_ns) == (
        0,
        NO_OLDEST_NS,
        NO_NEWEST_NS,
    )
    assert row.open.losses == 2
    plan = plan_records(plan.rows, [DeclaredLoss(1011, "web", loss.loss)], NOW, is_there)
    assert plan.rows["web"].sealed().losses == 3


def test_a_segment_that_ends_is_sealed_as_it_was() -> None:
    """The next begins after all that the channel has had, in this or any other segment."""
    before = plan_records({}, [lines("a b", 1000, 1)], NOW, is_there).rows
    later = replace(NOW, date="2026-11-22")
    old = replace(NOW, age_ns=77 + DAY_NS)
    for now, found in ((later, is_there), (old, is_there), (NOW, lambda file: False)):
        plan = plan_records(before, [lines("c", 1005, 3)], now, found)
        assert plan.sealed == [before["web"].sealed()]
        (append,) = plan.appends
        assert (append.file, append.offset) == (f"channels/web/{now.date}/1005.ndjson", 0)
    still = replace(NOW, age_ns=76 + DAY_NS)
    assert plan_records(before, [lines("c", 1005, 3)], still, is_there).sealed == []


def test_channels_go_each_into_their_own() -> None:
    """However they are mixed; what is done to runs keeps its place among all of them."""
    mixed: list[Record] = [
        lines("a", 1000, 1),
        start("api"),
        lines("x", 1001, 1, "api"),
        Counted("web", RunCounted("job", 7)),
        lines("b", 1002, 2),
    ]
    plan = plan_records({}, mixed, NOW, is_there)
    assert plan.records == mixed
    assert [(one.channel, one.pieces) for one in plan.appends] == [
        ("web", [render([mixed[0]]), render([mixed[4]])]),
        ("api", [render([mixed[2]])]),
    ]


def test_what_is_rendered_already_is_taken_as_it_is() -> None:
    """Only where all of a block is written: of one that is stored in part the rest is rendered."""
    one, other = lines("a b", 1000, 1), lines("c d", 1002, 3)
    texts = {one.block.key: b"a b, prepared\n", other.block.key: b"c d, prepared\n"}
    plan = plan_records({}, [one], NOW, is_there, texts)
    assert plan.appends[0].pieces == [b"a b, prepared\n"]
    ends = plan_records({}, [one, Span(other.block, 0, 1)], NOW, is_there).rows
    plan = plan_records(ends, [one, other], NOW, is_there, texts)
    assert plan.appends[0].pieces == [render([Span(other.block, 1, 2)])]


def test_of_what_is_stored_only_the_runs_that_follow_are_left() -> None:
    """A start before a stored line was done with it; one behind the last was not."""
    early, late = start(run="early"), start(run="late")
    stored, new = lines("a b", 1000, 1), lines("c", 1005, 3)
    rows = plan_records({}, [stored], NOW, is_there).rows
    plan = plan_records(rows, [early, stored, late, new], NOW, is_there)
    assert plan.records == [late, new]


def story() -> list[Record]:
    """Return records of all kinds, in the order of ids."""
    origin = Origin("app", run="job")
    mixed = block("a b c d", first_seq=1, ids=[1000, 1001, 1005, 1009], origin=origin)
    return [
        Span(mixed, 0, 4),
        DeclaredLoss(1010, "web", Loss(Reason.SOURCE)),
        hole("web", 1011, 1020, 3, Reason.STORAGE),
        lines("e f", 1021, 8),
        Ending(1023, "web", "job", 9, "ended"),
        lines("g", 1024, 10),
    ]


def singly(records: list[Record]) -> list[Record]:
    """Return the same with each entry by itself."""
    return [
        piece
        for one in records
        for piece in (
            [Span(one.block, k, k + 1) for k in range(one.start, one.stop)]
            if isinstance(one, Span)
            else [one]
        )
    ]


@given(st.integers(0, 10), st.booleans())
def test_what_was_stored_before_is_not_stored_again(count: int, twice: bool) -> None:
    """Any beginning, also a part of a block; an ending may be told of twice."""
    whole = plan_records({}, story(), NOW, is_there)
    first = plan_records({}, singly(story())[:count], NOW, is_there)
    told = [*story(), story()[4]] if twice else story()
    second = plan_records(first.rows, told, NOW, is_there)
    text = b"".join(b"".join(append.pieces) for plan in (first, second) for append in plan.appends)
    assert text == b"".join(whole.appends[0].pieces)
    assert {**first.rows, **second.rows} == whole.rows
    third = plan_records(whole.rows, told, NOW, is_there)
    assert (third.appends, third.rows) == ([], {})
