from hypothesis import given
from hypothesis import strategies as st

from relay.store.record_keys import CHUNK_BYTES, MAX_KEYS, RecentKeys


def keys(*times: int) -> bytes:
    """Return record keys of these times."""
    return b"".join([time.to_bytes(8) + b"a record" for time in times])


def test_keys_are_joined_in_their_order() -> None:
    """As they were added, whatever their times."""
    recent = RecentKeys()
    recent.add(keys(5, 4), 0)
    recent.add(b"", 0)
    recent.add(keys(6), 4)
    assert recent.joined() == keys(5, 4, 6)


def test_keys_that_are_all_too_old_are_let_go_of() -> None:
    """By whole chunks: one that is needed keeps those beside it."""
    recent = RecentKeys()
    chunk = range(CHUNK_BYTES // 16)
    recent.add(keys(*chunk), 0)
    recent.add(keys(600, 700), 0)
    recent.add(b"", 511)
    assert recent.joined() == keys(*chunk, 600, 700)
    recent.add(b"", 512)
    assert recent.joined() == keys(600, 700)
    recent.add(b"", 701)
    assert recent.joined() == b""


def test_the_newest_keys_are_remembered() -> None:
    """No more than a bound, however they come."""
    recent = RecentKeys()
    for start in range(0, 2 * MAX_KEYS, 1000):
        recent.add(keys(*range(start, start + 1000)), 0)
    left = recent.joined()
    assert MAX_KEYS * 16 - CHUNK_BYTES < len(left) <= MAX_KEYS * 16
    assert left.endswith(keys(*range(131_000, 132_000)))
    recent.add(keys(*range(3 * MAX_KEYS)), 0)
    assert recent.joined() == keys(*range(2 * MAX_KEYS, 3 * MAX_KEYS))


@given(st.lists(st.tuples(st.lists(st.integers(0, 50), max_size=9), st.integers(0, 50))))
def test_no_key_that_is_needed_is_let_go_of(added: list[tuple[list[int], int]]) -> None:
    """Those from the newest bound on are there, in their order."""
    recent, every, bound = RecentKeys(), [], 0
    for times, keys_from in added:
        bound = max(bound, keys_from)
        recent.add(keys(*times), bound)
        every += times
    left = recent.joined()
    found = [int.from_bytes(left[at : at + 8]) for at in range(0, len(left), 16)]
    assert [time for time in found if time >= bound] == [time for time in every if time >= bound]


def test_keys_of_no_whole_length() -> None:
    """They are a source's fault, and no failure of the store."""
    recent = RecentKeys()
    recent.add(b"abc", 0)
    recent.add(b"k" * 20, 0)
    assert recent.joined() == b"abc" + b"k" * 20
