"""Events of CloudWatch Logs as plain tuples."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from relay.sources.cloudwatch_events import (
    joined_keys,
    key_of,
    of_page,
    pack_keys,
    unpack_keys,
)

NOW_MS = 1_795_255_350_000
AWS_ID = "37345678901234567890123456789012345678901234567890123456"


def test_a_page_is_taken_apart_in_its_order() -> None:
    """With the time of ingestion, by which AWS orders what happened at the same time."""
    page = {
        "events": [
            {
                "logStreamName": "a",
                "timestamp": NOW_MS,
                "message": "one\n",
                "ingestionTime": NOW_MS + 900,
                "eventId": AWS_ID,
            },
            {"logStreamName": "b", "timestamp": NOW_MS, "message": "", "eventId": "1"},
        ],
        "searchedLogStreams": [],
    }
    assert of_page(page) == [
        (NOW_MS, NOW_MS + 900, key_of(AWS_ID), "a", "one\n"),
        (NOW_MS, 0, 1, "b", ""),
    ]


def test_an_empty_page_has_no_events() -> None:
    """Also where it does not even say so."""
    assert of_page({"nextToken": "x"}) == []


@given(st.lists(st.integers(0, 10**56 - 1).map("{:056d}".format), unique=True, max_size=50))
def test_ids_that_differ_have_keys_that_differ(ids: list[str]) -> None:
    """64 bits are enough for what is known at a time."""
    assert len({key_of(one) for one in ids}) == len(ids)


@given(st.text(min_size=1, max_size=80))
def test_every_id_has_a_key_of_64_bits(text: str) -> None:
    """Also where it is no number, as other servers make them."""
    assert 0 <= key_of(text) < 1 << 64


def test_keys_of_neighbouring_ids_are_spread() -> None:
    """Fields of an id that lie 61 or 64 bits apart do not cancel out."""
    fields = product(range(30), range(8), range(30))
    ids = [str(10**55 + (x << 64) + (y << 61) + z) for x, y, z in fields]
    assert len({key_of(one) for one in ids}) == 7200


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**64 - 1))))
def test_record_keys_are_packed_and_unpacked(pairs: list[tuple[int, int]]) -> None:
    """16 bytes each, the time first and big endian, as the store compares it."""
    packed = pack_keys([time for time, _ in pairs], [key for _, key in pairs])
    assert len(packed) == 16 * len(pairs)
    assert unpack_keys(packed) == {key: time for time, key in pairs}


def test_a_record_key_begins_with_its_time() -> None:
    """Big endian."""
    assert pack_keys([258], [1]) == bytes.fromhex("00000000000001020000000000000001")


def test_only_keys_from_a_time_on_are_recorded() -> None:
    """What is not asked for again need not be known."""
    events = [(5, 0, 1, "a", ""), (6, 0, 2, "a", ""), (7, 0, 3, "a", "")]
    assert unpack_keys(joined_keys(events, 6)) == {2: 6, 3: 7}
