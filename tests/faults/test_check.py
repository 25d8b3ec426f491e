"""Each rule of the judge, shown to fail where a promise is broken."""

from typing import Any

import pytest

from tests.faults.check import Judge
from tests.faults.record import Record, line


def record() -> Record:
    """Return the record of 100 lines in each of two streams."""
    made = Record("web", "db")
    for stream in made.streams.values():
        stream.count = lambda: 100
    return made


def log(
    number: int, stream: str = "web", *, id_: int | None = None, **more: Any
) -> dict[str, Any]:
    """Return the entry of a line; its id is 1000 and its number."""
    return {
        "type": "log",
        "id": 1000 + number if id_ is None else id_,
        "seq": number + 1,
        "channel": stream,
        "message": line(stream, number),
        **more,
    }


def gap(first: int, until: int, count: int | None, **more: Any) -> dict[str, Any]:
    """Return a gap over the lines from ``first`` up to ``until``, without that."""
    return {
        "type": "gap",
        "channel": "web",
        "after": 999 + first,
        "until": 999 + until,
        "count": count,
        "at_least": count or 0,
        "reason": "evicted",
        **more,
    }


def judged(
    *given: dict[str, Any], record: Record | None = None, **options: Any
) -> tuple[Judge, list[str]]:
    """Return a judge that was given these, and what it says against them."""
    judge = Judge("reader", record or _new_record(), ["web"], **{"fading": ["web"], **options})
    for one in given:
        judge.take(one)
    judge.settle()
    return judge, said(judge)


_new_record = record


def said(judge: Judge) -> list[str]:
    """Return what a judge says, without the names that are the same in each."""
    return [
        str(one).replace(": reader, web:", " ").replace(", last fault none", "")
        for one in judge.failures
    ]


def logs(*numbers: int) -> list[dict[str, Any]]:
    """Return the entries of these lines."""
    return [log(number) for number in numbers]


def test_every_line_once_and_in_order() -> None:
    """Nothing is said against it, also where other objects come between."""
    judge, failures = judged(*logs(0, 1), {"type": "cursor", "id": 5}, *logs(2, 3))
    assert failures == []
    assert (judge.lines, judge.is_past({"web": 4, "db": 100})) == (4, True)


def test_a_line_that_is_lost() -> None:
    """Without a gap it is, however many; its seq must be wrong too."""
    _, failures = judged(*logs(0, 1, 2), log(6, seq=4), log(7, seq=5))
    assert failures == ["lost 00000006: 3 to 5, without a gap"]


def test_a_jump_in_seq_without_a_gap() -> None:
    """Seqs have no holes, so that anyone can count."""
    _, failures = judged(log(0), log(1, seq=3))
    assert failures == ["order 00000001: expected seq 2, got 3"]


def test_a_line_that_comes_twice() -> None:
    """Under a new id and seq."""
    _, failures = judged(*logs(0, 1), log(1, id_=1002, seq=3))
    assert failures == ["repeated 00000001: expected 2, got 1"]


def test_an_entry_that_comes_twice() -> None:
    """Under the same id: it is repeated, and out of order."""
    _, failures = judged(*logs(0, 1, 1))
    assert failures == [
        "order 00000001: expected an id after 1001, got 1001",
        "order 00000001: expected seq 3, got 2",
        "repeated 00000001: expected 2, got 1",
    ]


def test_ids_that_go_back_between_channels() -> None:
    """The order of several channels is that of the ids."""
    judge = Judge("reader", record(), ["web", "db"])
    judge.take(log(0, "web", id_=11))
    judge.take(log(0, "db", id_=10))
    assert [one.detail for one in judge.failures] == ["expected an id after 11, got 10"]


@pytest.mark.parametrize(
    ("message", "more"),
    [
        (line("web", 1)[:-1], {}),
        (line("web", 1), {"part": True}),
        (line("db", 1)[1:], {}),
        ("", {}),
    ],
)
def test_an_altered_line(message: str, more: dict[str, Any]) -> None:
    """It must come as it was written, and whole."""
    _, failures = judged(log(0), log(1, message=message, **more))
    assert failures == [f"altered 00000001: got {message!r}"]


