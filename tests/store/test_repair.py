"""Segments and their records after a crash or damage."""

from pathlib import Path

import pytest

from relay.block import DeclaredLoss
from relay.entry import Loss, Origin, Reason
from relay.run import Ending, Run
from relay.span import Span
from relay.store.index import ChannelRow, OpenSegment
from relay.store.repair import mend, orphans, rebuild, segment_files
from relay.store.segment import Record, hole, render
from tests.building import block

TOP = Path("channels") / "web"


def lines(text: str, first_id: int, first_seq: int, run: str | None = None) -> Span:
    """Return a span of the words of a text."""
    one = block(text, first_id, first_seq, origin=Origin("app", run=run))
    return Span(one, 0, one.count)


def put(directory: Path, name: str, *records: Record) -> Path:
    """Write a segment, by its path below its channel."""
    path = directory / TOP / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(render(records))
    return path


def test_segments_are_in_the_order_of_their_first_ids(tmp_path: Path) -> None:
    """Not of their dates, which a clock may have set back; of two forms the plain one counts."""
    for name in ("2026-11-21/2000.ndjson.zst", "2026-11-20/10000.ndjson", "2026-11-21/999.ndjson"):
        put(tmp_path, name)
    for name in ("2026-11-20/999.ndjson.zst", "2026-11-20/3.ndjson.zst.tmp", "2026-11-20/notes"):
        put(tmp_path, name)
    assert segment_files(tmp_path, "web") == [
        (999, tmp_path / TOP / "2026-11-21" / "999.ndjson"),
        (2000, tmp_path / TOP / "2026-11-21" / "2000.ndjson.zst"),
        (10000, tmp_path / TOP / "2026-11-20" / "10000.ndjson"),
    ]
    assert segment_files(tmp_path, "db") == []


def test_only_the_newest_days_are_searched_for_what_was_begun(tmp_path: Path) -> None:
    """However many there are a start costs the same."""
    for day in range(10, 15):
        put(tmp_path, f"2026-11-{day}/{day}00.ndjson")
    newest, other = (f"channels/web/2026-11-{day}/{day}00.ndjson" for day in (14, 13))
    assert orphans(tmp_path, "web", 1300) == [newest]
    assert orphans(tmp_path, "web", 0) == [newest, other]


def test_what_is_no_day_is_not_searched(tmp_path: Path) -> None:
    """Nobody wrote segments there, whatever its name."""
    put(tmp_path, "2026-11-21/1000.ndjson")
    for day in ("caf\udce9", "zoo", "zz"):
        put(tmp_path, f"{day}/1000.ndjson")
    found = [path for _, path in segment_files(tmp_path, "web")]
    assert found == [tmp_path / "channels/web/2026-11-21/1000.ndjson"]
    assert orphans(tmp_path, "web", 0) == ["channels/web/2026-11-21/1000.ndjson"]


def test_what_the_index_knows_is_not_read_again(tmp_path: Path) -> None:
    """Only what comes after it; ids and seqs go on."""
    put(tmp_path, "2026-11-21/1000.ndjson", lines("a b", 1000, 1))
    put(tmp_path, "2026-11-21/1005.ndjson", lines("c", 1005, 3))
    rebuilt = rebuild(tmp_path, "web", ChannelRow("web", 999, 1001, 2), {})
    assert [(row.first_id, row.entries) for row in rebuilt.segments] == [(1005, 1)]
    assert rebuilt.row == ChannelRow("web", 999, 1005, 3)
    assert rebuilt.left_out == []


@pytest.mark.parametrize(
    "second",
    [
        lines("b c", 1001, 2),
        lines("c", 1005, 2),
    ],
)
def test_what_others_hold_too_is_left_out(tmp_path: Path, second: Span) -> None:
    """Neither an id nor a seq is there twice."""
    put(tmp_path, "2026-11-21/1000.ndjson", lines("a b", 1000, 1))
    put(tmp_path, f"2026-11-21/{second.first_id}.ndjson", second)
    rebuilt = rebuild(tmp_path, "web", None, {})
    assert [row.first_id for row in rebuilt.segments] == [1000]
    assert rebuilt.left_out == [f"2026-11-21/{second.first_id}.ndjson"]


def test_losses_are_counted(tmp_path: Path) -> None:
    """In a segment that is taken in, and in one that is mended, with the hole that that leaves."""
    records: list[Record] = [
        lines("a b", 1000, 1),
        DeclaredLoss(1002, "web", Loss(Reason.SOURCE, 7, 7)),
        hole("web", 1003, 1005, 2, Reason.STORAGE),
        lines("c d", 1006, 5),
    ]
    path = put(tmp_path, "2026-11-21/1000.ndjson", *records)
    (row,) = rebuild(tmp_path, "web", None, {}).segments
    assert row.losses == 2
    length = path.stat().st_size
    known = OpenSegment(1000, 1, length, 4, 0, 0, "2026-11-21", 0, 0, losses=2)
    path.write_bytes(path.read_bytes()[:-3])
    mended, lost = mend(tmp_path, ChannelRow("web", 999, 1007, 6, None, known))
    assert mended.open is not None
    assert (mended.open.losses, lost) == (3, 1)


