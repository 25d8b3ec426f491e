"""Groups into segments and the index, and what failing leaves."""

import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.block import DeclaredLoss
from relay.entry import Gap, Loss, Origin, Position, Reason, RunStarted
from relay.errors import StoreError
from relay.run import Ending, Start
from relay.span import Span
from relay.storage import StoredChannel
from relay.store import index, plan
from relay.store.index import SegmentRow
from relay.store.lock import take_lock
from relay.store.recovery import open_store
from relay.store.segment import render
from relay.store.writer import Write, Writer
from tests.building import block
from tests.small_disk import fill

NOW_NS = 1_795_255_350_123_456_789
DAY_NS = 86_400_000_000_000
DATE = "2026-11-21"


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[Writer]:
    """Give a writer of a new directory."""
    made, _ = open_store(tmp_path / "state", "1s", clock)
    yield made
    made._state.disconnect()
    made._state._drop_sync_connection()
    made._state._lock.close()


def lines(text: str | list[str], first_id: int, first_seq: int, channel: str = "web") -> Span:
    """Return a span of the words of a text."""
    one = block(text, first_id, first_seq, channel=channel)
    return Span(one, 0, one.count)


def files(writer: Writer) -> dict[str, bytes]:
    """Return what all segments hold by their path below ``channels``."""
    top = writer.directory / "channels"
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in top.rglob("*.*")
        if path.is_file()
    }


def segments(writer: Writer, channel: str = "web") -> list[tuple[int, int, int, int, int, bool]]:
    """Return the first and last ids and seqs of a channel's segments, and whether sealed."""
    connection = index.connect(writer.index_path, readonly=True)
    rows = index.segments_after(connection, channel, 0, 1000)
    connection.close()
    return [
        (row.first_id, row.last_id, row.first_seq, row.last_seq, row.entries, row.is_sealed)
        for row in rows
    ]


def reopened(writer: Writer) -> list[tuple[str, int, int]]:
    """Return name, last id and last seq of all channels as the index has them."""
    connection = index.connect(writer.index_path, readonly=True)
    rows = index.channels(connection)
    connection.close()
    return [(row.name, row.last_id, row.last_seq) for row in rows]


def remove(writer: Writer) -> list[str]:
    """Remove what is needed no more, as a store does beside its commits; return what was there."""
    unneeded = writer.take_unneeded()
    there = [Path(name).name for name in unneeded if (writer.directory / name).exists()]
    writer.note_removed(writer.remove(unneeded))
    return there


def test_a_group_is_appended_channel_by_channel(writer: Writer) -> None:
    """Each channel has a segment, which holds what goes over the wire."""
    first, second = lines("a b", 1000, 1), lines("x", 1002, 1, "api")
    third, loss = lines("c", 1003, 3), DeclaredLoss(1004, "web", Loss(Reason.RATE, 5, 5))
    writer.commit(Write([first, second, third]))
    writer.commit(Write([loss]))
    assert files(writer) == {
        f"web/{DATE}/1000.ndjson": render([first, third, loss]),
        f"api/{DATE}/1002.ndjson": render([second]),
    }
    assert segments(writer) == [(1000, 1004, 1, 3, 3, False)]
    assert segments(writer, "api") == [(1002, 1002, 1, 1, 1, False)]


def test_what_flows_takes_one_step_of_the_index(writer: Writer) -> None:
    """A channel and a position; whatever else is to be told takes a transaction."""
    key = "app", "a.log"
    writer.commit(Write([lines("a", 1000, 1)], {key: Position("1")}))
    assert writer._state._connection is not None
    statements: list[str] = []
    writer._state._connection.set_trace_callback(statements.append)

    def steps(write: Write) -> set[str]:
        statements.clear()
        writer.commit(write)
        return {statement.split()[0] for statement in statements}

    assert steps(Write([lines("b", 1001, 2)], {key: Position("2")})) == {"INSERT"}
    assert reopened(writer) == [("web", 1001, 2)]
    run = Origin("app", run="r")
    in_run = Span(block("c", 1002, 3, origin=run), 0, 1)
    both = {key: Position("4"), ("app", "b.log"): Position("1")}
    for write in (
        Write([in_run], {key: Position("3")}),
        Write([lines("d", 1003, 4)], both),
        Write([lines("e", 1004, 5)], {key: Position("5", b"k" * 16)}),
        Write([lines("f", 1005, 6)], {key: Position("6", keys_from=1)}),
        Write([lines("g", 1006, 7)], {key: Position("7")}),
        Write([lines("h", 1007, 8)], {key: Position("8")}, forgotten_runs=[("r", "web")]),
        Write([lines("i", 1008, 9)], {key: Position("9")}, runs=[]),
        Write([lines("j", 1009, 10), lines("k", 1010, 1, "api")], {key: Position("10")}),
        Write([lines("l", 1011, 11)], {key: Position("")}),
    ):
        assert {"BEGIN", "COMMIT"} <= steps(write)


