"""Opening a state directory after every kind of end."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.block import Block, DeclaredLoss
from relay.entry import Gap, Loss, Origin, Position, Reason, RunStarted
from relay.errors import StoreError
from relay.run import Ending, Run, Start
from relay.span import Span
from relay.storage import Stored, StoredChannel
from relay.store import index
from relay.store.continuity import Continuity
from relay.store.parsing import parse
from relay.store.recovery import open_store
from relay.store.segment import prepared, render
from relay.store.state_directory import Fsync
from relay.store.writer import Write, Writer
from tests.building import block
from tests.small_disk import fill

NOW_NS = 1_795_255_350_123_456_789
DATE = "2026-11-21"
SEGMENT = Path("channels") / "web" / DATE / "1000.ndjson"
TAKEN_IN = "{} were taken in from {}; sources go on from where they last were known to be"
FSYNCS: list[Fsync] = ["1s", "always", "never"]


def opened(directory: Path, fsync: Fsync = "1s") -> tuple[Writer, Stored]:
    """Open a directory at a time that stands still."""
    return open_store(directory, fsync, clock=lambda: NOW_NS)


def lines(text: str, first_id: int, first_seq: int, channel: str = "web") -> Span:
    """Return a span of the words of a text."""
    one = block(text, first_id, first_seq, channel=channel)
    return Span(one, 0, one.count)


def undated(stored: Stored) -> list[StoredChannel]:
    """Return channels without when they were written to: of rebuilt ones their files say it."""
    return [replace(channel, written_ns=0, newest_ns=None) for channel in stored.channels]


def kill(writer: Writer) -> None:
    """End a writer so that the directory is what ``kill -9`` leaves: SQLite tidies nothing up."""
    files = [writer.directory / name for name in ("index.db", "index.db-wal")]
    left = [file.read_bytes() for file in files]
    writer._state.disconnect()
    writer._state._drop_sync_connection()
    writer._state._lock.close()
    for file, data in zip(files, left, strict=True):
        file.write_bytes(data)


def held(writer: Writer, channel: str = "web") -> list[tuple[str, int, int]]:
    """Return what readers are given of a channel: kind, first id and seq or count."""
    connection = index.connect(writer.index_path, readonly=True)
    found: list[tuple[str, int, int]] = []
    rows = index.segments_after(connection, channel, 0, 1000)
    connection.close()
    continuity = Continuity(0, rows[0].first_seq - 1 if rows else 0)
    for row in rows:
        path = index.path_of(writer.directory, row)
        text = path.read_bytes()[: row.length] if path.exists() else b""
        for item in [
            *continuity.join(parse(channel, text)),
            *continuity.reach(row.last_id, row.last_seq),
        ]:
            if isinstance(item, Block):
                found += [("entry", item.id_at(k), item.first_seq + k) for k in range(item.count)]
            elif isinstance(item, DeclaredLoss):
                found.append(("loss", item.id, item.loss.count or -1))
            else:
                found.append((item.reason.value, item.last_id, item.at_least))
    return found


def test_a_new_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Logs are nobody else's business."""
    writer, stored = opened(tmp_path / "a" / "state")
    assert stored == Stored()
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700
    writer.close()
    assert sorted(os.listdir(tmp_path / "a" / "state")) == ["index.db", "lock"]