@pytest.mark.parametrize(
    ("kept", "end"),
    [
        (2, [DeclaredLoss(1002, "web", Loss(Reason.RESTART)), (1003, 1006, 2)]),
        (0, [DeclaredLoss(1000, "web", Loss(Reason.RESTART)), (1001, 1006, 4)]),
    ],
)
def test_losses_that_are_gone_with_a_tail_are_said(
    tmp_path: Path, kept: int, end: list[DeclaredLoss | tuple[int, int, int]]
) -> None:
    """By one that nobody can count, before the hole of the entries."""
    records: list[Record] = [
        lines("a", 1000, 1),
        lines("b", 1001, 2),
        DeclaredLoss(1002, "web", Loss(Reason.SOURCE, 7, 7)),
        lines("c", 1005, 3),
        lines("d", 1006, 4),
    ]
    path = put(tmp_path, "2026-11-21/1000.ndjson", *records)
    known = OpenSegment(1000, 1, path.stat().st_size, 4, 0, 0, "2026-11-21", 0, 0, losses=1)
    path.write_bytes(render(records[:kept]) + render(records[kept:])[:9])
    mended, lost = mend(tmp_path, ChannelRow("web", 999, 1006, 4, None, known))
    assert mended.open is not None
    assert (mended.last_id, mended.open.losses, lost) == (1006, 2, 4 - kept)
    loss, gone = end
    assert isinstance(loss, DeclaredLoss)
    assert isinstance(gone, tuple)
    assert path.read_bytes() == render([*records[:kept], loss, hole("web", *gone, Reason.RESTART)])


def test_an_open_segment_of_losses_alone_that_is_gone(tmp_path: Path) -> None:
    """What they were nobody knows, but that they were."""
    known = OpenSegment(1000, 3, 150, 0, 0, 0, "2026-11-21", 0, 0, losses=1)
    mended, lost = mend(tmp_path, ChannelRow("web", 900, 1000, 2, None, known))
    assert (mended.last_id, mended.last_seq, lost) == (1000, 2, 0)
    (path,) = tmp_path.rglob("*.ndjson")
    assert path.read_bytes() == render([DeclaredLoss(1000, "web", Loss(Reason.RESTART))])


def test_a_torn_segment_ends_with_its_last_whole_line(tmp_path: Path) -> None:
    """On the disk too; one without a whole line is left out."""
    path = put(tmp_path, "2026-11-21/1000.ndjson", lines("a b", 1000, 1))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[:-3])
    put(tmp_path, "2026-11-21/2000.ndjson").write_bytes(b'{"type":"log","id":20')
    rebuilt = rebuild(tmp_path, "web", None, {})
    assert path.read_bytes() == whole[:first]
    assert [(row.length, row.last_id, row.entries) for row in rebuilt.segments] == [
        (first, 1000, 1)
    ]
    assert rebuilt.left_out == ["2026-11-21/2000.ndjson"]


def test_runs_are_what_their_lines_and_endings_tell(tmp_path: Path) -> None:
    """Also those that nobody started."""
    old = Ending(1002, "web", "old", 9, "failed", 3)
    put(tmp_path, "2026-11-21/1000.ndjson", lines("a b", 1000, 1, "old"), old)
    never = Ending(1006, "web", "never", 9, "ended")
    put(tmp_path, "2026-11-21/1003.ndjson", lines("c d e", 1003, 3, "job"), never)
    runs: dict[str, Run] = {}
    rebuild(tmp_path, "web", None, runs)
    ended = Run("never", "", 9, None, None, 9, "ended", None, None, 1006, 0, {"web": 1006})
    assert runs == {
        "old": Run(
            "old", "app", 1_000_000, None, None, 9, "failed", 3, None, 1002, 2, {"web": 1001}
        ),
        "job": Run("job", "app", 1_003_000, lines=3, last_ids={"web": 1005}),
        "never": ended,
    }


def test_what_the_index_knows_of_runs_is_not_counted_again(tmp_path: Path) -> None:
    """Of the open segment it may know a part."""
    path = put(tmp_path, "2026-11-21/1000.ndjson", lines("a b c", 1000, 1, "job"))
    known = OpenSegment(1000, 1, path.stat().st_size - 1, 2, 0, 0, "2026-11-21", 0, 0)
    runs = {"job": Run("job", "app", 7, lines=2, last_ids={"web": 1001})}
    rebuild(tmp_path, "web", ChannelRow("web", 999, 1001, 2, None, known), runs)
    assert runs == {"job": Run("job", "app", 7, lines=3, last_ids={"web": 1002})}