def test_a_segment_is_of_its_owner_alone(writer: Writer) -> None:
    """Neither it nor its directories can be read by others."""
    writer.commit(Write([lines("a", 1000, 1)]))
    top = writer.directory / "channels"
    assert {
        path.stat().st_mode & 0o777 for path in [top, *top.glob("web"), *top.glob("web/*")]
    } == {0o700}
    assert (top / "web" / DATE / "1000.ndjson").stat().st_mode & 0o777 == 0o600


def test_a_segment_is_sealed_when_its_day_is_over(writer: Writer, clock: Clock) -> None:
    """The next one lies in the directory of the new day."""
    writer.commit(Write([lines("a", 1000, 1)]))
    clock.now_ns += DAY_NS
    writer.commit(Write([lines("b", 1001, 2)]))
    assert segments(writer) == [(1000, 1000, 1, 1, 1, True), (1001, 1001, 2, 2, 1, False)]
    assert sorted(files(writer)) == [f"web/{DATE}/1000.ndjson", "web/2026-11-22/1001.ndjson"]
    assert [row.last_id for row in writer.take_sealed()] == [1000]
    assert writer.take_sealed() == []


def test_a_segment_is_sealed_when_it_is_open_for_a_day(writer: Writer) -> None:
    """With the next group, or when somebody looks."""
    writer.commit(Write([lines("a", 1000, 1)], age_ns=5))
    writer.seal_old(5 + DAY_NS - 1)
    assert segments(writer) == [(1000, 1000, 1, 1, 1, False)]
    writer.commit(Write([lines("b", 1001, 2)], age_ns=5 + DAY_NS))
    writer.seal_old(5 + 2 * DAY_NS)
    assert segments(writer) == [(1000, 1000, 1, 1, 1, True), (1001, 1001, 2, 2, 1, True)]
    writer.commit(Write([lines("c", 1002, 3)], age_ns=5 + 2 * DAY_NS))
    assert segments(writer)[2:] == [(1002, 1002, 3, 3, 1, False)]


def test_a_segment_is_sealed_when_it_is_large(writer: Writer) -> None:
    """In the commit that makes it so."""
    text = ["x" * 100_000] * 42
    writer.commit(Write([lines(text, 1000, 1)]))
    writer.commit(Write([lines(text, 2000, 43)]))
    writer.commit(Write([lines("b", 3000, 85)]))
    assert segments(writer) == [(1000, 2041, 1, 84, 84, True), (3000, 3000, 85, 85, 1, False)]


def test_many_channels_need_few_descriptors(writer: Writer) -> None:
    """Those that were longest not used are closed, and opened again."""
    for turn in range(2):
        records = [lines("a", 1000 + turn * 500 + k, turn + 1, f"c{k}") for k in range(300)]
        writer.commit(Write(records))
    assert len(writer._files._open) == 128
    assert {text.count(b"\n") for text in files(writer).values()} == {2}


def test_a_hole_takes_its_seqs(writer: Writer) -> None:
    """What was never stored is counted where it would stand."""
    hole = Gap(1009, "web", 999, 1009, 10, 10, Reason.STORAGE)
    writer.commit(Write([hole, lines("a", 1010, 11)]))
    assert segments(writer) == [(1000, 1010, 1, 11, 1, False)]
    assert reopened(writer) == [("web", 1010, 11)]


