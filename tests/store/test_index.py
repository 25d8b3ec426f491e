"""The index by itself."""

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from relay.entry import Position
from relay.store import index
from relay.store.index import ChannelRow, OpenSegment, SegmentRow

DATE = "2026-11-21"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give an empty index."""
    made = index.connect(tmp_path / "index.db", create=True)
    index.create(made)
    yield made
    made.close()


def sealed(last_id: int, channel: str = "web", *, entries: int = 10) -> SegmentRow:
    """Return a segment with so many ids up to one."""
    first_id = last_id - entries + 1
    return SegmentRow(
        channel, last_id, first_id, first_id, last_id, 100, entries, 5, 6, DATE, 7, 50, True
    )


WEB = ChannelRow("web", 0, 300, 300, None, OpenSegment(291, 291, 120, 10, 8, 9, DATE, 10, 11, 2))


def key(time: int, mark: int = 0) -> bytes:
    """Return a record key."""
    return time.to_bytes(8) + mark.to_bytes(8)


def test_an_index_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """An empty one beside segments would look as if all was well."""
    with pytest.raises(sqlite3.OperationalError):
        index.connect(tmp_path / "index.db")
    with pytest.raises(sqlite3.OperationalError):
        index.connect(tmp_path / "index.db", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_new_index_has_the_version(connection: sqlite3.Connection) -> None:
    """By which other relays know whether they may use it."""
    assert index.version(connection) == 1
    index.check(connection)


def test_all_files_of_an_index_are_of_its_owner_alone(tmp_path: Path) -> None:
    """Also of a copy, and in a directory that others may read."""
    made = index.connect(tmp_path / "index.db", create=True)
    index.create(made)
    index.copy(made, tmp_path / "copy.db")
    copied = index.connect(tmp_path / "copy.db")
    index.put_channels(copied, [WEB])
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    names = [f"{name}.db{suffix}" for name in ("index", "copy") for suffix in ("", "-wal", "-shm")]
    assert modes == dict.fromkeys(names, "0o600")
    made.close()
    copied.close()


def put_together(connection: sqlite3.Connection, rows: list[ChannelRow]) -> None:
    """Put one row after the other, in one transaction."""
    with index.transaction(connection):
        for row in rows:
            index.put_channels(connection, [row])


def test_what_fails_inside_of_a_transaction_is_undone(connection: sqlite3.Connection) -> None:
    """And the connection can be used again."""
    broken = ChannelRow("web", 2**64, 0, 0)
    with pytest.raises(OverflowError):
        put_together(connection, [WEB, broken])
    assert index.channels(connection) == []
    with index.transaction(connection):
        index.put_channels(connection, [WEB])
    assert index.channels(connection) == [WEB]


def test_a_channel_is_replaced_as_a_whole(connection: sqlite3.Connection) -> None:
    """Also when its segment is no longer open."""
    plain = ChannelRow("web", 0, 301, 300, 12)
    index.put_channels(connection, [WEB, ChannelRow("api", 1, 2, 3)])
    index.put_channels(connection, [plain])
    assert index.channels(connection) == [ChannelRow("api", 1, 2, 3), plain]


def test_a_channel_and_a_position_are_put_in_one_step(connection: sqlite3.Connection) -> None:
    """As each is by itself, or not at all."""
    index.add_single(connection)
    index.put_positions(connection, {("app", "a.log"): Position("5", key(1))}, 1)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    index.put_single(connection, WEB, ("app", "a.log"), Position("7"))
    # What the view does with it is traced under its name.
    assert {statement.partition(" VALUES ")[0] for statement in statements} == {
        "INSERT INTO single"
    }
    assert not connection.in_transaction
    # The position does not fit any more; the channel, which comes first, would.
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    later = replace(WEB, last_id=301)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        index.put_single(connection, later, ("app", "a.log"), Position("9" * 200_000))
    assert not connection.in_transaction
    assert index.channels(connection) == [WEB]
    assert index.positions(connection) == {("app", "a.log"): Position("7", key(1))}


def test_an_open_segment_becomes_a_sealed_one() -> None:
    """Its last id and seq are the channel's."""
    assert WEB.sealed() == SegmentRow(
        "web", 300, 291, 291, 300, 120, 10, 8, 9, DATE, 10, 120, False, losses=2
    )


def test_paths_tell_channel_date_first_id_and_form() -> None:
    """Under the state directory."""
    top = Path("/var/lib/relay")
    plain = top / "channels" / "web" / DATE / "291.ndjson"
    assert index.path_of(top, WEB.sealed()) == plain
    assert index.path_of(top, sealed(300)) == plain.with_suffix(".ndjson.zst")


def test_segments_are_found_by_any_id(connection: sqlite3.Connection) -> None:
    """As a search through all of them finds, in both directions, with the open one."""
    rng = random.Random(5)
    last_ids = sorted(rng.sample(range(20, 290, 3), 30))
    rows = [sealed(last_id, entries=2) for last_id in last_ids]
    index.add_segments(connection, [*rows, sealed(50, "api"), sealed(999, "zoo")])
    index.put_channels(connection, [WEB, ChannelRow("api", 0, 50, 50)])
    of_open = replace(WEB.sealed(), is_sealed=False)
    everything = [*rows, of_open]
    for id_ in range(310):
        after = [row for row in everything if row.last_id > id_]
        before = [row for row in reversed(everything) if row.first_id < id_]
        assert index.segments_after(connection, "web", id_, 100) == after
        assert index.segments_after(connection, "web", id_, 3) == after[:3]
        assert index.segments_before(connection, "web", id_, 100) == before
        assert index.segments_before(connection, "web", id_, 3) == before[:3]


