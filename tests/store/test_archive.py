"""What is read of segments: everything once and in order, or missing by its count."""

import os
import pty
import resource
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.block import Block, DeclaredLoss
from relay.entry import Gap, Loss, Reason
from relay.errors import StoreError
from relay.marks import Missing
from relay.run import Ending
from relay.span import Span
from relay.storage import Extent, Stretch, Wanted
from relay.store import index
from relay.store.archive import Archive
from relay.store.compression import CompressedText, compress
from relay.store.index import NO_NEWEST_NS, NO_OLDEST_NS, ChannelRow, OpenSegment, SegmentRow
from relay.store.parsing import Item
from relay.store.segment import CHUNK_BYTES, Record, hole, prepared, render, render_pieces
from tests.building import block

ALL = 10**15


def line(id_: int, seq: int, text: str = "") -> Span:
    """Return one entry, whose message begins with its seq and whose time is its id in µs."""
    return Span(block([f"{seq}{text}"], id_, seq), 0, 1)


def lines(count: int, id_: int, seq: int, text: str = "") -> list[Record]:
    return [line(id_ + k, seq + k, text) for k in range(count)]


def missing(first: int, last: int, count: int | None, reason: Reason = Reason.STORAGE) -> Missing:
    return Missing(first, last, count, count or 0, reason, is_placed=False)


@dataclass
class Disk:
    """A state directory in which segments of one channel are put."""

    directory: Path
    last_id: int = 0
    last_seq: int = 0
    rows: list[SegmentRow] = field(default_factory=list)
    is_archived: bool = True
    """Else lines are bundled; those of compressed segments were."""

    def __post_init__(self) -> None:
        self.index = index.connect(self.directory / "index.db", create=True)
        index.create(self.index)
        self.archive = Archive(self.directory)

    def seal(self, records: Sequence[Record], chunk: int | None = None) -> SegmentRow:
        """Put a sealed segment; `chunk`: compressed, with so many records in each."""
        row = replace(self._row(records), compressed=chunk is not None)
        path = index.path_of(self.directory, row)
        path.parent.mkdir(parents=True, exist_ok=True)
        if chunk is None:
            path.write_bytes(self._text(records))
        else:
            starts = range(0, len(records), chunk)
            compress([render(records[k : k + chunk]) for k in starts], path)
        index.add_segments(self.index, [row])
        self.rows.append(row)
        return row

    def open(self, records: Sequence[Record], behind: bytes = b"") -> SegmentRow:
        """Put the open segment, with what stands in it uncommitted."""
        row = self.seal(records)
        index.delete_segments(self.index, [row], [])
        part = OpenSegment(
            row.first_id,
            row.first_seq,
            row.length,
            row.entries,
            row.oldest_ns,
            row.newest_ns,
            row.date,
            0,
            0,
            row.losses,
        )
        index.put_channels(
            self.index, [ChannelRow("web", 0, row.last_id, row.last_seq, None, part)]
        )
        with open(index.path_of(self.directory, row), "ab") as file:
            file.write(behind)
        return row

    def _text(self, records: Sequence[Record]) -> bytes:
        texts = prepared(records, 1 << 30, lambda name: self.is_archived)
        return b"".join(render_pieces(records, texts))

    def _row(self, records: Sequence[Record]) -> SegmentRow:
        spans = [record for record in records if isinstance(record, Span)]
        first_seq, first_id = self.last_seq + 1, 0
        for record in records:
            if isinstance(record, Gap):
                first_id = first_id or record.after + 1
                self.last_id, self.last_seq = record.until, self.last_seq + record.at_least
                continue
            assert isinstance(record, Span | DeclaredLoss | Ending)
            first_id = first_id or record.first_id
            self.last_id = record.last_id
            if isinstance(record, Span):
                self.last_seq = record.block.last_seq
        return SegmentRow(
            channel="web",
            last_id=self.last_id,
            first_id=first_id,
            first_seq=first_seq,
            last_seq=self.last_seq,
            length=len(self._text(records)),
            entries=sum(span.block.count for span in spans),
            oldest_ns=min([span.block.oldest_ns for span in spans], default=NO_OLDEST_NS),
            newest_ns=max([span.block.newest_ns for span in spans], default=NO_NEWEST_NS),
            date="2026-11-21",
            written_ns=0,
            stored_bytes=0,
            compressed=False,
            losses=sum(isinstance(record, Gap | DeclaredLoss) for record in records),
        )

    def all(self, after: int = 0, until: int = ALL, max_bytes: int = 1) -> list[Item]:
        """Read on from a cursor to the end."""
        items: list[Item] = []
        while after < until:
            stretch = self.archive.read(Wanted("web", after, until, max_bytes=max_bytes))
            assert after < stretch.reach <= until
            items.extend(stretch.items)
            after = stretch.reach
        return items

    def all_back(self, before: int = ALL) -> list[Item]:
        """Read back from an id to the beginning."""
        items: list[Item] = []
        while before:
            stretch = self.archive.read_back(Wanted("web", 0, before - 1))
            assert stretch.reach < before
            items.extend(stretch.items)
            before = stretch.reach
        return items[::-1]

    def close(self) -> None:
        self.index.close()
        self.archive.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path)
    yield made
    made.close()