def test_a_channel_is_known_from_the_start_of_its_run_on(writer: Writer) -> None:
    """Before it has any line, and so without a segment."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.commit(Write([Start("jobs", "app", RunStarted("job-1", 5))]))
    assert reopened(writer) == [("jobs", 1000, 0), ("web", 1000, 1)]
    assert segments(writer, "jobs") == []


# Failing


@contextmanager
def no_room(bytes_: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_cannot_be_written_leaves_everything_as_it_was(writer: Writer) -> None:
    """The same records may be tried again, and stand there once."""
    first, second = lines("a b", 1000, 1), lines(["x" * 500] * 10, 1010, 3)
    other, last = lines("o", 1020, 1, "api"), lines("d", 1021, 13)
    writer.commit(Write([first]))
    before = files(writer)
    with no_room(2000), pytest.raises(StoreError) as caught:
        writer.commit(Write([other, second], {("app", ""): Position("1")}))
    assert str(caught.value) == (
        f"state.directory {writer.directory} cannot be written: file too large"
    )
    assert files(writer) == before
    assert reopened(writer) == [("web", 1001, 2)]
    writer.commit(Write([second, other], {("app", ""): Position("1")}))
    writer.commit(Write([last]))
    assert files(writer) == {
        f"web/{DATE}/1000.ndjson": render([first, second, last]),
        f"api/{DATE}/1020.ndjson": render([other]),
    }


def test_an_index_that_cannot_be_written_undoes_the_segments(writer: Writer) -> None:
    """The text was there already when the transaction failed."""
    first, second = lines("a b", 1000, 1), lines("c", 1010, 3)
    writer.commit(Write([first]))
    wal_bytes = (writer.directory / "index.db-wal").stat().st_size
    with no_room(wal_bytes), pytest.raises(StoreError) as caught:
        writer.commit(Write([second]))
    assert str(caught.value).startswith(f"state.directory {writer.directory} cannot be written: ")
    assert files(writer) == {f"web/{DATE}/1000.ndjson": render([first])}
    writer.reopen()
    writer.commit(Write([second]))
    assert files(writer) == {f"web/{DATE}/1000.ndjson": render([first, second])}


def test_records_that_are_stored_are_passed_by(writer: Writer) -> None:
    """Who cannot know whether a commit succeeded may do it again."""
    one = block("a b c d", 1000, 1, origin=Origin("app", run="job-1"))
    started = Start("web", "app", RunStarted("job-1", 5))
    ending = Ending(1004, "web", "job-1", 9, "ended")
    writer.commit(Write([started, Span(one, 0, 2)]))
    writer.commit(Write([started, Span(one, 0, 4), ending]))
    writer.commit(Write([started, Span(one, 0, 4), ending]))
    assert files(writer) == {f"web/{DATE}/1000.ndjson": render([Span(one, 0, 4), ending])}
    assert segments(writer) == [(1000, 1004, 1, 4, 4, False)]
    connection = index.connect(writer.index_path, readonly=True)
    (run,) = index.runs(connection)
    connection.close()
    assert (run.status, run.lines) == ("ended", 4)


def test_an_ending_that_several_channels_tell_of_stands_once(writer: Writer) -> None:
    """Each channel's backlog has it; what the ids say is the order."""
    ending = Ending(1005, "web", "job-1", 9, "ended")
    web, api = lines("a", 1000, 1), lines("b", 1001, 1, "api")
    late = lines("c", 1006, 2)
    writer.commit(Write([api, ending, web, ending, late], runs=[]))
    assert files(writer) == {
        f"web/{DATE}/1000.ndjson": render([web, ending, late]),
        f"api/{DATE}/1001.ndjson": render([api]),
    }


def test_a_segment_that_was_deleted_is_followed_by_a_new_one(writer: Writer) -> None:
    """What it held is a gap; what comes is stored."""
    writer.commit(Write([lines("a", 1000, 1)]))
    (writer.directory / "channels" / "web" / DATE / "1000.ndjson").unlink()
    writer.commit(Write([lines("b", 1001, 2)]))
    assert segments(writer) == [(1000, 1000, 1, 1, 1, True), (1001, 1001, 2, 2, 1, False)]
    assert list(files(writer)) == [f"web/{DATE}/1001.ndjson"]


