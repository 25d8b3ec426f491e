"""Frames as they go over the wire."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.encode import ENCODERS
from relay.encode.websocket import (
    MAX_ARRAY_BYTES,
    WebSocketEncoder,
    close_frame,
    pong_frame,
    text_frame,
)
from relay.entry import Gap, Reason
from relay.run import Ending
from relay.selection import ALL, NONE
from relay.span import Span
from tests.building import block

ONE = WebSocketEncoder()


def payloads(frames: bytes) -> Iterator[bytes]:
    """Undo frames of text as RFC 6455 has them: whole, not masked, in the shortest spelling."""
    at = 0
    while at < len(frames):
        assert frames[at] == 0x81
        length, size = frames[at + 1], 0
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(frames[at + 2 : at + 2 + size])
            assert length > (65_535 if size == 8 else 125)
        at += 2 + size
        yield frames[at : at + length]
        at += length


def whole(texts: list[str]) -> Span:
    given_block = block(texts)
    return Span(given_block, 0, given_block.count)


@pytest.mark.parametrize("length", [0, 125, 126, 127, 65_535, 65_536, 4096, 4097])
def test_a_header_for_every_length(length: int) -> None:
    """At and around the places where its spelling changes, made anew or kept."""
    for _ in range(2):
        assert list(payloads(text_frame(b"x" * length))) == [b"x" * length]


def test_a_short_frame_as_it_is() -> None:
    """Whole, text, not masked."""
    assert text_frame(b"ab") == b"\x81\x02ab"
    assert pong_frame(b"ab") == b"\x8a\x02ab"
    assert close_frame(1001, "going_away") == b"\x88\x0c\x03\xe9going_away"
    assert len(close_frame(1000, "x" * 500)) == 127


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20))
def test_one_frame_an_entry(texts: list[str]) -> None:
    """The very objects of NDJSON, each a message."""
    objects = list(payloads(ONE.entries(whole(texts), ALL)))
    assert b"".join([one + b"\n" for one in objects]) == ENCODERS["ndjson"].entries(
        whole(texts), ALL
    )


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])])
def test_arrays_of_at_most_so_many(most: int, sizes: list[int]) -> None:
    """In order, none left out."""
    texts = list("abcdefg")
    frames = WebSocketEncoder(most).entries(whole(texts), ALL)
    arrays = [json.loads(one) for one in payloads(frames)]
    assert [len(array) for array in arrays] == sizes
    assert [one["message"] for array in arrays for one in array] == texts


def test_arrays_are_never_too_large() -> None:
    """Whatever was asked for, since clients refuse messages over 1 MiB; an entry stays whole."""
    texts = ["x" * 100_000] * 20 + ["y" * (MAX_ARRAY_BYTES + 1)]
    arrays = list(payloads(WebSocketEncoder(1000).entries(whole(texts), ALL)))
    assert [one["message"] for array in arrays for one in json.loads(array)] == texts
    assert [len(array) <= MAX_ARRAY_BYTES for array in arrays] == [True] * (len(arrays) - 1) + [
        False
    ]


def test_only_what_is_selected() -> None:
    """Nothing, where nothing is: not even an empty array."""
    span = whole(["a", "b", "c"])
    for encoder in (ONE, WebSocketEncoder(10)):
        assert encoder.entries(span, NONE) == b""
    (array,) = payloads(WebSocketEncoder(10).entries(span, b"\1\0\1"))
    assert [one["message"] for one in json.loads(array)] == ["a", "c"]


def test_everything_else_stays_an_object() -> None:
    """Also with ``batch``; ``ref`` comes back in ``hello`` and ``error``."""
    encoder = WebSocketEncoder(10, ref=[1, "a"])
    frames = (
        encoder.hello("0.1", 5, ["web"])
        + encoder.gap(Gap(9, "web", 1, 9, 3, 3, Reason.EVICTED))
        + encoder.ending(Ending(12, "web", "job", 0, "failed", 3))
        + encoder.cursor(7)
        + encoder.error("gone", "no more", near=["a"])
    )
    assert [json.loads(one) for one in payloads(frames)] == [
        {"type": "hello", "version": "0.1", "cursor": 5, "channels": ["web"], "ref": [1, "a"]},
        {
            "type": "gap",
            "id": 9,
            "channel": "web",
            "after": 1,
            "until": 9,
            "count": 3,
            "at_least": 3,
            "reason": "evicted",
        },
        {
            "type": "complete",
            "id": 12,
            "channel": "web",
            "run": "job",
            "timestamp": "1970-01-01T00:00:00.000000000Z",
            "status": "failed",
            "exit_code": 3,
            "signal": None,
        },
        {"type": "cursor", "id": 7},
        {"type": "error", "code": "gone", "message": "no more", "near": ["a"], "ref": [1, "a"]},
    ]
    assert "ref" not in json.loads(next(payloads(ONE.hello("0.1", 5, []))))