def told(items: Sequence[Item]) -> list[str | Missing | int]:
    """Return messages, losses by their ids, and what is missing."""
    texts: list[str | Missing | int] = []
    for item in items:
        if isinstance(item, Block):
            texts.extend(entry.decode() for entry in item.lines.split())
        else:
            texts.append(item.id if isinstance(item, DeclaredLoss) else item)
    return texts


def test_segments_are_one_sequence(disk: Disk) -> None:
    """Compressed, plain and open: losses stand at their place, run endings are left out."""
    disk.seal([*lines(2, 10, 1), DeclaredLoss(12, "web", Loss(Reason.RATE, 5, 5))], chunk=1)
    disk.seal([*lines(2, 20, 3), Ending(22, "web", "job", 0, "succeeded")])
    disk.open([hole("web", 30, 39, 4, Reason.RESTART), *lines(2, 40, 9)], behind=b'{"type":"lo')
    expected = ["1", "2", 12, "3", "4", missing(30, 39, 4, Reason.RESTART), "9", "10"]
    assert told(disk.all()) == expected
    assert told(disk.all_back()) == expected
    assert disk.archive.read(Wanted("web", 41, 50)) == Stretch([], 50, 41)
    assert disk.archive.read(Wanted("api", 0, 50)) == Stretch([], 50, 0)
    assert disk.archive.read_back(Wanted("api", 0, 49)) == Stretch([], 0, 50)


def test_what_is_not_committed_is_not_read(disk: Disk) -> None:
    """Whole lines behind the length that the index knows are for the next commit to replace."""
    disk.open(lines(2, 10, 1), behind=render(lines(2, 12, 3)))
    assert told(disk.all()) == ["1", "2"]


def test_nothing_is_given_beyond_the_end_asked_for(disk: Disk) -> None:
    """A block is cut there; its beginning before the cursor is shared with other readers."""
    disk.seal([Span(block("a b c d e", 10, 1), 0, 5)])
    whole = disk.archive.read(Wanted("web", 0, 14)).items[0]
    assert disk.archive.read(Wanted("web", 12, 20)).items == [whole]
    cut = disk.archive.read(Wanted("web", 11, 13))
    assert (told(cut.items), cut.reach) == (["a", "b", "c", "d"], 13)
    back = disk.archive.read_back(Wanted("web", 0, 11))
    assert (told(back.items), back.reach) == (["a", "b"], 10)


def test_a_cut_block_keeps_its_columns(disk: Disk) -> None:
    """Ids, times and parts of what is left are those of the entries."""
    disk.seal(
        [
            Span(
                block(
                    "a b c", 10, 1, ids=[10, 12, 19], timestamps=[5, 7, 6], parts=frozenset([1])
                ),
                0,
                3,
            )
        ]
    )
    (cut,) = disk.archive.read(Wanted("web", 0, 18)).items
    assert isinstance(cut, Block)
    (whole,) = disk.archive.read(Wanted("web", 0, 19)).items
    assert isinstance(whole, Block)
    assert [cut.entry(k) for k in range(cut.count)] == [whole.entry(0), whole.entry(1)]
    assert (cut.last_id, cut.newest_ns, cut.parts) == (12, 7, frozenset([1]))


def test_a_damaged_line_is_missing(disk: Disk) -> None:
    """Its neighbours are given, and it is counted."""
    row = disk.seal(lines(3, 10, 1))
    path = index.path_of(disk.directory, row)
    path.write_bytes(path.read_bytes().replace(b'"seq":2,', b'"seq":x,'))
    assert told(disk.all()) == ["1", missing(11, 11, 1), "3"]
    assert told(disk.all_back()) == ["1", missing(11, 11, 1), "3"]