def test_a_directory_that_was_removed_is_made_again(writer: Writer, tmp_path: Path) -> None:
    """Seqs and positions go on: the index is still open, and is written anew."""
    writer.commit(Write([lines("a", 1000, 1)], {("app", ""): Position("1")}))
    writer.sync()
    shutil.rmtree(writer.directory)
    with pytest.raises(StoreError) as caught:
        writer.check()
    assert str(caught.value) == (
        f"state.directory {writer.directory} is gone: no such file or directory"
    )
    writer.reopen()
    writer.check()
    writer.commit(Write([lines("b", 1001, 2)]))
    writer.sync()
    writer.close()
    _, stored = open_store(writer.directory)
    assert stored.news == []
    assert stored.positions == {("app", ""): Position("1")}
    assert [(one.name, one.last_id, one.last_seq) for one in stored.channels] == [("web", 1001, 2)]
    writer._state._lock = take_lock(tmp_path)


def test_a_directory_that_was_replaced_is_not_written_to(writer: Writer, tmp_path: Path) -> None:
    """It belongs to somebody else now."""
    writer.directory.rename(tmp_path / "old")
    other, _ = open_store(writer.directory)
    with pytest.raises(StoreError) as caught:
        writer.reopen()
    assert str(caught.value) == (
        f"state.directory {writer.directory} is not the one that was opened"
    )
    other.close()


# What goes


def test_a_forgotten_channel_keeps_its_last_id_and_seq(writer: Writer) -> None:
    """Its segments go; when it comes again it goes on counting."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.seal_old(2 * DAY_NS)
    writer.commit(Write([lines("b", 1001, 2)]))
    writer.forget(StoredChannel("web", 999, 1001, 2, 1002, 3, forgotten_ns=77))
    assert remove(writer) == ["1000.ndjson", "1001.ndjson"]
    assert files(writer) == {}
    assert os.listdir(writer.directory / "channels") == []
    connection = index.connect(writer.index_path, readonly=True)
    assert index.channels(connection) == [index.ChannelRow("web", 999, 1001, 2, 77, None, 1001)]
    writer.commit(Write([lines("c", 1002, 3)]))
    assert index.channels(connection)[0].forgotten_ns is None
    connection.close()
    assert segments(writer) == [(1002, 1002, 3, 3, 1, False)]


def test_a_channel_is_forgotten_with_what_was_never_stored(writer: Writer) -> None:
    """It is shown while the disk fails, and forgotten before that is caught up."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.forget(StoredChannel("web", 999, 1009, 9, 1010, 10, forgotten_ns=77))
    writer.forget(StoredChannel("new", 1004, 1008, 3, 1009, 4, forgotten_ns=78))
    connection = index.connect(writer.index_path, readonly=True)
    assert index.channels(connection) == [
        index.ChannelRow("new", 1004, 1008, 3, 78, None, 1008),
        index.ChannelRow("web", 999, 1009, 9, 77, None, 1009),
    ]
    connection.close()


def test_a_channel_that_came_again_is_not_forgotten(writer: Writer) -> None:
    """What was to be forgotten is older than what it has now."""
    writer.commit(Write([lines("a", 1000, 1)]))
    forgotten = StoredChannel("web", 999, 1000, 1, 1001, 2, forgotten_ns=77)
    writer.commit(Write([lines("b", 1001, 2)]))
    writer.forget(forgotten)
    assert segments(writer) == [(1000, 1001, 1, 2, 2, False)]


