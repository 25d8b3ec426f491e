"""
Which bytes become which lines, however they are cut.

The property tests use lines of at most 8 bytes, so that everything happens in few bytes.
"""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.decode.lines import Decoded, LineDecoder

MOST = 8

pieces = st.sampled_from(
    [b"a", b"bc", b"0123456", b"12345678", b"\n", b"\r\n", b"\r", "é".encode(), "€".encode()]
)
odd_pieces = pieces | st.sampled_from(["😀".encode(), b"\xff", b"\x80", b"\xe2\x82", b"\xf0\x9f"])
texts = st.lists(odd_pieces, max_size=30).map(b"".join)
cuts = st.lists(st.integers(0, 60), max_size=8).map(sorted)

Entries = list[tuple[str, bool]]
"""Each line's text, and whether it is a part."""


def entries(decoded: Decoded) -> Entries:
    return [(line, index in decoded.parts) for index, line in enumerate(decoded.lines.strings())]


def split(data: bytes, at: list[int]) -> list[bytes]:
    return [data[start:stop] for start, stop in pairwise([0, *at, len(data)])]


def decode(fed: list[bytes], *, part: bool = False, most: int = MOST) -> tuple[Entries, int]:
    """Feed pieces and flush; return what came, and how many bytes were no text."""
    decoder = LineDecoder(most)
    all_decoded = [*map(decoder.feed, fed), decoder.flush(part=part)]
    invalid = sum(decoded.invalid_bytes for decoded in all_decoded)
    return [entry for decoded in all_decoded for entry in entries(decoded)], invalid


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"\n\n", ["", ""]),
        (b"one\r\n\r\ntwo\r\n", ["one", "", "two"]),
        (b"a\rb\r\r\nc", ["a\rb\r", "c"]),
        (b"one\r", ["one"]),
        (b"\0\x1b[1m\n", ["\0\x1b[1m"]),
        ("\u2028é\x85\n".encode(), ["\u2028é\x85"]),
    ],
)
def test_lines_end_at_newlines(data: bytes, expected: list[str]) -> None:
    """Only ``\\n`` and ``\\r\\n`` end a line."""
    assert decode([data], most=256) == ([(line, False) for line in expected], 0)


def test_a_long_line_comes_in_parts() -> None:
    """Each piece has at most so many bytes, and is marked; the lines around it are whole."""
    expected = [("a", False), ("01234567", True), ("01234567", True), ("01", True), ("b", False)]
    assert decode([b"a\n012345670123456701\nb\n"]) == (expected, 0)


def test_a_line_of_just_the_size_is_whole() -> None:
    """However it ends, and however it comes."""
    for end in (b"", b"\n", b"\r\n", b"\r"):
        data = b"01234567" + end
        for fed in ([data], [data[:8], data[8:]], split(data, list(range(1, len(data))))):
            assert decode(fed) == ([("01234567", False)], 0)


def test_a_piece_does_not_end_inside_a_character() -> None:
    """It is shorter instead."""
    expected = [("0123456", True), ("é€€", True), ("€012", True)]
    assert decode(["0123456é€€€012\n".encode()]) == (expected, 0)


def test_bytes_that_are_no_text_are_replaced_and_counted() -> None:
    """One sign for each that could begin none, and for each character that is cut off."""
    data = b"a\xffb\xe2\x82c\n\xf0\x9f\x98"
    assert decode([data], most=256) == ([("a�b�c", False), ("�", False)], 6)


def test_what_is_flushed_as_a_part_is_gone_on_by_another() -> None:
    """The rest of the line is an entry of its own; its newline alone is none."""
    decoder = LineDecoder(MOST)
    assert entries(decoder.feed(b"one\ntw")) == [("one", False)]
    assert entries(decoder.flush(part=True)) == [("tw", True)]
    assert entries(decoder.flush(part=True)) == []
    assert entries(decoder.feed(b"o\nthree")) == [("o", True)]
    assert entries(decoder.flush(part=True)) == [("three", True)]
    assert entries(decoder.feed(b"\nfour\n")) == [("four", False)]


def test_a_carriage_return_waits_for_its_newline() -> None:
    """A flush between the two gives out neither."""
    decoder = LineDecoder(MOST)
    assert entries(decoder.feed(b"one\r")) == []
    assert entries(decoder.flush(part=True)) == [("one", True)]
    assert decoder.held_bytes == 1
    assert entries(decoder.flush(part=True)) == []
    assert entries(decoder.feed(b"\n\r")) == []
    assert entries(decoder.feed(b"two\n")) == [("\rtwo", False)]


def test_the_end_of_a_long_line_may_be_missing() -> None:
    """What is left at the end is its last piece, if anything is."""
    decoder = LineDecoder(MOST)
    assert entries(decoder.feed(b"0123456789")) == [("01234567", True)]
    assert entries(decoder.flush(part=False)) == [("89", True)]
    assert entries(decoder.feed(b"next\n")) == [("next", False)]
    assert entries(decoder.feed(b"0123456701234567\r")) == [("01234567", True)]
    assert entries(decoder.flush(part=False)) == [("01234567", True)]
    assert entries(decoder.feed(b"next\n")) == [("next", False)]


@settings(max_examples=500)
@given(texts, cuts, st.booleans())
def test_any_pieces_give_the_same_lines(data: bytes, at: list[int], part: bool) -> None:
    """Whole, byte by byte, and cut anywhere."""
    whole = decode([data], part=part)
    assert decode(split(data, list(range(len(data)))), part=part) == whole
    assert decode(split(data, at), part=part) == whole


@given(st.lists(pieces, max_size=30).map(b"".join), cuts)
def test_nothing_is_dropped(data: bytes, at: list[int]) -> None:
    """All text comes, in order, in pieces that are not too long; short lines come whole."""
    came, invalid = decode(split(data, at))
    lines = (data if data.endswith(b"\n") else data + b"\n").replace(b"\r\n", b"\n")
    expected = [line.decode() for line in lines.split(b"\n")[:-1]] if data else []
    assert invalid == 0
    assert "".join(line for line, _ in came) == "".join(expected)
    assert all(len(line.encode()) <= MOST for line, _ in came)
    assert [line for line, part in came if not part] == [
        line for line in expected if len(line.encode()) <= MOST
    ]


@given(texts, cuts, st.lists(st.booleans(), min_size=10, max_size=10))
def test_another_decoder_goes_on_at_the_bytes_that_are_held(
    data: bytes, at: list[int], flushes: list[bool]
) -> None:
    """After any feeding or flush, what was not given out can be read again from there."""
    decoder, fed = LineDecoder(MOST), 0
    for piece, flush in zip(split(data, at), flushes, strict=False):
        decoder.feed(piece)
        fed += len(piece)
        if flush:
            decoder.flush(part=True)
        rest = [data[fed:], b"\nend\n"]
        again = LineDecoder(MOST, in_part=decoder.in_part)
        resumed = [again.feed(part) for part in (data[fed - decoder.held_bytes : fed], *rest)]
        copy = LineDecoder(MOST, in_part=decoder.in_part)
        copy.feed(data[fed - decoder.held_bytes : fed])
        assert (copy.held_bytes, copy.in_part) == (decoder.held_bytes, decoder.in_part)
        assert entries(resumed[0]) == []
        assert entries(resumed[-1])[-1:] == [("end", False)]