def test_a_damaged_frame_is_missing(disk: Disk) -> None:
    """As many as the index says, between what can be read."""
    row = disk.seal(lines(9, 10, 1), chunk=3)
    path = index.path_of(disk.directory, row)
    text = CompressedText(path)
    offset = text.frames[1].offset
    text.close()
    data = bytearray(path.read_bytes())
    data[offset + 20] ^= 0xFF
    path.write_bytes(data)
    expected = ["1", "2", "3", missing(13, 15, 3), "7", "8", "9"]
    assert told(disk.all()) == expected
    assert told(disk.all_back()) == expected
    assert told(disk.all(after=12)) == expected[3:]
    assert told(disk.all(after=13)) == [missing(14, 15, None), *expected[4:]]
    assert told(disk.all_back(before=16)) == expected[:4]


@pytest.mark.parametrize("length", [0, 1, 250])
def test_a_segment_that_is_cut(disk: Disk, length: int) -> None:
    """The rest, up to what the index says, is missing before the next segment begins."""
    row = disk.seal([*lines(3, 10, 1), Ending(20, "web", "job", 0, "succeeded")])
    disk.seal(lines(1, 30, 4))
    with open(index.path_of(disk.directory, row), "r+b") as file:
        file.truncate(length)
    left = ["1"] if length == 250 else []
    expected = [*left, missing(10 + len(left), 20, 3 - len(left)), "4"]
    assert told(disk.all()) == expected
    assert told(disk.all_back()) == expected


def test_a_segment_that_is_gone(disk: Disk) -> None:
    """Deleted by hand, its entries are missing, with those that no segment has."""
    disk.seal(lines(2, 10, 1))
    row = disk.seal(lines(3, 20, 3), chunk=1)
    disk.seal(lines(1, 30, 6))
    index.path_of(disk.directory, row).unlink()
    expected = ["1", "2", missing(12, 22, 3), "6"]
    assert told(disk.all()) == expected
    assert told(disk.all(after=15)) == [missing(16, 22, None), "6"]
    assert told(disk.all(after=21)) == [missing(22, 22, None), "6"]
    assert told(disk.all_back()) == expected


@pytest.mark.parametrize("chunk", [None, 1])
def test_losses_that_were_in_what_is_gone_are_not_counted(disk: Disk, chunk: int | None) -> None:
    """Nobody knows how many those were: the gap that stands for them has no count."""
    records: list[Record] = [
        line(20, 3),
        DeclaredLoss(21, "web", Loss(Reason.RATE, 5, 5)),
        line(22, 4),
    ]
    disk.seal(lines(2, 10, 1))
    row = disk.seal(records, chunk)
    disk.seal(lines(1, 30, 5))
    index.path_of(disk.directory, row).unlink()
    gap = Missing(12, 22, None, 2, Reason.STORAGE, is_placed=False)
    assert told(disk.all()) == ["1", "2", gap, "5"]
    assert told(disk.all_back()) == ["1", "2", gap, "5"]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        # Where its line stood, though no seq is missing there; where all are there it is exact.
        (1, ["3", Missing(21, 21, None, 0, Reason.STORAGE, is_placed=False), "4", 23, "5"]),
        (3, ["3", 21, "4", Missing(23, 23, None, 0, Reason.STORAGE, is_placed=False), "5"]),
        (4, ["3", 21, "4", Missing(23, 24, 6, 6, Reason.STORAGE, is_placed=False)]),
    ],
)
@pytest.mark.parametrize("chunk", [None, 2, 9])
def test_a_loss_whose_line_is_damaged(
    disk: Disk, place: int, expected: list[object], chunk: int | None
) -> None:
    """It is an uncounted gap."""
    loss = Loss(Reason.RATE, 5, 5)
    records: list[Record] = [
        line(20, 3),
        DeclaredLoss(21, "web", loss),
        line(22, 4),
        DeclaredLoss(23, "web", loss),
        line(24, 5),
    ]
    disk.seal(lines(2, 10, 1))
    row = disk.seal(records)
    texts = [render([record]) for record in records]
    texts[place] = b"#" * (len(texts[place]) - 1) + b"\n"
    if chunk is not None:
        index.add_segments(disk.index, [replace(row, compressed=True)])
        path = index.path_of(disk.directory, replace(row, compressed=True))
        compress([b"".join(texts[k : k + chunk]) for k in range(0, 5, chunk)], path)
    else:
        index.path_of(disk.directory, row).write_bytes(b"".join(texts))
    assert told(disk.all()) == ["1", "2", *expected]