def test_a_forgotten_channel_is_dropped_for_good(writer: Writer) -> None:
    """If it comes again it is a new one; one that is not forgotten stays."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.drop("web")
    assert segments(writer) == [(1000, 1000, 1, 1, 1, False)]
    writer.forget(StoredChannel("web", 999, 1000, 1, 1001, 2, forgotten_ns=77))
    writer.drop("web")
    writer.drop("unknown")
    connection = index.connect(writer.index_path, readonly=True)
    assert index.channels(connection) == []
    connection.close()
    writer.commit(Write([lines("b", 2000, 1)]))
    assert segments(writer) == [(2000, 2000, 1, 1, 1, False)]


def test_pruned_segments_leave_with_their_files(writer: Writer) -> None:
    """Nothing is left to be removed."""
    for k in range(3):
        writer.commit(Write([lines("a", 1000 + k, 1 + k)]))
        writer.seal_old(2 * DAY_NS)
    writer.prune(writer.take_sealed()[:2])
    assert segments(writer) == [(1002, 1002, 3, 3, 1, True)]
    assert remove(writer) == ["1000.ndjson", "1001.ndjson"]
    assert remove(writer) == []
    assert list(files(writer)) == [f"web/{DATE}/1002.ndjson"]
    connection = index.connect(writer.index_path, readonly=True)
    assert index.removals(connection) == []
    connection.close()


def test_a_compressed_segment_takes_the_place_of_the_plain_one(writer: Writer) -> None:
    """Unless it was pruned meanwhile: then the compressed file goes."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.seal_old(2 * DAY_NS)
    (row,) = writer.take_sealed()
    compressed = index.path_of(writer.directory, row).with_suffix(".ndjson.zst")
    compressed.write_bytes(b"zstd")
    assert writer.mark_compressed(row, 4)
    assert remove(writer) == ["1000.ndjson"]
    assert files(writer) == {f"web/{DATE}/1000.ndjson.zst": b"zstd"}
    connection = index.connect(writer.index_path, readonly=True)
    (after,) = index.segments_after(connection, "web", 0, 9)
    connection.close()
    assert (after.compressed, after.stored_bytes) == (True, 4)
    writer.prune([after])
    assert remove(writer) == ["1000.ndjson.zst"]
    compressed.parent.mkdir(parents=True)
    compressed.write_bytes(b"zstd")
    assert not writer.mark_compressed(row, 4)
    assert remove(writer) == ["1000.ndjson.zst"]
    assert files(writer) == {}


def test_what_was_made_of_a_plain_segment_goes_with_it(writer: Writer) -> None:
    """Compressed since it was chosen to go, or just before a kill; or only begun."""
    for k in range(4):
        writer.commit(Write([lines("a", 1000 + k, 1 + k)]))
        writer.seal_old(2 * DAY_NS)
    *rows, _ = writer.take_sealed()
    for row, suffix in zip(rows, [".zst", ".zst", ".zst.tmp"], strict=True):
        path = index.path_of(writer.directory, row)
        path.with_name(path.name + suffix).write_bytes(b"zstd")
    assert writer.mark_compressed(rows[0], 4)
    writer.prune(rows)
    remove(writer)
    assert list(files(writer)) == [f"web/{DATE}/1003.ndjson"]


def test_what_was_not_removed_is_at_the_end(tmp_path: Path) -> None:
    """Nothing is left for the next start."""
    writer, _ = open_store(tmp_path, "1s")
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.seal_old(2 * DAY_NS)
    writer.prune(writer.take_sealed())
    assert len(files(writer)) == 1
    writer.close()
    assert files(writer) == {}
    connection = index.connect(writer.index_path, readonly=True)
    assert index.removals(connection) == []
    connection.close()


# The disk


def test_syncing_goes_on_beside_commits(writer: Writer) -> None:
    """Another thread syncs and checkpoints while groups are committed."""
    done = threading.Event()
    errors: list[Exception] = []

    def sync() -> None:
        try:
            while not done.is_set():
                writer._state._checkpointed = 0.0
                writer.sync()
        except StoreError as error:
            errors.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    for k in range(300):
        writer.commit(Write([lines("a", 1000 + k, 1 + k)], {("app", ""): Position(str(k))}))
    done.set()
    thread.join()
    assert errors == []
    assert segments(writer) == [(1000, 1299, 1, 300, 300, False)]


