"""Where readers stand: what is recorded, and what waits until it can be."""

from relay.entry import RECORD_KEY_BYTES, Position
from relay.store.known_positions import KnownPositions
from relay.store.record_keys import MAX_KEYS

FILE, WEB, API = ("app", "app.log"), ("docker", "web"), ("docker", "api")


def keys(*times: int) -> bytes:
    """Return record keys of these times."""
    return b"".join([time.to_bytes(8) + b"a record" for time in times])


def test_nothing_waits_that_is_recorded() -> None:
    """Only what was kept does, once."""
    known = KnownPositions()
    known.note_saved({FILE: Position("1")})
    assert known.take_unsaved() == {}
    known.keep({FILE: Position("2")})
    assert known.take_unsaved() == {FILE: Position("2")}
    assert known.take_unsaved() == {}


def test_of_what_waits_the_last_position_counts_and_all_record_keys() -> None:
    """Each reader by itself; keys are those of all batches, oldest first."""
    known = KnownPositions()
    known.keep({WEB: Position("1", keys(1, 2)), FILE: Position("5")})
    known.keep({WEB: Position("2", keys(3), 2), API: Position("7", keys(9))})
    known.keep({WEB: Position("3"), FILE: Position("6")})
    assert known.take_unsaved() == {
        WEB: Position("3", keys(1, 2, 3)),
        FILE: Position("6"),
        API: Position("7", keys(9)),
    }


def test_what_waits_for_long_does_not_grow_without_end() -> None:
    """The newest keys are kept."""
    known = KnownPositions()
    known.keep({WEB: Position("1", keys(*range(MAX_KEYS)))})
    known.keep({WEB: Position("2", keys(MAX_KEYS, MAX_KEYS + 1))})
    waiting = known.take_unsaved()[WEB].record_keys
    assert len(waiting) == MAX_KEYS * RECORD_KEY_BYTES
    assert waiting[:RECORD_KEY_BYTES] == keys(2)
    assert waiting[-RECORD_KEY_BYTES:] == keys(MAX_KEYS + 1)


def test_a_reader_that_has_ended_waits_for_being_forgotten() -> None:
    """With nothing of it; and one that came back begins anew."""
    known = KnownPositions()
    known.keep({WEB: Position("1", keys(1))})
    known.keep({WEB: Position("")})
    known.keep({FILE: Position("")})
    known.keep({FILE: Position("1")})
    assert known.take_unsaved() == {WEB: Position(""), FILE: Position("1")}


def test_what_could_not_be_recorded_waits_again_before_what_came_since() -> None:
    """The newer position stands, behind the keys of both."""
    known = KnownPositions()
    known.keep({WEB: Position("1", keys(1)), FILE: Position("1"), API: Position("1")})
    taken = known.take_unsaved()
    known.keep({WEB: Position("2", keys(2)), API: Position("")})
    known.give_back(taken)
    assert known.take_unsaved() == {
        WEB: Position("2", keys(1, 2)),
        FILE: Position("1"),
        API: Position(""),
    }


def test_all_wait_again_where_the_index_is_lost() -> None:
    """With the keys that are still known, and before what waits already."""
    known = KnownPositions()
    known.note_saved({WEB: Position("1", keys(1, 2)), FILE: Position("1")})
    known.note_saved({WEB: Position("2", keys(3)), API: Position("1", keys(5))})
    known.note_saved({API: Position("")})
    known.keep({FILE: Position("2"), WEB: Position("3", keys(4))})
    known.record_again()
    expected = {WEB: Position("3", keys(1, 2, 3, 4)), FILE: Position("2")}
    assert known.take_unsaved() == expected
    known.note_saved(expected)
    known.record_again()
    assert known.take_unsaved() == expected


def test_a_reader_that_came_back_has_no_keys_of_before() -> None:
    """What was recorded of it went when it had ended."""
    known = KnownPositions()
    known.note_saved({WEB: Position("1", keys(1, 2))})
    known.note_saved({WEB: Position("")})
    known.note_saved({WEB: Position("2", keys(3))})
    known.record_again()
    assert known.take_unsaved() == {WEB: Position("2", keys(3))}


def test_keys_that_their_source_needs_no_more_are_not_recorded_again() -> None:
    """By chunks, as it says with later positions, also with one that has no keys."""
    known = KnownPositions()
    known.note_saved({WEB: Position("1", keys(*range(512)))})
    known.note_saved({WEB: Position("2", keys(600), 512)})
    known.record_again()
    assert known.take_unsaved() == {WEB: Position("2", keys(600))}
    known.note_saved({WEB: Position("2", keys(600))})
    known.note_saved({WEB: Position("3", b"", 601)})
    known.record_again()
    assert known.take_unsaved() == {WEB: Position("3", b"", 601)}
