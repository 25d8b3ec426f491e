"""Other encodings, however the bytes are cut. Lines of at most 8 bytes, as for UTF-8."""

import codecs
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.decode.decoder import Decoder, Decoding
from relay.decode.encoding import CHARSETS, ENCODINGS, encoded_newline, find_encoding
from relay.decode.lines import Decoded, LineDecoder

MOST = 8

Entries = list[tuple[str, bool]]

SOME = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "iso8859-1", "cp1252")
MORE = ("shift_jis", "shift_jis_2004", "gbk", "gb18030", "euc_jp", "euc_kr", "big5", "johab")

cuts = st.lists(st.integers(0, 80), max_size=8).map(sorted)
bodies = st.lists(
    st.sampled_from(
        [
            *(b"a", b"\n", b"\r\n", b"12345678", b"\0", b"\0\n", b"\n\0", b"\r\0\n\0", b"\0a\0b"),
            *(b"\0\0\0\n", b"\n\0\0\0", b"a\0\0\0", b"\xff\xfe", b"\xd8\x3d", b"\xde\x00"),
            *(
                b"\x3d\xd8",
                b"\x00\xde",
                b"\x82\xa0",
                b"\x81",
                b"\x81\x30\x81\x30",
                b"\x8f\xa2\xaf",
            ),
        ]
    ),
    max_size=24,
).map(b"".join)


def entries(decoded: Decoded) -> Entries:
    return [(line, index in decoded.parts) for index, line in enumerate(decoded.lines.strings())]


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *at, len(data)]
    return [data[start:stop] for start, stop in pairwise(bounds)]


def decode(encoding: str, fed: list[bytes], most: int = 1024) -> tuple[Entries, int]:
    """Feed pieces and end; return what came, and how many bytes were no text."""
    decoder = Decoding(most, encoding).decoder()
    given = [*(decoder.feed(piece, 0.0) for piece in fed), decoder.flush()]
    invalid = sum(decoded.invalid_bytes for decoded in given)
    return [entry for decoded in given for entry in entries(decoded)], invalid


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16", "naïve\r\n\n€ 7\nऊ😀\nlast"),
        ("utf-16-le", "naïve\r\n\n€ 7\nऊ😀\nlast"),
        ("utf-16-be", "naïve\r\n\n€ 7\nऊ😀\nlast"),
        ("utf-32", "naïve\r\n\n€ 7\nऊ😀\nlast"),
        ("utf-32-be", "naïve\r\n\n€ 7\nऊ😀\nlast"),
        ("iso8859-1", "naïve\r\n\nÿ\x85\nlast"),
        ("cp1252", "naïve\r\n\n€ 7\nlast"),
        ("shift_jis", "表示\r\n\nソート能力\nlast"),
        ("gbk", "中文\r\n\n誠\nlast"),
        ("gb18030", "中文😀\r\n\nlast"),
        ("euc_jp", "表示\r\n\n丂\nlast"),
        ("cp866", "ошибка\r\n\nlast"),
    ],
)
def test_text_comes_as_it_was_written(encoding: str, text: str) -> None:
    """Whole and byte by byte; a mark at the beginning is no text."""
    data = text.encode(encoding)
    expected = [(line, False) for line in text.replace("\r\n", "\n").split("\n")]
    assert decode(encoding, [data]) == (expected, 0)
    assert decode(encoding, [bytes([byte]) for byte in data]) == (expected, 0)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16", codecs.BOM_UTF16_LE),
        ("utf-16", codecs.BOM_UTF16_BE),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-32", codecs.BOM_UTF32_BE),
    ],
)
def test_a_mark_is_left_out_at_the_beginning_alone(encoding: str, mark: bytes) -> None:
    """And of UTF-16 and UTF-32 it says the byte order."""
    order = "-be" if mark in (codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE) else "-le"
    codec = encoding if encoding[-1] in "8e" else encoding + order
    data = mark + "one\n\ufefftwo\n".encode(codec)
    expected = ([("one", False), ("\ufefftwo", False)], 0)
    assert decode(encoding, [data]) == expected
    assert decode(encoding, [bytes([byte]) for byte in data]) == expected


def test_a_stream_may_hold_nothing_but_half_a_mark() -> None:
    """It is no text."""
    assert decode("utf-8", [b"\xef\xbb"]) == ([("�", False)], 2)
    assert decode("utf-16", [b"\xff"]) == ([("�", False)], 1)
    assert decode("utf-8", [codecs.BOM_UTF8]) == ([], 0)


def test_a_later_decoder_knows_the_byte_order_of_the_head() -> None:
    """It begins in the midst of the stream, where there is no mark."""
    data = codecs.BOM_UTF16_BE + "one\ntwo\n".encode("utf-16-be")
    decoder = Decoding(encoding="utf-16").decoder(head=data[:4])
    assert entries(decoder.feed(data[10:], 0.0)) == [("two", False)]
    assert encoded_newline("utf-16", data) == b"\0\n"
    assert encoded_newline("utf-16") == b"\n\0"
    assert encoded_newline("gbk") == b"\n"


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("shift_jis", b"a\x81\nb\n", ([("a�", False), ("b", False)], 1)),
        ("euc_jp", b"a\x8f\xa2\nb\n", ([("a�", False), ("b", False)], 2)),
        ("gb18030", b"\x81\x30\x81\nb\n", ([("�", False), ("b", False)], 3)),
        ("ascii", b"caf\xe9\n", ([("caf�", False)], 1)),
        ("cp1252", b"\x81\x80\n", ([("�€", False)], 1)),
        ("utf-16-le", b"a\0\x00\xdcb\0\n\0c\0\n", ([("a�b", False), ("c�", False)], 3)),
        ("utf-32-le", b"\0\0\x11\0\n\0\0\0", ([("�", False)], 4)),
    ],
)
def test_bytes_that_are_no_text_are_replaced_and_counted(
    encoding: str, data: bytes, expected: tuple[Entries, int]
) -> None:
    """They do not take a newline along."""
    assert decode(encoding, [data]) == expected


