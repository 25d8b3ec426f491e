"""The engine's frames and bare lines, however they are split."""

from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.sources.docker_frames import FrameError, RecordDecoder, parse_time
from relay.sources.docker_records import Records
from tests.sources.docker_texts import SECOND, engine_time, frame, multiplexed, terminal

NOON = 1_795_262_400 * SECOND
"""2026-11-21T12:00:00Z."""

Line = tuple[int, int, bytes]


def decode(pieces: Iterable[bytes], *, tty: bool = False, most: int = 256 * 1024) -> list[Records]:
    decoder = RecordDecoder(tty=tty, max_line_bytes=most)
    given = [decoder.feed(piece) for piece in pieces]
    return [*given, decoder.flush()]


def lines_of(given: Iterable[Records]) -> list[Line]:
    return [
        line
        for records in given
        for line in zip(records.times, records.streams, records.texts, strict=True)
    ]


def test_frames_of_two_streams_are_lines_with_their_times() -> None:
    """As a container without a terminal speaks."""
    data = multiplexed([(NOON + 5, 0, b"hello\n"), (NOON + 7, 1, b"trouble\n")])
    assert lines_of(decode([data])) == [(NOON + 5, 0, b"hello\n"), (NOON + 7, 1, b"trouble\n")]


def test_a_line_in_parts_is_joined() -> None:
    """The engine splits at 16 KiB; another stream's line may come between."""
    long = b"x" * 40000 + b"\n"
    head = engine_time(NOON) + b" "
    first, last = head + long[:16384], head + long[16384:]
    data = frame(1, first) + frame(2, engine_time(NOON + 1) + b" err\n") + frame(1, last)
    assert lines_of(decode([data])) == [(NOON + 1, 1, b"err\n"), (NOON, 0, long)]


def test_a_line_that_fills_its_parts_has_no_empty_one_behind_it() -> None:
    """The newline alone is then a frame of its own."""
    line = b"y" * 16384 + b"\n"
    assert lines_of(decode([multiplexed([(NOON, 0, line)])])) == [(NOON, 0, line)]


def test_an_unfinished_last_line_of_an_earlier_run_is_a_line() -> None:
    """What follows it has another time."""
    data = multiplexed([(NOON, 0, b"no end"), (NOON + 9, 0, b"next\n")])
    assert lines_of(decode([data])) == [(NOON, 0, b"no end\n"), (NOON + 9, 0, b"next\n")]


def test_an_over_long_line_comes_in_pieces_that_say_where_they_begin() -> None:
    """None is cut inside a character, and no more than one piece is held."""
    line = "ä".encode() * 20000 + b"\n"
    given = decode([multiplexed([(NOON, 0, line)])], most=4095)
    pieces = [text[:-1] for records in given for text in records.texts]
    offsets = [offset for records in given for offset in records.offsets.values()]
    assert b"".join(pieces) + b"\n" == line
    assert {len(piece) for piece in pieces[:-1]} == {4094}
    assert offsets == [4094 * number for number in range(len(pieces))]


def test_an_endless_line_is_not_held() -> None:
    """Whatever a container sends."""
    decoder = RecordDecoder(tty=False, max_line_bytes=64 * 1024)
    part = frame(1, engine_time(NOON) + b" " + b"z" * 16384)
    out = 0
    for fed in range(1, 1000):
        out += sum(len(text) - 1 for text in decoder.feed(part).texts)
        assert fed * 16384 - out <= 64 * 1024


def test_a_terminal_has_bare_lines_of_one_stream() -> None:
    """The carriage return stays, for the decoder of lines."""
    data = terminal([(NOON, b"hello\r\n"), (NOON + 1, b"world\r\n")])
    expected = [(NOON, 0, b"hello\r\n"), (NOON + 1, 0, b"world\r\n")]
    assert lines_of(decode([data], tty=True)) == expected


def test_times_inside_a_long_line_of_a_terminal_are_taken_out() -> None:
    """The engine writes one before each of its parts."""
    line = b"t" * 50000 + b"\r\n"
    assert lines_of(decode([terminal([(NOON, line)])], tty=True)) == [(NOON, 0, line)]


@pytest.mark.parametrize("size", [1, 7, 8, 9, 38, 39, 40])
def test_a_cut_at_any_place_is_no_matter(size: int) -> None:
    """Inside a header, inside a time, inside a text."""
    data = multiplexed([(NOON + number, number & 1, b"line %d\n" % number) for number in range(9)])
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert lines_of(decode(pieces)) == lines_of(decode([data]))


texts = st.binary(max_size=50).map(lambda text: text.replace(b"\n", b"") + b"\n")
long_sizes = st.integers(16000, 50000)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), texts | long_sizes), max_size=8),
    st.lists(st.integers(1, 20000), min_size=1, max_size=20),
    st.booleans(),
)
def test_lines_come_out_as_they_went_in(
    lines: list[tuple[int, bytes | int]], sizes: list[int], tty: bool
) -> None:
    """Whatever their lengths, and however the answer is split."""
    timed = [
        (NOON + number, 0 if tty else s, b"l" * text + b"\n" if isinstance(text, int) else text)
        for number, (s, text) in enumerate(lines)
    ]
    data = terminal([(ns, text) for ns, _, text in timed]) if tty else multiplexed(timed)
    pieces: list[bytes] = []
    start = 0
    while start < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[start : start + size])
        start += size
    assert lines_of(decode(pieces, tty=tty)) == timed


@given(st.lists(texts, min_size=1, max_size=5), st.data())
def test_bytes_that_are_no_frames_are_an_error_or_lines(
    lines: list[bytes], data: st.DataObject
) -> None:
    """Nothing else happens, whatever is sent."""
    good = bytearray(multiplexed([(NOON, 0, text) for text in lines]))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(FrameError):
        decode([bytes(good)])


def test_a_size_that_cannot_be_is_an_error() -> None:
    """No engine sends a frame of 4 GiB, and nobody waits for one."""
    with pytest.raises(FrameError, match=r"^a frame of 4294967295 bytes$"):
        decode([bytes([1, 0, 0, 0]) + b"\xff\xff\xff\xff"])


def test_a_stream_that_cannot_be_is_an_error() -> None:
    """Neither in its first byte nor in those that are zero."""
    with pytest.raises(FrameError, match=r"^a frame of stream 77$"):
        decode([b"Mist"])
    with pytest.raises(FrameError):
        decode([bytes([1, 2, 0, 0, 0, 0, 0, 0])])


def test_a_time_that_cannot_be_is_an_error() -> None:
    """There is no month 13."""
    with pytest.raises(FrameError, match=r"^month must be in 1\.\.12$"):
        decode([frame(1, b"2026-13-21T12:00:00.000000005Z hi\n")])


def test_text_without_a_time_is_an_error() -> None:
    """It was asked for."""
    with pytest.raises(FrameError, match=r"^no time before b'hello\\n'$"):
        decode([frame(1, b"hello\n")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2026-11-21T12:00:00.000000005Z", NOON + 5),
        (b"2026-11-21T12:00:00.5Z", NOON + SECOND // 2),
        (b"2026-11-21T12:00:00Z", NOON),
        (b"2026-11-21T14:00:00.123+02:00", NOON + 123_000_000),
    ],
)
def test_times_have_any_number_of_digits_and_a_zone(text: bytes, expected: int) -> None:
    """As Podman writes them."""
    assert parse_time(text) == expected
    assert decode([frame(1, text + b" hi\n")])[0].times == [expected]