def test_a_line_that_has_another_id_for_another_reader() -> None:
    """An id is for ever."""
    shared = record()
    judged(*logs(0, 1), record=shared)
    _, failures = judged(log(0), log(1, id_=1005), record=shared)
    assert failures == ["renumbered 00000001: expected id 1001, which others were told, got 1005"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_gap_that_counts_wrong(count: int) -> None:
    """Too many and too few are both wrong."""
    _, failures = judged(log(0), gap(1, 3, count), log(3))
    assert failures == [
        f"gap 00000003: expected a count from 2 to 2, got {count}: [{gap(1, 3, count)}]"
    ]


def test_a_gap_that_counts_right() -> None:
    """Also in pieces."""
    judge, failures = judged(log(0), gap(1, 3, 2), gap(3, 4, 1), *logs(4, 5))
    assert failures == []
    (hole,) = judge.holes
    assert (hole.first, hole.until, hole.count) == (1, 4, 3)


def test_a_gap_where_nothing_is_missing() -> None:
    """It says that something was lost that was not."""
    _, failures = judged(log(0), gap(1, 2, 1), log(1, id_=1500))
    assert failures == [f"gap 00000001: expected a count from 0 to 0, got 1: [{gap(1, 2, 1)}]"]


def test_a_gap_that_is_told_twice() -> None:
    """A reader that resumes after it has been told."""
    _, failures = judged(log(0), gap(1, 3, 2), gap(1, 3, 2), log(3))
    assert failures == [f"gap 00000001: told twice: {gap(1, 3, 2)}"]


def test_a_line_inside_of_what_a_gap_covers() -> None:
    """What was declared to be gone does not come any more."""
    _, failures = judged(log(0), gap(1, 6, 2), log(3))
    assert failures == ["order 00000003: expected an id after 1005, got 1003"]


def test_a_gap_over_nothing() -> None:
    """Its range and its count are both wrong."""
    broken = gap(1, 1, 0)
    _, failures = judged(log(0), broken)
    assert failures == [
        f"gap 00000001: its range is empty: {broken}",
        f"gap 00000001: its count is wrong: {broken}",
    ]


def test_a_gap_of_a_reason_that_nothing_gives() -> None:
    """Lines may leave a ring, but not a disk that was never touched."""
    broken = gap(1, 3, 2, reason="storage")
    _, failures = judged(log(0), broken, log(3))
    assert failures == [f"gap 00000003: a gap of a reason that nothing gives: {broken}"]


def test_a_gap_that_leaves_out_its_count() -> None:
    """What was evicted can be counted."""
    broken = gap(1, 3, None)
    _, failures = judged(log(0), broken, log(3))
    assert failures == [
        f"gap 00000003: a gap without a count, where every line can be counted: {broken}"
    ]


def lossy(first: int, until: int) -> Record:
    """Return a record in which a truncation took the lines from ``first`` up to ``until``."""
    made = record()
    made.streams["web"].allow("source", first, until)
    return made


def test_a_truncation_that_is_declared() -> None:
    """Nobody can count what it took, be it nothing."""
    loss = gap(3, 4, None, reason="source")
    assert judged(*logs(0, 1, 2), loss, log(6), record=lossy(3, 6))[1] == []
    assert judged(*logs(0, 1, 2), loss, log(3, id_=1500), record=lossy(3, 3))[1] == []


def test_a_truncation_that_is_not_declared() -> None:
    """Then its lines are lost in silence."""
    _, failures = judged(*logs(0, 1, 2), log(6, seq=4), record=lossy(3, 6))
    assert failures == ["lost 00000006: 3 to 5, without a gap"]


def test_more_is_missing_than_a_truncation_took() -> None:
    """What its copy holds has to come."""
    loss = gap(2, 4, None, reason="source")
    _, failures = judged(*logs(0, 1), loss, log(6), record=lossy(3, 6))
    assert failures == [
        f"gap 00000006: expected at_least from 1 (from 2 on) to 4, got 0: [{loss}]"
    ]


def test_a_gap_that_is_certain_of_too_much() -> None:
    """``at_least`` is what is really gone."""
    loss = gap(3, 4, None, reason="source", at_least=4)
    _, failures = judged(*logs(0, 1, 2), loss, log(6), record=lossy(3, 6))
    assert failures == [
        f"gap 00000006: expected at_least from 0 (from 3 on) to 3, got 4: [{loss}]"
    ]


def test_an_uncounted_gap_is_told_again_to_who_resumes_inside() -> None:
    """The later one covers it."""
    early, again = gap(2, 4, None, at_least=1), gap(2, 5, None, at_least=2)
    assert judged(*logs(0, 1), early, again, log(6), record=lossy(4, 6))[1] == []


def test_a_line_that_was_perhaps_never_written() -> None:
    """A program was killed while it wrote it."""
    made = record()
    made.streams["web"].unsure = lambda: frozenset([2])
    assert judged(*logs(0, 1), log(3, seq=3), record=made)[1] == []


def test_a_filtered_reader() -> None:
    """It is given every tenth line, and gaps that count all lines."""
    assert judged(*logs(0, 10, 20), is_filtered=True)[1] == []
    assert judged(log(0), gap(5, 25, 20), log(30), is_filtered=True)[1] == []
    assert judged(log(0), gap(5, 8, 3), log(10), is_filtered=True)[1] == []


def test_a_filtered_reader_that_misses_a_line() -> None:
    """Without a gap it is lost."""
    _, failures = judged(*logs(0, 20), is_filtered=True)
    assert failures == ["lost 00000020: 10 to 10, without a gap"]


@pytest.mark.parametrize(("count", "least", "most"), [(30, 11, 29), (10, 11, 29)])
def test_a_filtered_reader_whose_gap_counts_wrong(count: int, least: int, most: int) -> None:
    """It cannot count what it does not ask for, but there is a least and a most."""
    told = gap(5, 25, count)
    _, failures = judged(log(0), told, log(30), is_filtered=True)
    expected = f"expected a count from {least} to {most}, got {count}: [{told}]"
    assert failures == [f"gap 00000030: {expected}"]


def test_the_end_of_a_stream() -> None:
    """What was written and did not come is lost, if no gap says so."""
    judge, _ = judged(*logs(0, 1))
    judge.finish({"web": 4, "db": 9})
    assert said(judge) == ["lost 00000004: 2 to 3, without a gap"]
    judge, _ = judged(*logs(0, 1), gap(2, 4, 2))
    judge.finish({"web": 4, "db": 9})
    assert said(judge) == []


def test_a_reader_that_does_not_get_on() -> None:
    """It is told how far it is behind, a filtered one by the lines that it asks for."""
    judge, _ = judged(*logs(0, 1))
    assert judge.behind({"web": 5}) == {"web": (2, 4)}
    judge.fail_behind({"web": 5})
    assert said(judge) == ["behind 00000002: 2 to 4 do not come"]
    judge, _ = judged(*logs(0, 10), is_filtered=True)
    assert judge.is_past({"web": 20})
    assert judge.behind({"web": 21}) == {"web": (11, 20)}


def test_history_that_begins_late() -> None:
    """What left long ago cannot be counted; what comes after that can."""
    start = gap(0, 50, None, at_least=30)
    assert judged(start, log(50), is_late=True)[1] == []
    _, failures = judged(start, log(50), gap(51, 53, 3), log(53), is_late=True)
    assert failures == [f"gap 00000053: expected a count from 2 to 2, got 3: [{gap(51, 53, 3)}]"]


def test_a_gap_that_counts_what_could_not_be_read() -> None:
    """While the disk was gone a reader that was behind is told so, and of no line more."""
    for starts, until, expected in ((5, 20, 0), (5, 19, 1), (6, 20, 1)):
        judge, _ = judged(*[log(number) for number in range(5)], fading=[])
        judge.excuse({"web": starts}, {"web": until})
        judge.take(gap(5, 20, 15, reason="storage"))
        judge.take(log(20))
        judge.settle()
        assert len(said(judge)) == expected


def test_the_beginning_of_a_line_whose_rest_is_lost() -> None:
    """It is part of what may be missing, if it is marked; other parts are an alteration."""
    whole = line("web", 5)
    for text, more, allowed, expected in (
        (whole[:-1], {"part": True}, 6, []),
        (whole[:7], {"part": True}, 6, []),
        (
            whole[:-1],
            {"part": True},
            5,
            ["altered 00000005: a part of a line that cannot be lost"],
        ),
        (whole[:-1], {}, 6, [f"altered 00000005: got {whole[:-1]!r}"]),
        ("x", {"part": True}, 6, ["altered 00000005: got 'x'"]),
    ):
        made = record()
        made.streams["web"].allow("source", 5, allowed)
        judge, _ = judged(*[log(number) for number in range(5)], record=made)
        judge.take({**log(5), "message": text, **more})
        judge.settle()
        assert said(judge) == expected


def test_a_line_that_comes_after_its_beginning() -> None:
    """Nothing of it comes again: neither the beginning, nor more of it, nor the whole line."""
    whole = line("web", 5)

    def again(number: int, **more: Any) -> dict[str, Any]:
        return {**log(number, id_=1010, seq=10), **more}

    beginning = {**log(5), "message": whole[:12], "part": True}
    repeated = "repeated 00000005: expected what comes after its beginning, got 5"
    for second in (
        {"message": whole[:12], "part": True},
        {"message": whole[:-1], "part": True},
        {},
    ):
        made = record()
        made.streams["web"].allow("source", 5, 6)
        judge, _ = judged(*logs(0, 1, 2, 3, 4), beginning, record=made)
        judge.take({**gap(6, 7, None, reason="source")})
        judge.take(again(5, **second))
        assert said(judge) == [repeated]


def test_the_beginning_of_a_line_that_was_given() -> None:
    """It is repeated, though it may be missing."""
    made = record()
    made.streams["web"].allow("source", 1, 2)
    beginning = {**log(1, id_=1500, seq=3), "message": line("web", 1)[:-1], "part": True}
    _, failures = judged(*logs(0, 1), beginning, record=made)
    assert failures == ["repeated 00000001: expected 2, got 1"]


def test_beginnings_too_short_to_tell_of_which_line() -> None:
    """Behind a loss the next one is of another line."""
    made = record()
    made.streams["web"].allow("source", 1, 6)
    short = {"message": "web:0", "part": True}
    first = {**log(1), **short}
    loss = gap(2, 3, None, reason="source")
    second = {**log(2, id_=1010), **short, "seq": 3}
    assert judged(log(0), first, loss, second, record=made)[1] == []


def test_gaps_of_which_one_tells_the_rest_of_another() -> None:
    """Who goes on inside a gap without a count is told the rest of it, and what came since."""
    made = record()
    made.streams["web"].allow("source", 5, 20)
    first = gap(5, 15, None, at_least=8, reason="source")
    again = gap(10, 20, None, at_least=10, reason="source")
    assert judged(*[log(n) for n in range(5)], first, again, log(20), record=made)[1] == []
    apart = gap(15, 20, None, at_least=10, reason="source")
    _, told = judged(*[log(n) for n in range(5)], first, apart, log(20), record=made)
    assert len(told) == 1


def test_gaps_that_overlap_count_no_line_twice() -> None:
    """What is certainly missing must be in one of them, not in their sum."""
    first = gap(5, 15, None, at_least=8, reason="source")
    again = gap(10, 20, None, at_least=10, reason="source")
    _, failures = judged(*logs(0, 1, 2, 3, 4), first, again, log(20), record=lossy(5, 6))
    expected = f"expected at_least from 14 (from 6 on) to 15, got 10: [{first}, {again}]"
    assert failures == [f"gap 00000020: {expected}"]