def test_losses_beside_the_end_of_a_run_that_are_damaged_as_one_line(disk: Disk) -> None:
    """What begins like an ending and ends like a loss is neither."""
    records: list[Record] = [
        line(20, 1),
        Ending(21, "web", "job", 0, "succeeded"),
        DeclaredLoss(22, "web", Loss(Reason.RATE, 5, 5)),
    ]
    row = disk.seal(records)
    damaged = bytearray(render(records))
    start, stop = len(render(records[:1])) + 30, len(damaged) - 30
    damaged[start:stop] = bytes(stop - start)
    index.path_of(disk.directory, row).write_bytes(damaged)
    assert told(disk.all()) == ["1", Missing(21, 22, None, 0, Reason.STORAGE, is_placed=False)]


def test_a_segment_that_ends_early_and_had_losses(disk: Disk) -> None:
    """Cut behind a whole line it says nothing of what stood there, but the index does."""
    row = disk.seal([line(20, 1), line(21, 2), DeclaredLoss(22, "web", Loss(Reason.RATE, 5, 5))])
    disk.seal(lines(1, 30, 3))
    os.truncate(index.path_of(disk.directory, row), len(render([line(20, 1), line(21, 2)])))
    assert told(disk.all()) == [
        "1",
        "2",
        Missing(22, 22, None, 0, Reason.STORAGE, is_placed=False),
        "3",
    ]