@pytest.mark.parametrize("fsync", FSYNCS)
@pytest.mark.parametrize("is_killed", [True, False])
def test_all_that_was_committed_comes_back(
    tmp_path: Path, fsync: Fsync, *, is_killed: bool
) -> None:
    """Channels, runs, positions and record keys are there again, after any end."""
    writer, _ = opened(tmp_path, fsync)
    job = Origin("app", run="job-1")
    one = block("a b", 1000, 1, origin=job)
    start = Start("web", "app", RunStarted("job-1", 5, pid=7))
    keys = (b"\0" * 7 + b"\1") * 2, (b"\0" * 7 + b"\2") * 2
    writer.commit(
        Write([start, Span(one, 0, 2)], {("app", "f"): Position("1", keys[0])}, age_ns=1)
    )
    ending = Ending(1002, "web", "job-1", 9, "failed", 3)
    loss = DeclaredLoss(1003, "api", Loss(Reason.RATE, 5, 5))
    writer.commit(Write([ending, loss], {("app", "f"): Position("2", keys[1])}, age_ns=2))
    writer.put_values({"age_ns": 77})
    if is_killed:
        kill(writer)
    else:
        writer.close()
    _, stored = opened(tmp_path, fsync)
    run = Run("job-1", "app", 5, None, 7, 9, "failed", 3, None, 1002, 2, {"web": 1001})
    assert stored == Stored(
        last_id=NOW_NS // 1000 + 60_000_000,
        channels=[
            StoredChannel(
                "web", 999, 1002, 2, 1000, 1, 1_000_000, written_ns=2, newest_ns=1_000_000
            ),
            StoredChannel("api", 1002, 1003, 0, 1003, 1, None, written_ns=2),
        ],
        runs=[run],
        positions={("app", "f"): Position("2", keys[0] + keys[1])},
    )


def test_what_a_life_began_with_is_known_in_the_next(tmp_path: Path) -> None:
    """Its clients were told of it, and it may have published nothing; the clock may go back."""
    writer, stored = opened(tmp_path)
    assert stored.last_id == 0
    kill(writer)
    _, stored = open_store(tmp_path, clock=lambda: NOW_NS - 10**15)
    assert stored.last_id == NOW_NS // 1000 + 60_000_000


def test_a_second_relay_is_refused(tmp_path: Path) -> None:
    """Two would write over each other."""
    writer, _ = opened(tmp_path)
    with pytest.raises(StoreError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"state.directory {tmp_path} is used by another relay, pid {os.getpid()}"
    )
    writer.close()
    opened(tmp_path)[0].close()