def test_the_oldest_segment_of_each_channel_is_found(connection: sqlite3.Connection) -> None:
    """The open one where no other is there; none of a channel without."""
    index.put_channels(
        connection, [WEB, ChannelRow("api", 0, 50, 50), ChannelRow("none", 0, 0, 0)]
    )
    index.add_segments(connection, [sealed(30, "api"), sealed(20, "api")])
    assert {name: row.first_id for name, row in index.first_segments(connection).items()} == {
        "web": 291,
        "api": 11,
    }
    index.add_segments(connection, [sealed(290)])
    assert index.first_segments(connection)["web"] == sealed(290)


def test_sealed_segments_are_summed(connection: sqlite3.Connection) -> None:
    """How many, their entries, bytes of text and bytes on disk; without the open one."""
    index.put_channels(connection, [WEB])
    index.add_segments(connection, [sealed(20), sealed(40), sealed(40, "api")])
    assert index.sealed_sums(connection, "web") == (2, 20, 200, 100)
    assert index.sealed_sums(connection, "none") == (0, 0, 0, 0)
    assert index.oldest_segments(connection, "web", 1) == [sealed(20)]


def test_segments_that_go_leave_the_names_of_their_files(connection: sqlite3.Connection) -> None:
    """Until these are gone too."""
    index.add_segments(connection, [sealed(20), sealed(40)])
    index.delete_segments(connection, [sealed(20)], ["a", "b"])
    assert index.segments_after(connection, "web", 0, 9) == [sealed(40)]
    assert index.removals(connection) == ["a", "b"]
    index.delete_removals(connection, ["a"])
    assert index.removals(connection) == ["b"]


def test_a_segment_that_is_gone_cannot_be_marked(connection: sqlite3.Connection) -> None:
    """It was pruned while it was compressed."""
    row = WEB.sealed()
    index.add_segments(connection, [row])
    assert index.uncompressed_segments(connection, "web", 9) == [row]
    assert index.mark_compressed(connection, row, 12)
    assert index.uncompressed_segments(connection, "web", 9) == []
    assert not index.mark_compressed(connection, sealed(77), 12)


def test_a_position_replaces_the_last_and_keys_are_joined(connection: sqlite3.Connection) -> None:
    """Oldest first; a reader that has ended leaves nothing."""
    a, b = ("app", "a"), ("app", "b")
    number = index.put_positions(connection, {a: Position("1", key(1)), b: Position("1")}, 1)
    number = index.put_positions(connection, {a: Position("2", key(2) + key(1, 5))}, number)
    number = index.put_positions(connection, {a: Position("3")}, number)
    assert number == index.next_number(connection) == 3
    assert index.positions(connection) == {
        a: Position("3", key(1) + key(2) + key(1, 5)),
        b: Position("1"),
    }
    index.put_positions(connection, {a: Position("")}, number)
    assert index.positions(connection) == {b: Position("1")}
    index.put_positions(connection, {a: Position("4")}, number)
    assert index.positions(connection)[a] == Position("4")


def test_keys_go_when_all_of_their_batch_are_old(connection: sqlite3.Connection) -> None:
    """Those of other readers stay."""
    a, b = ("app", "a"), ("app", "b")
    for number, keys in enumerate([key(1) + key(9), key(2) + key(3), key(4)]):
        both = {a: Position("1", keys), b: Position("1", keys)}
        index.put_positions(connection, both, 10 * number)
    index.forget_keys(connection, {a: 4})
    assert index.positions(connection) == {
        a: Position("1", key(1) + key(9) + key(4)),
        b: Position("1", key(1) + key(9) + key(2) + key(3) + key(4)),
    }


def test_times_of_any_unit_can_be_kept(connection: sqlite3.Connection) -> None:
    """The integers of SQLite have a sign, those of record keys have none."""
    a = ("app", "a")
    index.put_positions(connection, {a: Position("1", key(2**64 - 1))}, 1)
    index.forget_keys(connection, {a: 2**64 - 1})
    assert index.positions(connection) == {a: Position("1", key(2**64 - 1))}


def test_many_rows_are_put_at_once(connection: sqlite3.Connection) -> None:
    """More than one step takes."""
    rows = [ChannelRow(f"c{k:03}", k, k, k) for k in range(100)]
    index.put_channels(connection, rows)
    assert index.channels(connection) == rows


def test_a_copy_is_an_index(connection: sqlite3.Connection, tmp_path: Path) -> None:
    """With its version, also when the file that it is made of was deleted."""
    index.put_channels(connection, [WEB])
    (tmp_path / "index.db").unlink()
    index.copy(connection, tmp_path / "copy.db")
    copied = index.connect(tmp_path / "copy.db")
    assert index.version(copied) == 1
    assert index.channels(copied) == [WEB]
    copied.close()


def test_only_the_page_of_the_wal_is_synced_by_a_commit(tmp_path: Path) -> None:
    """What the connection says of syncing is what was asked for."""
    made = index.connect(tmp_path / "index.db", create=True, synchronous="FULL")
    assert made.execute("PRAGMA synchronous").fetchone() == (2,)
    assert made.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert made.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    made.close()