def test_a_compressed_segment_that_ends_early_and_had_losses(disk: Disk) -> None:
    """Its lines were kept as they are, in fewer bytes than their objects take."""
    row = disk.seal(
        [line(20, 1), line(21, 2), DeclaredLoss(22, "web", Loss(Reason.RATE, 5, 5))], chunk=1
    )
    index.add_segments(disk.index, [replace(row, length=row.length // 2)])
    disk.seal(lines(1, 30, 3))
    path = index.path_of(disk.directory, row)
    text = CompressedText(path)
    text.close()
    os.truncate(path, text.frames[2].offset)
    gap = Missing(22, 22, None, 0, Reason.STORAGE, is_placed=False)
    assert told(disk.all()) == ["1", "2", gap, "3"]
    assert told(disk.all_back()) == ["1", "2", gap, "3"]


def test_a_damaged_frame_of_losses_where_nothing_says_where_frames_are(disk: Disk) -> None:
    """Frames are found by how they begin: between two that are whole something is missing."""
    loss = DeclaredLoss(22, "web", Loss(Reason.RATE, 5, 5))
    row = disk.seal([line(20, 1), line(21, 2), loss, line(23, 3)], chunk=1)
    path = index.path_of(disk.directory, row)
    text = CompressedText(path)
    text.close()
    data = bytearray(path.read_bytes())
    data[text.frames[2].offset + 20] ^= 0xFF
    path.write_bytes(data[:-9])
    gap = Missing(22, 22, None, 0, Reason.STORAGE, is_placed=False)
    assert told(disk.all()) == ["1", "2", gap, "3"]
    assert told(disk.all_back()) == ["1", "2", gap, "3"]


def test_a_segment_of_which_the_index_knows_nothing(disk: Disk) -> None:
    """What lies between two rows is missing too."""
    disk.seal(lines(2, 10, 1))
    row = disk.seal(lines(3, 20, 3))
    disk.seal(lines(1, 30, 6))
    index.delete_segments(disk.index, [row], [])
    assert told(disk.all()) == ["1", "2", missing(12, 29, 3), "6"]
    assert told(disk.all(after=11)) == [missing(12, 29, 3), "6"]
    assert told(disk.all(after=20)) == [missing(21, 29, None), "6"]
    assert told(disk.all(after=29)) == ["6"]
    assert told(disk.all_back()) == ["1", "2", missing(12, 29, 3), "6"]
    assert told(disk.all_back(before=30)) == ["1", "2", missing(12, 29, 3)]


def test_before_the_oldest_segment_nothing_is_missing(disk: Disk) -> None:
    """What was pruned is not the archive's to tell."""
    disk.seal(lines(2, 10, 1))
    disk.seal(lines(2, 20, 3))
    index.delete_segments(disk.index, disk.rows[:1], [])
    assert told(disk.all()) == ["3", "4"]
    assert told(disk.all(after=11)) == ["3", "4"]
    assert told(disk.all_back()) == ["3", "4"]


@pytest.mark.parametrize("damage", [(b'"id":30,', b'"id":80,'), (b'"seq":3,', b'"seq":9,')])
def test_damaged_numbers_lead_nobody_astray(disk: Disk, damage: tuple[bytes, bytes]) -> None:
    """An id or a seq beyond what the index says is damage, not the end."""
    row = disk.seal([line(10, 1), DeclaredLoss(20, "web", Loss(Reason.RATE, 5, 5)), line(30, 3)])
    disk.seal(lines(1, 40, 4))
    path = index.path_of(disk.directory, row)
    path.write_bytes(path.read_bytes().replace(*damage))
    gap = Missing(11, 30, 7, 7, Reason.STORAGE, is_placed=False)
    assert told(disk.all()) == ["1", gap, "4"]
    assert told(disk.all_back()) == ["1", gap, "4"]


def test_what_lies_between_segments_outside_the_times_is_missing(disk: Disk) -> None:
    """Only what the index knows of need not be read."""
    for number in range(4):
        disk.seal(lines(2, 10 * number + 10, 2 * number + 1))
    index.delete_segments(disk.index, disk.rows[1:2], [])
    stretch = disk.archive.read(Wanted("web", 0, ALL, since_ns=40_000))
    assert told(stretch.items) == [missing(12, 29, 2), "7", "8"]


def test_times_leave_segments_unread(disk: Disk) -> None:
    """Entries outside may be left out, and losses are given; what is left out is not missing."""
    for number in range(100):
        disk.seal(lines(2, 10 * number + 10, 2 * number + 1))
    disk.seal([DeclaredLoss(2000, "web", Loss(Reason.SOURCE))])
    for row in disk.rows[:50]:
        index.path_of(disk.directory, row).unlink()
    read = disk.archive.read
    first = read(Wanted("web", 0, ALL, since_ns=900_000))
    assert (told(first.items), first.reach) == ([], 641)
    then = read(Wanted("web", first.reach, ALL, since_ns=900_000))
    assert (told(then.items), then.reach) == (["179", "180"], 901)
    assert told(read(Wanted("web", 991, ALL, since_ns=1_000_500)).items) == ["199", "200"]
    assert told(read(Wanted("web", 991, ALL, since_ns=10**9)).items) == [2000]
    nothing = read(Wanted("web", 500, ALL, until_ns=1000))
    assert (told(nothing.items), nothing.reach) == ([2000], ALL)
    back = disk.archive.read_back(Wanted("web", 0, 1499, since_ns=0, until_ns=960_000))
    assert (told(back.items), back.reach) == (["189", "190"], 942)


def test_losses_between_entries_outside_the_times_are_given(disk: Disk) -> None:
    """They have no time: whoever reads on must know of them; also of those in the open one."""
    disk.seal([line(10, 1), DeclaredLoss(11, "web", Loss(Reason.SOURCE, 7, 7)), line(12, 2)])
    disk.seal([line(20, 3), hole("web", 21, 25, 2, Reason.RESTART), line(26, 6)], chunk=1)
    disk.seal([line(30, 7)])
    disk.open([line(40, 8), DeclaredLoss(41, "web", Loss(Reason.RATE, 5, 5))])
    index.path_of(disk.directory, disk.rows[2]).unlink()
    expected = [11, missing(21, 25, 2, Reason.RESTART), 41]
    for times in [(10**9, None), (None, 1000)]:
        items, after = list[Item](), 0
        while after < ALL:
            stretch = disk.archive.read(Wanted("web", after, ALL, *times))
            items, after = [*items, *stretch.items], stretch.reach
        assert told(items) == expected
        back = disk.archive.read_back(Wanted("web", 0, ALL - 1, *times))
        assert (told(back.items)[::-1], back.reach) == (expected, 0)


def test_entries_outside_the_times_are_passed_by(disk: Disk) -> None:
    """A read that finds nothing ends after some chunks all the same."""
    records = [line(10 + k, 1 + k, "") for k in range(40)]
    disk.seal([*records, line(5000, 41)], chunk=1)
    stretch = disk.archive.read(Wanted("web", 0, ALL, since_ns=5_000_000))
    assert (told(stretch.items), stretch.reach) == ([], 18)
    assert told(disk.archive.read(Wanted("web", 40, ALL, since_ns=5_000_000)).items) == []
    assert told(disk.archive.read(Wanted("web", 47, ALL, since_ns=5_000_000)).items) == ["41"]


def test_a_read_is_about_a_chunk(disk: Disk) -> None:
    """However much there is; `max_bytes` asks for less."""
    text = "x" * 20_000
    disk.seal(lines(100, 10, 1, text))
    stretch = disk.archive.read(Wanted("web", 9, ALL))
    assert (
        sum(len(item.lines.text) for item in stretch.items if isinstance(item, Block))
        < 2 * CHUNK_BYTES
    )
    assert stretch.reach == stretch.items[-1].last_id
    assert len(disk.archive.read(Wanted("web", 9, ALL, max_bytes=1)).items) == 1
    assert told(disk.all()) == told(disk.all_back()) == [f"{k}{text}" for k in range(1, 101)]


def test_lines_longer_than_a_chunk(disk: Disk) -> None:
    """Chunks inside of them are empty."""
    long = "x" * (3 * CHUNK_BYTES)
    records = [line(10, 1), line(11, 2, long), line(12, 3), line(13, 4, long), line(14, 5)]
    disk.seal(records)
    expected = ["1", "2" + long, "3", "4" + long, "5"]
    for after in range(9, 15):
        assert told(disk.all(after))[-1:] == expected[after - 9 :][-1:]
        assert told(disk.all_back(after + 1)) == expected[: after - 9]


def test_readers_share_what_was_parsed(disk: Disk) -> None:
    """The same blocks, until they are too many; compressed or not, they are found again."""
    disk.seal(lines(10, 10, 1, "x" * 60_000))
    small = Archive(disk.directory, 700_000)
    first = small.read(Wanted("web", 0, ALL)).items[0]
    assert small.read(Wanted("web", 0, ALL)).items[0] is first
    small.read(Wanted("web", 18, ALL))
    assert small.read(Wanted("web", 0, ALL)).items[0] is first
    disk.seal(lines(20, 20, 11, "x" * 60_000))
    small.read(Wanted("web", 19, ALL))
    small.read(Wanted("web", 33, ALL))
    assert small.read(Wanted("web", 0, ALL)).items[0] is not first
    small.close()


def test_how_much_is_held(disk: Disk) -> None:
    """All segments together, with the open one."""
    assert disk.archive.extent("web") == Extent()
    first = disk.seal(lines(2, 10, 1))
    second = disk.seal([DeclaredLoss(15, "web", Loss(Reason.SOURCE))])
    third = disk.open(lines(1, 20, 3))
    length = first.length + second.length + third.length
    assert disk.archive.extent("web") == Extent(3, length, 10_000, 20_000, third.length)


def test_an_index_that_cannot_be_read(tmp_path: Path) -> None:
    """It is an error of the store, in words."""
    (tmp_path / "index.db").write_bytes(b"no database" * 1000)
    archive = Archive(tmp_path)
    with pytest.raises(StoreError) as caught:
        archive.read(Wanted("web", 0, ALL))
    assert str(caught.value) == (
        f"state.directory {tmp_path} cannot be read: file is not a database"
    )
    archive.close()


@contextmanager
def no_descriptors(seconds: float = 60.0) -> Iterator[None]:
    """Let no file be opened for so long, or to the end of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = os.open("/", os.O_RDONLY)
    os.close(least)
    end = threading.Timer(seconds, resource.setrlimit, (resource.RLIMIT_NOFILE, (soft, hard)))
    end.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        end.cancel()


@pytest.mark.parametrize("knows_index", [True, False])
def test_descriptors_that_run_out_for_a_moment_cost_no_line(
    disk: Disk, *, knows_index: bool
) -> None:
    """A reader would pass by the gap for good: it waits."""
    disk.seal(lines(3, 10, 1))
    if knows_index:
        disk.archive.extent("web")
    with no_descriptors(0.2):
        stretch = disk.archive.read(Wanted("web", 0, ALL))
    assert told(stretch.items) == ["1", "2", "3"]


@pytest.mark.parametrize("knows_index", [True, False])
def test_descriptors_that_have_run_out_say_nothing_of_a_segment(
    disk: Disk, *, knows_index: bool
) -> None:
    """It is an error of the store, as it is for the index."""
    disk.seal(lines(3, 10, 1))
    archive = Archive(disk.directory, patience=0.1)
    if knows_index:
        archive.extent("web")
    with no_descriptors(), pytest.raises(StoreError) as caught:
        archive.read(Wanted("web", 0, ALL))
    problem = "too many open files" if knows_index else "unable to open database file"
    assert str(caught.value) == f"state.directory {disk.directory} cannot be read: {problem}"
    archive.close()


def test_what_waiting_does_not_help_is_missing_at_once(disk: Disk) -> None:
    """As a file that is gone."""
    disk.seal(lines(1, 10, 1))
    path = index.path_of(disk.directory, disk.seal(lines(3, 20, 2)))
    disk.seal(lines(1, 30, 5))
    path.unlink()
    path.symlink_to(path)
    archive = Archive(disk.directory, patience=1e9)
    stretch = archive.read(Wanted("web", 10, ALL))
    assert told(stretch.items) == [missing(11, 22, 3), "5"]
    archive.close()


def test_a_segment_on_a_bad_disk_is_waited_for_once(disk: Disk) -> None:
    """Then it is missing by its count, and costs no other."""
    disk.seal(lines(1, 10, 1))
    path = index.path_of(disk.directory, disk.seal(lines(3, 20, 2)))
    disk.seal(lines(1, 30, 5))
    master, slave = pty.openpty()
    os.close(master)
    path.unlink()
    path.symlink_to(f"/proc/self/fd/{slave}")  # Opening what is hung up is an EIO.
    archive = Archive(disk.directory, patience=1.0)
    for least, most in [(1.0, 60.0), (0.0, 1.0)]:
        began = time.monotonic()
        stretch = archive.read(Wanted("web", 10, ALL))
        assert least <= time.monotonic() - began < most
        assert told(stretch.items) == [missing(11, 22, 3), "5"]
    os.close(slave)
    archive.close()


def test_a_segment_that_the_index_takes_for_plain(disk: Disk) -> None:
    """After a power cut it may say less than the disk: what was compressed is read."""
    disk.seal(lines(1, 10, 1))
    path = index.path_of(disk.directory, disk.seal(lines(3, 20, 2)))
    disk.seal(lines(1, 30, 5))
    compress([path.read_bytes()], path.with_name(path.name + ".zst"))
    path.unlink()
    assert told(disk.archive.read(Wanted("web", 10, ALL)).items) == ["2", "3", "4"]
    disk.archive.close()


def test_segments_are_compressed_while_they_are_read(disk: Disk) -> None:
    """The file that is gone is found under its new name."""
    for number in range(40):
        disk.seal(lines(5, 10 * number + 10, 5 * number + 1))
    done = threading.Event()

    def compress_all() -> None:
        for row in disk.rows:
            plain = index.path_of(disk.directory, row)
            size = compress([plain.read_bytes()], plain.with_name(plain.name + ".zst"))
            index.mark_compressed(disk.index, row, size)
            plain.unlink()
        done.set()

    thread = threading.Thread(target=compress_all)
    thread.start()
    while not done.is_set():
        assert told(disk.all()) == [str(number) for number in range(1, 201)]
    thread.join()


def test_segments_are_pruned_while_they_are_read(disk: Disk) -> None:
    """What the index does not hold any more is not missing here: the channel has marked it."""
    for number in range(40):
        disk.seal(lines(5, 10 * number + 10, 5 * number + 1))
    done = threading.Event()

    def prune() -> None:
        for row in disk.rows[:-1]:
            index.delete_segments(disk.index, [row], [])
            index.path_of(disk.directory, row).unlink()
        done.set()

    thread = threading.Thread(target=prune)
    thread.start()
    while not done.is_set():
        texts = told(disk.all())
        assert all(isinstance(text, str) for text in texts)
        assert [int(str(text)) for text in texts] == sorted({int(str(text)) for text in texts})
        assert texts[-1] == "200"
    thread.join()


# --- Any records, any damage, any cursor -----------------------------------------------------


@dataclass
class Written:
    """What was written, and where it was damaged."""

    segments: list[tuple[list[Record], int | None]] = field(default_factory=list)
    entries: list[tuple[int, int]] = field(default_factory=list)
    """Id and seq of all that had some; those in a hole have ids within."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    losses: list[int] = field(default_factory=list)
    first_seq: int = 1


@st.composite
def writings(draw: st.DrawFn) -> Written:
    written = Written()
    id_ = draw(st.integers(1, 50))
    seq = written.first_seq = draw(st.sampled_from([1, 7]))
    pad = "x" * draw(st.sampled_from([0, 0, 0, 150_000]))
    for _ in range(draw(st.integers(1, 4))):
        records: list[Record] = []
        for kind in draw(st.lists(st.sampled_from("eeeebblhr"), min_size=1, max_size=7)):
            id_ += draw(st.integers(1, 3))
            if kind == "e":
                records.append(line(id_, seq, pad))
                written.entries.append((id_, seq))
                seq += 1
            elif kind == "b":
                texts = [f"{seq + k}{pad[:20_000]}" for k in range(draw(st.integers(8, 11)))]
                records.append(Span(block(texts, id_, seq), 0, len(texts)))
                written.entries.extend((id_ + k, seq + k) for k in range(len(texts)))
                id_, seq = id_ + len(texts) - 1, seq + len(texts)
            elif kind == "l":
                records.append(DeclaredLoss(id_, "web", Loss(Reason.SOURCE, None, 2)))
                written.losses.append(id_)
            elif kind == "h" and (written.entries or records):
                count = draw(st.integers(1, 3))
                records.append(hole("web", id_, id_ + 2 * count, count, Reason.RESTART))
                written.holes.append((id_, id_ + 2 * count))
                written.entries.extend((id_ + 2 * k, seq + k) for k in range(count))
                id_, seq = id_ + 2 * count, seq + count
            else:
                records.append(Ending(id_, "web", "job", 0, "succeeded"))
        written.segments.append((records, draw(st.sampled_from([None, 1, 2, 3]))))
    return written


def damage(data: st.DataObject, disk: Disk) -> None:
    """Remove, cut or overwrite some of the files."""
    for row in disk.rows:
        path = index.path_of(disk.directory, row)
        kind = data.draw(st.sampled_from(["none", "none", "gone", "cut", "zeros"]))
        size = path.stat().st_size
        at = data.draw(st.integers(0, size))
        if kind == "gone":
            path.unlink()
        elif kind == "cut":
            with open(path, "r+b") as file:
                file.truncate(at)
        elif kind == "zeros":
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes(min(size - at, data.draw(st.sampled_from([1, 9, 300, 10**6])))))


def check(written: Written, items: Sequence[Item], after: int, until: int) -> None:
    """Every entry in (after, until] once and in order, or missing by its count."""
    seqs = dict(written.entries)
    left = [id_ for id_ in seqs if after < id_ <= until]
    losses_left = {id_ for id_ in written.losses if after < id_ <= until}
    cursor = after
    for item in items:
        assert item.last_id > cursor
        if isinstance(item, Block):
            assert item.last_id <= until
            for k in range(item.index_after(after), item.count):
                assert item.id_at(k) == left.pop(0)
                assert item.first_seq + k == seqs[item.id_at(k)]
                assert item.lines.entry(k).rstrip(b"x") == b"%d" % (item.first_seq + k)
        elif isinstance(item, Missing):
            assert item.first_id > cursor
            gone = [id_ for id_ in seqs if item.first_id <= id_ <= item.last_id]
            covered = [id_ for id_ in written.losses if item.first_id <= id_ <= item.last_id]
            if item.count is not None:
                assert (item.count, covered) == (len(gone), [])
            elif item.at_least:
                # A loss is of an unknown number, at least 2; one that is gone itself counts none.
                assert item.at_least - len(gone) in range(0, 2 * len(covered) + 1, 2)
            if item.count is None and item.first_id != after + 1 and item.last_id != until:
                assert written.losses or written.holes
            left = [id_ for id_ in left if id_ not in gone]
            losses_left.difference_update(covered)
        else:
            losses_left.remove(item.id)
        cursor = item.last_id
    assert left == []
    assert losses_left == set()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_cursor_any_damage(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Read on and back in any steps: nothing is lost in silence, and nothing is given twice."""
    written = data.draw(writings())
    disk = Disk(tmp_path_factory.mktemp("disk"), last_seq=written.first_seq - 1)
    disk.is_archived = data.draw(st.booleans())
    for number, (records, chunk) in enumerate(written.segments):
        if number == len(written.segments) - 1 and data.draw(st.booleans()):
            disk.open(records)
        else:
            disk.seal(records, chunk)
    if data.draw(st.booleans()):
        damage(data, disk)
    else:
        assert [item.id for item in disk.all() if isinstance(item, DeclaredLoss)] == written.losses
    last = disk.last_id
    for _ in range(3):
        after = data.draw(st.integers(0, last))
        check(written, disk.all(after, ALL, data.draw(st.sampled_from([1, 10**6]))), after, ALL)
        check(written, disk.all_back(after + 1), 0, after)
    disk.close()
    shutil.rmtree(disk.directory)


def test_the_index_is_let_go_of_while_it_is_read(disk: Disk) -> None:
    """Who reads goes on; who comes later opens it again."""
    for number in range(20):
        disk.seal(lines(5, 10 * number + 10, 5 * number + 1))
    done = threading.Event()

    def close_often() -> None:
        while not done.is_set():
            disk.archive.close()

    thread = threading.Thread(target=close_often)
    thread.start()
    try:
        for _ in range(20):
            assert told(disk.all()) == [str(number) for number in range(1, 101)]
    finally:
        done.set()
        thread.join()
