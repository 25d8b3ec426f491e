"""What a subscription of CloudWatch Logs sends."""

import base64
import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.decode.awslogs import Budget, UnreadableError, from_base64, payloads, unpack
from tests.fakes.subscription import control, event, payload

PLENTY = 1 << 30


@given(st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=4))
def test_gzip_files_behind_one_another_are_unpacked(pieces: list[bytes]) -> None:
    """As Firehose puts them, when it is told nothing else."""
    data = b"".join(gzip.compress(one) for one in pieces)
    assert unpack(data, Budget(PLENTY)) == b"".join(pieces)


def test_newlines_behind_gzip_files_are_left_out() -> None:
    """Firehose ends records with one where it is told to: what follows it is read, too."""
    one, two = gzip.compress(b"one"), gzip.compress(b"two")
    assert unpack(one + b"\n" + two + b"\r\n", Budget(PLENTY)) == b"onetwo"


def test_anything_else_behind_a_gzip_file_is_told() -> None:
    """Nothing that was sent is dropped without a word."""
    with pytest.raises(UnreadableError) as caught:
        unpack(gzip.compress(b"one") + b"\ntwo", Budget(PLENTY))
    assert str(caught.value) == "data: expected nothing else behind gzip, got something"


@given(st.binary(max_size=100))
def test_what_is_not_packed_stays_as_it_is(data: bytes) -> None:
    """But for what begins like gzip."""
    if not data.startswith(b"\x1f\x8b"):
        assert unpack(data, Budget(PLENTY)) == data


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 3000))
def test_a_gzip_file_that_is_cut_is_told(data: bytes, cut: int) -> None:
    """Never a part of it for the whole."""
    packed = gzip.compress(data)
    if 2 <= cut < len(packed):
        with pytest.raises(UnreadableError) as caught:
            unpack(packed[:cut], Budget(PLENTY))
        assert str(caught.value) == "data: expected all of a gzip file, got its beginning"


def test_a_bomb_takes_no_memory() -> None:
    """100 MB of nothing in 100 KB: no more than what is allowed is ever unpacked."""
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(UnreadableError) as caught:
        unpack(bomb, Budget(1_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (str(caught.value), caught.value.too_large) == (
        "data: expected at most 1000000 bytes once unpacked, got more",
        True,
    )
    assert peak < 4_000_000


def test_a_record_has_a_bound_of_its_own() -> None:
    """However much may be unpacked in all: a record is in memory as a whole."""
    bomb = gzip.compress(bytes(64 << 20)) + gzip.compress(b"x")
    with pytest.raises(UnreadableError) as caught:
        unpack(bomb, Budget(PLENTY))
    assert (str(caught.value), caught.value.too_large) == (
        "data: expected at most 67108864 bytes in a record once unpacked, got more",
        True,
    )


def test_a_budget_is_of_all_that_it_is_given_for() -> None:
    """Many small records are much, too."""
    budget = Budget(2500)
    unpack(gzip.compress(bytes(1000)), budget)
    unpack(bytes(1000), budget)
    with pytest.raises(UnreadableError, match="at most 2500 bytes"):
        unpack(bytes(1000), budget)
    for data in (b"", gzip.compress(bytes(1000))):
        with pytest.raises(UnreadableError, match="at most 2500 bytes"):
            unpack(data, budget)


def test_objects_behind_one_another_are_told_apart() -> None:
    """With newlines between them, or nothing; control messages are left out."""
    one, two = payload(event(1, "one")), payload(event(2, "two"), stream="b")
    for separator in ("", "\n", " \r\n"):
        data = separator.join(map(json.dumps, [one, control(), two])) + separator
        assert list(payloads(data.encode())) == [one, two]


@pytest.mark.parametrize(
    "data",
    [
        b"plain",
        b'{"no":"subscription"}',
        b'{"messageType":"OTHER"}',
        b'{"a":1}{',
        b"{",
        pytest.param(b'{"a":' * 100_000, id="deep"),
    ],
)
def test_what_is_no_subscriptions_is_text(data: bytes) -> None:
    """Whatever a stream may carry."""
    assert list(payloads(data)) == [data]


def test_nothing_holds_nothing() -> None:
    """Empty records are allowed."""
    assert list(payloads(b"")) == []


@pytest.mark.parametrize("text", ["*", "abc", "ä", 5, None, ["YQ=="]])
def test_what_is_no_base64_is_told(text: object) -> None:
    """Also with other characters in it, which a lenient reader leaves out."""
    with pytest.raises(UnreadableError, match=r"^data: expected base64$"):
        from_base64(text)


@given(st.binary(max_size=500))
def test_base64_is_undone(data: bytes) -> None:
    """As Firehose and Lambda do it."""
    assert from_base64(base64.b64encode(data).decode()) == data