def test_an_index_of_a_newer_relay_is_refused(tmp_path: Path) -> None:
    """It may mean what this one does not know."""
    opened(tmp_path)[0].close()
    connection = sqlite3.connect(tmp_path / "index.db")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"state.directory {tmp_path} was written by a newer relay: its index has version 2, and"
        " this relay knows version 1"
    )


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_somebody_else_is_refused(tmp_path: Path, version: int) -> None:
    """Nothing of it is changed."""
    connection = sqlite3.connect(tmp_path / "index.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = (tmp_path / "index.db").read_bytes()
    with pytest.raises(StoreError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"state.directory {tmp_path} holds an index.db that is not a relay's"
    )
    assert (tmp_path / "index.db").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["index.db", "lock"]


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """It is said in words."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        opened(tmp_path / "file")
    assert str(caught.value) == f"state.directory {tmp_path / 'file'} is not a directory"


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """What the system says stands in the sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        opened(tmp_path / "file" / "state")
    assert str(caught.value) == (
        f"state.directory {tmp_path / 'file' / 'state'} cannot be written: not a directory"
    )


def test_a_segment_that_is_longer_than_its_record_is_cut(tmp_path: Path) -> None:
    """What a commit wrote that came to nothing is read again from its source."""
    writer, _ = opened(tmp_path)
    writer.commit(Write([lines("a b", 1000, 1)]))
    kill(writer)
    path = tmp_path / SEGMENT
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"log","id":1002,"seq":3')
    writer, stored = opened(tmp_path)
    assert path.read_bytes() == whole
    assert stored.news == []
    assert stored.channels[0].last_seq == 2


def test_a_segment_that_was_begun_and_never_committed_is_removed(tmp_path: Path) -> None:
    """Of a channel that is known, and of one that is not."""
    writer, _ = opened(tmp_path)
    writer.commit(Write([lines("a b", 1000, 1)]))
    kill(writer)
    next_id = NOW_NS // 1000 + 1
    begun = tmp_path / "channels" / "web" / DATE / f"{next_id}.ndjson"
    begun.write_bytes(b'{"type":"log","id":')
    unknown = tmp_path / "channels" / "new" / DATE
    unknown.mkdir(parents=True)
    (unknown / f"{next_id}.ndjson").write_bytes(render([lines("c", next_id, 1, "new")]))
    writer, stored = opened(tmp_path)
    assert not begun.exists()
    assert os.listdir(tmp_path / "channels") == ["web"]
    assert [channel.name for channel in stored.channels] == ["web"]


def files_in(directory: Path) -> dict[str, bytes]:
    """Return what the files below ``channels`` hold, by their paths there."""
    top = directory / "channels"
    files = [path for path in top.rglob("*") if path.is_file()]
    return {str(path.relative_to(top)): path.read_bytes() for path in files}


@pytest.mark.parametrize("is_first", [True, False], ids=["at first", "after a kill"])
def test_what_is_not_of_a_life_that_failed_stays(tmp_path: Path, *, is_first: bool) -> None:
    """Files of somebody else, and what may be all that is left of a channel."""
    if not is_first:
        writer, _ = opened(tmp_path)
        writer.commit(Write([lines("a b", 1000, 1)]))
        kill(writer)
    for name, data in [
        ("general/2024/photos.zip", b"precious"),
        ("random/notes.txt", b"mine"),
        (f"damaged/{DATE}/1100.ndjson", b"damaged first line\n" * 10),
        (f"web/{DATE}/1200.ndjson", b"damaged first line\n" * 10),
        (f"web/{DATE}/notes.txt", b"mine"),
    ]:
        path = tmp_path / "channels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "channels" / "empty").mkdir()
    before = files_in(tmp_path)
    for _ in range(2):
        kill(opened(tmp_path)[0])
        assert files_in(tmp_path) == before
        assert (tmp_path / "channels" / "empty").is_dir()


def test_a_first_start_that_is_killed_is_begun_anew(tmp_path: Path) -> None:
    """Its index is there, and does not know the segments yet."""
    writer, _ = opened(tmp_path / "state")
    writer.commit(Write([lines("a b", 1000, 1)]))
    writer.close()
    (tmp_path / "state" / "index.db").unlink()
    connection = index.connect(tmp_path / "state" / "index.db", create=True)
    index.create(connection)
    shutil.copytree(tmp_path / "state", tmp_path / "killed")
    connection.close()
    writer, stored = opened(tmp_path / "killed")
    assert held(writer)[:2] == [("entry", 1000, 1), ("entry", 1001, 2)]
    assert stored.news == [TAKEN_IN.format("2 lines of 1 channel", "1 segment")]
    writer.close()


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """Give a directory in memory where there is one: thousands of syncs are to cost nothing."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def two_groups(memory: Path) -> dict[Fsync, Path]:
    """Return directories with a first group and two last ones, as a kill leaves them."""
    made: dict[Fsync, Path] = {}
    for fsync in FSYNCS:
        directory = made[fsync] = memory / fsync
        writer, _ = opened(directory, fsync)
        for first_id, first_seq, text in [(1000, 1, "a b"), (1010, 3, "c d"), (1020, 5, "e f")]:
            writer.commit(Write([lines(text, first_id, first_seq)], age_ns=1))
            if fsync != "never":
                writer.sync()
        kill(writer)
    return made


ENTRIES = [
    ("entry", 1000, 1),
    ("entry", 1001, 2),
    ("entry", 1010, 3),
    ("entry", 1011, 4),
    ("entry", 1020, 5),
    ("entry", 1021, 6),
]


@pytest.mark.parametrize("fsync", FSYNCS)
@pytest.mark.parametrize("is_filled", [False, True])
def test_a_tail_that_is_cut_or_zeroed_at_any_byte_becomes_a_hole(
    memory: Path, two_groups: dict[Fsync, Path], fsync: Fsync, *, is_filled: bool
) -> None:
    """What is whole is there, the rest is counted, and seqs go on after the record."""
    whole = (two_groups[fsync] / SEGMENT).read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == 10]
    for cut in range(ends[1], len(whole) + 1):
        directory = memory / "cut"
        shutil.copytree(two_groups[fsync], directory)
        zeros = b"\0" * (len(whole) - cut) if is_filled else b""
        (directory / SEGMENT).write_bytes(whole[:cut] + zeros)
        kept = sum(end <= cut for end in ends)
        _check_cut(directory, fsync, ENTRIES, kept, _news(6 - kept))
        shutil.rmtree(directory)


BUNDLED = [("entry", 1000 + n + 2 * (n // 8), n + 1) for n in range(24)]


@pytest.fixture(scope="module")
def two_bundles(memory: Path) -> dict[Fsync, Path]:
    """Return the same of bundles, see :mod:`relay.store.bundles`."""
    made: dict[Fsync, Path] = {}
    for fsync in FSYNCS:
        directory = made[fsync] = memory / f"bundles-{fsync}"
        writer, _ = opened(directory, fsync)
        for number in range(3):
            records = [lines("a b c d e f g h", 1000 + 10 * number, 1 + 8 * number)]
            texts = prepared(records, 0, lambda name: False)
            writer.commit(Write(records, age_ns=1, texts=texts))
            if fsync != "never":
                writer.sync()
        kill(writer)
    return made


@pytest.mark.parametrize("fsync", FSYNCS)
@pytest.mark.parametrize("is_filled", [False, True])
def test_bundles_that_are_cut_or_zeroed_at_any_byte_become_a_hole(
    memory: Path, two_bundles: dict[Fsync, Path], fsync: Fsync, *, is_filled: bool
) -> None:
    """Each line before it is there, the rest is counted, and seqs go on after the record."""
    whole = (two_bundles[fsync] / SEGMENT).read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == 10]
    line_ends = [end for k, end in enumerate(ends) if 0 < k % 10 < 9]
    for cut in range(ends[9], len(whole)):
        directory = memory / "cut"
        shutil.copytree(two_bundles[fsync], directory)
        zeros = b"\0" * (len(whole) - cut) if is_filled else b""
        (directory / SEGMENT).write_bytes(whole[:cut] + zeros)
        kept = sum(end <= cut for end in line_ends)
        news = _news(24 - kept, is_cut=True)
        _check_cut(directory, fsync, BUNDLED, kept, news)
        shutil.rmtree(directory)


def _check_cut(
    directory: Path, fsync: Fsync, entries: list[tuple[str, int, int]], kept: int, news: list[str]
) -> None:
    """Check that of entries some are kept, the rest is a hole, and seqs go on behind it."""
    _, last_id, last_seq = entries[-1]
    writer, stored = opened(directory, fsync)
    gap = [("restart", last_id, last_seq - kept)] if kept < last_seq else []
    assert held(writer) == entries[:kept] + gap
    assert stored.channels[0].last_seq == last_seq
    assert stored.news == news
    writer.commit(Write([lines("g", 2000, last_seq + 1)], age_ns=1))
    kill(writer)
    writer, stored = opened(directory, fsync)
    assert stored.news == []
    assert held(writer) == [*entries[:kept], *gap, ("entry", 2000, last_seq + 1)]
    kill(writer)


def _news(lost: int, *, is_cut: bool = False) -> list[str]:
    if lost == 1:
        return ["channel web: 1 line had not reached the disk, and is lost"]
    if is_cut and not lost:
        return ["channel web: the end of its last segment had not reached the disk"]
    return [f"channel web: {lost} lines had not reached the disk, and are lost"] if lost else []


def test_mending_that_is_interrupted_is_begun_anew(
    tmp_path: Path, two_groups: dict[Fsync, Path]
) -> None:
    """The hole is written, and the index does not know it: it is not written twice."""
    directory, mended = tmp_path / "state", tmp_path / "mended"
    shutil.copytree(two_groups["1s"], directory)
    path = directory / SEGMENT
    path.write_bytes(path.read_bytes()[:-100])
    shutil.copytree(directory, mended)
    opened(mended)[0].close()
    path.write_bytes((mended / SEGMENT).read_bytes())
    writer, _ = opened(directory)
    assert held(writer) == [*ENTRIES[:5], ("restart", 1021, 1)]
    writer.close()


def test_an_open_segment_that_is_gone_is_a_hole(
    tmp_path: Path, two_groups: dict[Fsync, Path]
) -> None:
    """All of its entries are counted."""
    directory = tmp_path / "state"
    shutil.copytree(two_groups["1s"], directory)
    (directory / SEGMENT).unlink()
    writer, stored = opened(directory)
    assert held(writer) == [("restart", 1021, 6)]
    assert stored.news == ["channel web: 6 lines had not reached the disk, and are lost"]
    writer.close()


def test_a_loss_that_is_torn_is_said(tmp_path: Path) -> None:
    """It had no line; how many were lost with it nobody knows."""
    writer, _ = opened(tmp_path)
    loss = DeclaredLoss(1001, "web", Loss(Reason.RATE, 5, 5))
    writer.commit(Write([lines("a", 1000, 1), loss], age_ns=1))
    kill(writer)
    os.truncate(tmp_path / SEGMENT, (tmp_path / SEGMENT).stat().st_size - 1)
    writer, stored = opened(tmp_path)
    assert stored.news == ["channel web: the end of its last segment had not reached the disk"]
    assert held(writer) == [("entry", 1000, 1), ("loss", 1001, -1)]
    writer.close()


@pytest.mark.parametrize("fsync", FSYNCS)
def test_a_lost_wal_costs_no_line_that_is_in_a_segment(
    tmp_path: Path, two_groups: dict[Fsync, Path], fsync: Fsync
) -> None:
    """The index is older than the segments then, and is made from them; that is declared."""
    directory = tmp_path / "state"
    shutil.copytree(two_groups[fsync], directory)
    (directory / "index.db-wal").unlink()
    writer, stored = opened(directory, fsync)
    next_id = NOW_NS // 1000 + 60_000_001
    assert held(writer) == [*ENTRIES, ("loss", next_id, -1)]
    assert undated(stored) == [StoredChannel("web", 999, next_id, 6, 1000, 1, 1_000_000)]
    assert stored.last_id == next_id
    assert stored.news == [
        "the index has lost what was last written to it",
        TAKEN_IN.format("6 lines of 1 channel", "1 segment"),
    ]
    writer.commit(Write([lines("g", next_id + 5, 7)]))
    kill(writer)
    writer, stored = opened(directory, fsync)
    assert stored.news == []
    assert held(writer) == [*ENTRIES, ("loss", next_id, -1), ("entry", next_id + 5, 7)]
    writer.close()


def test_a_start_after_a_lost_wal_that_comes_to_nothing(
    disk: Path, two_groups: dict[Fsync, Path]
) -> None:
    """It has made a WAL, and the next takes the segments in all the same; once."""
    directory = disk / "state"
    shutil.copytree(two_groups["1s"], directory)
    (directory / "index.db-wal").unlink()
    fill(disk)
    with pytest.raises(StoreError) as caught:
        opened(directory)
    assert str(caught.value).startswith(f"state.directory {directory} cannot be written: ")
    (disk / "ballast").unlink()
    writer, stored = opened(directory)
    assert held(writer)[:-1] == ENTRIES
    assert stored.news[-1] == TAKEN_IN.format("6 lines of 1 channel", "1 segment")
    kill(writer)
    writer, stored = opened(directory)
    assert held(writer)[:-1] == ENTRIES
    assert stored.news == []
    writer.close()
    assert not (directory / "index.behind").exists()


def test_a_start_that_took_segments_in_and_did_not_say_so(tmp_path: Path) -> None:
    """It was killed between the two; what it left names its channels, and the next says it."""
    writer, _ = opened(tmp_path)
    writer.commit(Write([lines("a", 1000, 1), lines("b", 1001, 1, "api")]))
    kill(writer)
    (tmp_path / "index.behind").write_text("web\ngone")
    writer, stored = opened(tmp_path)
    next_id = NOW_NS // 1000 + 60_000_001
    assert held(writer) == [("entry", 1000, 1), ("loss", next_id, -1)]
    assert held(writer, "api") == [("entry", 1001, 1)]
    assert stored.last_id == next_id
    kill(writer)
    writer, _ = opened(tmp_path)
    assert held(writer) == [("entry", 1000, 1), ("loss", next_id, -1)]
    writer.close()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_lost_wal_and_a_cut_tail_together(
    tmp_path_factory: pytest.TempPathFactory, two_groups: dict[Fsync, Path], data: st.DataObject
) -> None:
    """What is whole is there, and nothing raises."""
    directory = tmp_path_factory.mktemp("cut") / "state"
    shutil.copytree(two_groups["1s"], directory)
    (directory / "index.db-wal").unlink()
    path = directory / SEGMENT
    whole = path.read_bytes()
    cut = data.draw(st.integers(1, len(whole)))
    path.write_bytes(whole[:cut] + data.draw(st.sampled_from([b"", b"\0" * 50])))
    writer, _ = opened(directory)
    kept = whole[:cut].count(b"\n")
    assert held(writer)[:kept] == ENTRIES[:kept]
    assert {kind for kind, _, _ in held(writer)[kept:]} <= {"loss"}
    writer.close()


@pytest.mark.parametrize("damage", ["missing", "no database", "malformed", "no text"])
def test_an_index_that_cannot_be_used_is_made_from_the_segments(
    tmp_path: Path, damage: str
) -> None:
    """Lines, seqs and runs are there again; what is missing behind them is declared."""
    directory = tmp_path / "state"
    writer, _ = opened(directory)
    job = Origin("app", run="job-1")
    one = block("a b", 1000, 1, origin=job)
    ending = Ending(1002, "web", "job-1", 9, "failed", 3)
    writer.commit(Write([Span(one, 0, 2), ending], {("app", "f"): Position("1")}))
    writer.seal_old(10**18)
    writer.commit(Write([lines("c", 1005, 3), lines("d", 1006, 1, "api")], age_ns=10**18))
    writer.close()
    if damage == "missing":
        (directory / "index.db").unlink()
    elif damage == "no database":
        (directory / "index.db").write_bytes(b"not a database" * 1000)
    elif damage == "no text":
        whole = (directory / "index.db").read_bytes()
        (directory / "index.db").write_bytes(whole.replace(b"api", b"ap\xff"))
    else:
        data = bytearray((directory / "index.db").read_bytes())
        data[4096 : len(data)] = b"\x55" * (len(data) - 4096)
        (directory / "index.db").write_bytes(data)
    writer, stored = opened(directory)
    next_id = NOW_NS // 1000 + 1
    assert held(writer) == [
        ("entry", 1000, 1),
        ("entry", 1001, 2),
        ("entry", 1005, 3),
        ("loss", next_id + 1, -1),
    ]
    assert held(writer, "api") == [("entry", 1006, 1), ("loss", next_id, -1)]
    assert undated(stored) == [
        StoredChannel("web", 999, next_id + 1, 3, 1000, 1, 1_000_000),
        StoredChannel("api", 1005, next_id, 1, 1006, 1, 1_006_000),
    ]
    assert stored.positions == {}
    run = Run("job-1", "app", 1_000_000, None, None, 9, "failed", 3, None, 1002, 2, {"web": 1001})
    assert stored.runs == [run]
    assert stored.news[-1] == TAKEN_IN.format("4 lines of 2 channels", "3 segments")
    is_kept = (directory / "index.db.damaged-1").exists()
    assert is_kept == (damage != "missing")
    writer.close()
    assert opened(directory)[1].news == []


def test_what_is_no_channel_is_left_alone(tmp_path: Path) -> None:
    """Its name need not even be text, when an index is made from the segments."""
    directory = tmp_path / "state"
    writer, _ = opened(directory)
    writer.commit(Write([lines("a", 1000, 1)]))
    writer.close()
    (directory / "index.db").unlink()
    path = Path(os.fsdecode(os.fsencode(directory) + b"/channels/caf\xe9")) / DATE
    path.mkdir(parents=True)
    shutil.copyfile(directory / SEGMENT, path / "2000.ndjson")
    writer, stored = opened(directory)
    assert [one.name for one in stored.channels] == ["web"]
    assert stored.news == [TAKEN_IN.format("1 line of 1 channel", "1 segment")]
    assert path.exists()
    writer.close()


def test_files_that_were_to_be_removed_are_removed(tmp_path: Path) -> None:
    """A crash came between the index and the files."""
    writer, _ = opened(tmp_path)
    writer.commit(Write([lines("a b", 1000, 1)]))
    writer.seal_old(10**18)
    (row,) = writer.take_sealed()
    connection = index.connect(writer.index_path)
    with index.transaction(connection):
        index.delete_segments(connection, [row], [f"channels/web/{DATE}/1000.ndjson"])
    connection.close()
    kill(writer)
    writer, stored = opened(tmp_path)
    assert os.listdir(tmp_path / "channels") == []
    # Nothing is held: its last id says when it was.
    channel = StoredChannel("web", 999, 1001, 2, 1002, 3, None, written_ns=1_001_000)
    assert stored.channels == [channel]
    writer.close()


def test_many_forgotten_channels_are_let_go_of(tmp_path: Path) -> None:
    """Those that were silent for longest leave first."""
    writer, _ = opened(tmp_path)
    writer.close()
    connection = index.connect(tmp_path / "index.db")
    rows = [index.ChannelRow(f"c{k}", k, k, 1, 5) for k in range(10_003)]
    index.put_channels(connection, [*rows, index.ChannelRow("web", 0, 1, 1)])
    connection.close()
    writer, stored = opened(tmp_path)
    assert [channel.name for channel in stored.channels[:3]] == ["web", "c3", "c4"]
    assert len(stored.channels) == 10_001
    writer.close()


CHILD = """
import sys
from pathlib import Path
from relay.entry import Position
from relay.span import Span
from relay.store.recovery import open_store
from relay.store.segment import render
from relay.store.writer import Write
from tests.building import block

writer, stored = open_store(Path(sys.argv[1]), sys.argv[2])
seqs = {channel.name: channel.last_seq for channel in stored.channels}
next_id = stored.last_id + 1
for count in range(1, 1_000_000):
    spans = []
    for name in ("web", "api"):
        one = block(["line"] * (count % 50 + 1), next_id, seqs.get(name, 0) + 1, channel=name)
        seqs[name] = one.last_seq
        next_id += one.count
        spans.append(Span(one, 0, one.count))
    writer.commit(Write(spans, {("app", ""): Position(str(next_id - 1))}))
    print(next_id - 1, flush=True)
    if count % 20 == 0:
        writer.sync()
"""


@pytest.mark.parametrize("fsync", FSYNCS)
def test_a_killed_writer_leaves_all_that_it_told_of(tmp_path: Path, fsync: Fsync) -> None:
    """A real process is killed; lines and positions belong together, life after life."""
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, tmp_path, fsync], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(40)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in child.stdout if line.endswith(b"\n")]
        child.wait()
        child.stdout.close()
        writer, stored = open_store(tmp_path, fsync)
        assert stored.news == []
        position = int(stored.positions["app", ""].value)
        assert position >= told[-1]
        ids = [id_ for _, id_, _ in sorted(held(writer) + held(writer, "api"))]
        assert max(ids) == position
        for name in ("web", "api"):
            found = held(writer, name)
            assert [seq for _, _, seq in found] == list(range(1, len(found) + 1))
        writer.close()


def test_a_hole_that_was_written_is_not_counted_again(tmp_path: Path) -> None:
    """What was caught up begins with a hole; the tail behind it is cut."""
    writer, _ = opened(tmp_path)
    gap = Gap(1004, "web", 999, 1004, 5, 5, Reason.STORAGE)
    writer.commit(Write([gap, lines("a b", 1005, 6)], age_ns=1))
    kill(writer)
    path = tmp_path / SEGMENT
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"\n") + 1])
    writer, _ = opened(tmp_path)
    assert held(writer) == [("storage", 1004, 5), ("restart", 1006, 2)]
    writer.close()


def test_runs_that_end_in_another_channel_are_news_of_each(tmp_path: Path) -> None:
    """A channel's last id covers endings that stand elsewhere."""
    writer, _ = opened(tmp_path)
    job = Origin("app", run="job-1")
    web = block("a", 1000, 1, origin=job)
    api = replace_channel(block("b", 1001, 1, origin=job), "api")
    ending = Ending(1002, "web", "job-1", 9, "ended")
    writer.commit(Write([Span(web, 0, 1), Span(api, 0, 1), ending]))
    writer.close()
    _, stored = opened(tmp_path)
    assert {one.name: one.last_id for one in stored.channels} == {"web": 1002, "api": 1002}


def replace_channel(one: Block, name: str) -> Block:
    """Return a block of another channel."""
    one.channel = name
    return one