@pytest.mark.parametrize("encoding", ["shift_jis", "gbk", "gb18030", "utf-16-le", "iso8859-1"])
def test_a_long_line_is_cut_between_characters(encoding: str) -> None:
    """No piece holds a character that was none."""
    text = "a中文字" * 40 if encoding != "iso8859-1" else "aéö" * 40
    got, invalid = decode(encoding, [(text + "\nb\n").encode(encoding)], MOST)
    assert invalid == 0
    assert "".join(line for line, part in got if part) == text
    assert got[-1] == ("b", False)
    assert len(got) > 10


@settings(max_examples=400)
@given(st.sampled_from(SOME + MORE), bodies, cuts)
def test_any_pieces_give_the_same_lines(encoding: str, data: bytes, at: list[int]) -> None:
    """Whole, byte by byte, and cut anywhere."""
    whole = decode(encoding, [data], MOST)
    assert decode(encoding, [bytes([byte]) for byte in data], MOST) == whole
    assert decode(encoding, pieces(data, at), MOST) == whole


@settings(max_examples=400)
@given(st.sampled_from(SOME + MORE), bodies, cuts)
def test_another_decoder_goes_on_at_the_bytes_that_are_held(
    encoding: str, data: bytes, at: list[int]
) -> None:
    """What was not given out can be read again from there: a position is a raw offset."""
    decoding = Decoding(MOST, encoding)
    decoder, fed = decoding.decoder(), 0
    for piece in pieces(data, at):
        decoder.feed(piece, 0.0)
        fed += len(piece)
        begin = fed - decoder.held_bytes
        assert begin >= 0
        again = _resume(decoding, decoder, data, begin)
        assert again.feed(data[begin:fed], 0.0).lines.count == 0
        copy = _resume(decoding, decoder, data, begin)
        copy.feed(data[begin:fed], 0.0)
        original = _resume(decoding, decoder, data, begin)
        rest = [
            *entries(original.feed(data[begin:], 0.0)),
            *entries(original.flush()),
        ]
        resumed = [*entries(again.feed(data[fed:], 0.0)), *entries(again.flush())]
        assert resumed == rest
        assert (copy.held_bytes, copy.in_part) == (decoder.held_bytes, decoder.in_part)


def _resume(decoding: Decoding, decoder: Decoder, data: bytes, begin: int) -> Decoder:
    return decoding.decoder(in_part=decoder.in_part, head=data[:1024] if begin else None)


@given(st.sampled_from(MORE), bodies)
def test_the_text_is_the_codecs_own(encoding: str, data: bytes) -> None:
    """Where all is text, lines joined are what the codec says."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return
    got, invalid = decode(encoding, [data])
    assert invalid == 0
    expected = text.replace("\r\n", "\n")
    assert "\n".join(line for line, _ in got) == expected.removesuffix("\n").removesuffix("\r")


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_newline_is_one_byte_and_no_part_of_a_character(charset: str) -> None:
    """What lines are found by; whatever stands before it."""
    assert "a\r\n".encode(charset) == b"a\r\n"
    for lead in range(128, 256):
        for trail in (b"", b"\x30", b"\x81\x30", b"\xa1"):
            start = bytes([lead]) + trail
            try:
                assert "\n" not in start.decode(charset)
                (start + b"\n").decode(charset)
            except UnicodeDecodeError:
                continue
            assert (start + b"\n").decode(charset).endswith("\n")


def test_encodings_go_by_all_their_names() -> None:
    """Python's, in any case."""
    names = ["latin-1", "Windows-1252", "UTF8", "utf-8-sig", "sjis", "EUC-JP", "utf-16le"]
    found = ["iso8859-1", "cp1252", "utf-8", "utf-8", "shift_jis", "euc_jp", "utf-16-le"]
    assert [find_encoding(name) for name in names] == found
    assert [find_encoding(name) for name in ENCODINGS] == list(ENCODINGS)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("latin1x", "an encoding such as 'latin-1' or 'latin-9'"),
        ("utf-17", "an encoding such as 'utf-16' or 'utf-8' or 'utf-32'"),
        ("hex", "an encoding such as 'utf-16', 'latin-1' or 'gbk'"),
        ("cp037", "an encoding such as 'cp737' or 'cp437' or 'cp950'"),
        ("nonsense\0", "an encoding such as 'utf-16', 'latin-1' or 'gbk'"),
    ],
)
def test_an_unknown_encoding_is_answered_with_near_names(name: str, allowed: str) -> None:
    """So is what is none of text, and what cannot be cut at newlines."""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        find_encoding(name)


def test_utf8_without_options_is_the_plain_decoder() -> None:
    """What is not configured costs nothing."""
    assert type(Decoding().decoder()._lines) is LineDecoder