def test_what_was_synced_is_in_the_database(writer: Writer) -> None:
    """A checkpoint is made now and then; not before something was committed."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer._state._checkpointed = 0.0
    writer.sync()
    copy = writer.directory / "copy.db"
    copy.write_bytes(writer.index_path.read_bytes())
    connection = index.connect(copy)
    assert [row.name for row in index.channels(connection)] == ["web"]
    connection.close()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (RunStarted("r", 1 << 70), "python int too large to convert to sqlite integer"),
        (
            RunStarted("\ud800", 1),
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
    ],
)
def test_a_value_that_sqlite_cannot_take_fails_a_commit_wholly(
    writer: Writer, change: RunStarted, problem: str
) -> None:
    """By an error of the store, after which the next one is as if there had been none."""
    writer.commit(Write([lines("a", 1000, 1)]))
    with pytest.raises(StoreError) as caught:
        writer.commit(Write([lines("b", 1001, 2), Start("web", "app", change)]))
    assert str(caught.value) == (
        f"state.directory {writer.directory} cannot be written: {problem}"
    )
    assert segments(writer) == [(1000, 1000, 1, 1, 1, False)]
    writer.commit(Write([lines("c", 1001, 2)]))
    assert files(writer) == {
        f"web/{DATE}/1000.ndjson": render([lines("a", 1000, 1), lines("c", 1001, 2)])
    }


@pytest.fixture
def full(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Writer, list[SegmentRow]]]:
    """A full disk with three sealed segments, and an index that has to grow with any change."""
    monkeypatch.setattr(plan, "SEGMENT_BYTES", 1)
    writer, _ = open_store(disk / "state", "never")
    for number in range(3):
        writer.commit(Write([lines(["x" * 100_000], 1000 + number, 1 + number)]))
    rows = writer.take_sealed()
    (disk / "state" / rows[2].file).write_bytes(b"")
    writer._state._checkpoint("TRUNCATE")
    fill(disk)
    yield writer, rows
    writer.close()


def test_what_goes_from_a_full_disk_makes_the_room_to_say_so(
    full: tuple[Writer, list[SegmentRow]],
) -> None:
    """Where the index cannot grow, files go before their rows."""
    writer, rows = full
    writer.prune(rows[:1])
    assert [row[0] for row in segments(writer)] == [1001, 1002]
    assert not (writer.directory / rows[0].file).exists()
    assert (writer.directory / rows[1].file).exists()


def test_a_row_without_its_file_goes_when_there_is_room(
    full: tuple[Writer, list[SegmentRow]], disk: Path
) -> None:
    """Here the file was empty: without it there is no more room than before."""
    writer, rows = full
    with pytest.raises(StoreError, match="is full"):
        writer.prune(rows[2:])
    assert not (writer.directory / rows[2].file).exists()
    assert [row[0] for row in segments(writer)] == [1000, 1001, 1002]
    (disk / "ballast").unlink()
    writer.prune(rows[2:])
    assert [row[0] for row in segments(writer)] == [1000, 1001]


def test_nothing_goes_from_a_directory_that_took_the_place_of_ours(writer: Writer) -> None:
    """Its files may have the same names."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.seal_old(DAY_NS)
    ours = writer.directory.with_name("ours")
    shutil.copytree(writer.directory, ours)
    ours.rename(writer.directory.with_name("copy"))
    writer.directory.rename(ours)
    writer.directory.with_name("copy").rename(writer.directory)
    with pytest.raises(StoreError) as caught:
        writer.prune(writer.take_sealed())
    assert str(caught.value) == (
        f"state.directory {writer.directory} is not the one that was opened"
    )
    assert len(files(writer)) == 1


def test_nothing_is_removed_from_a_directory_that_took_the_place_of_ours(writer: Writer) -> None:
    """It may have taken it since something was let go of, which goes when ours is back."""
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.seal_old(DAY_NS)
    writer.prune(writer.take_sealed())
    ours, theirs = writer.directory.with_name("ours"), writer.directory.with_name("theirs")
    shutil.copytree(writer.directory, theirs)
    writer.directory.rename(ours)
    theirs.rename(writer.directory)
    with pytest.raises(StoreError, match="is not the one that was opened"):
        writer.take_unneeded()
    writer.directory.rename(theirs)
    ours.rename(writer.directory)
    assert remove(writer) == ["1000.ndjson"]


@pytest.mark.parametrize(
    "use",
    [
        lambda writer: writer.commit(Write([lines("b", 2000, 2)])),
        lambda writer: writer.put_values({"age_ns": 5}),
        Writer.sync,
        Writer.reopen,
    ],
    ids=["commit", "change", "sync", "reopen"],
)
def test_a_writer_that_is_closed_leaves_the_directory_alone(
    tmp_path: Path, use: Callable[[Writer], None]
) -> None:
    """It may be another relay's, which has taken the lock."""
    writer, _ = open_store(tmp_path)
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.close()
    before = files(writer)
    with pytest.raises(StoreError) as caught:
        use(writer)
    assert str(caught.value) == f"state.directory {tmp_path} is closed"
    assert files(writer) == before
    assert sorted(os.listdir(tmp_path)) == ["channels", "index.db", "lock"]
