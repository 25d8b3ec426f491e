"""Which lines become one entry, by patterns, and what happens at the bounds."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.decode.decoder import Decoder, Decoding, Joining
from relay.decode.entry_rules import Marked, Rule, check_pattern, ready_made
from relay.decode.lines import Decoded

Entries = list[tuple[str, bool]]

START = Marked(r"^\d", begins=True)
CONTINUE = Marked(r"^\s|^$", begins=False)

RULES: list[Rule] = [
    START,
    CONTINUE,
    *map(ready_made, ("indent", "python", "java", "go", "javascript", "ruby")),
]

cuts = st.lists(st.integers(0, 300), max_size=8).map(sorted)
texts = st.lists(
    st.sampled_from(
        [
            "plain",
            "7 numbered",
            "",
            "  indented",
            "Traceback (most recent call last):",
            '  File "a.py", line 1, in f',
            "    é()",
            "ValueError: no",
            "During handling of the above exception, another exception occurred:",
            "The above exception was the direct cause of the following exception:",
            "Exception in thread Thread-1 (f):",
            "java.io.IOException: no",
            "\tat shop.Orders.read(Orders.java:1)",
            "Caused by: shop.Missing",
            "panic: no",
            "goroutine 1 [running]:",
            "main.main()",
            "/srv/a.js:1",
            "^",
            "    at f (/srv/a.js:1:2) {",
            "}",
            "Node.js v20.1.0",
            "a.rb:1:in `f': no (KeyError)",
            "\tfrom a.rb:2:in `g'",
            "a line of more than twenty-four bytes €",
            "ÿ",
        ]
    ),
    max_size=20,
)
ends = st.sampled_from(["\n", "\r\n"])


def entries(decoded: Decoded) -> Entries:
    return [(line, index in decoded.parts) for index, line in enumerate(decoded.lines.strings())]


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    bounds = [0, *at, len(data)]
    return [data[start:stop] for start, stop in pairwise(bounds)]


def give(decoder: Decoder, fed: list[bytes]) -> Entries:
    """Feed pieces and end; return what came."""
    given = [*(decoder.feed(piece, 0.0) for piece in fed), decoder.flush()]
    return [entry for decoded in given for entry in entries(decoded)]


def join(
    rule: Rule, data: bytes, most: int = 1024, max_lines: int = 500, max_bytes: int = 1 << 18
) -> Entries:
    """Return the entries of a whole stream."""
    decoding = Decoding(most, joining=Joining(rule, max_lines, max_bytes))
    return give(decoding.decoder(), [data])


def whole(*lines: str) -> Entries:
    return [(line, False) for line in lines]


def test_a_pattern_tells_where_entries_begin() -> None:
    """Lines before the first are an entry too, and so is the last at the end."""
    data = b"head\nmore\n1 one\n  a\n\n2 two\n3 three\nb"
    expected = whole("head\nmore", "1 one\n  a\n", "2 two", "3 three\nb")
    assert join(START, data) == expected


def test_a_pattern_tells_which_lines_go_on() -> None:
    """The first line of all begins an entry, whatever it is."""
    data = b"  head\n one\ntwo\nthree\n\n  a\nfour\n"
    assert join(CONTINUE, data) == whole("  head\n one", "two", "three\n\n  a", "four")


def test_the_last_entry_waits_for_its_next_line() -> None:
    """What is given out is followed by another entry; the rest is held, as raw bytes."""
    decoder = Decoding(joining=Joining(START)).decoder()
    assert entries(decoder.feed(b"1 one\r\n  a\r\n2 \xff", 0.0)) == []
    assert decoder.held_bytes == 15
    assert entries(decoder.feed(b"\r\n", 0.0)) == whole("1 one\n  a")
    assert decoder.held_bytes == 5
    assert entries(decoder.flush()) == whole("2 �")
    assert decoder.held_bytes == 0


def test_ordinary_lines_do_not_wait_for_a_trace() -> None:
    """A ready-made rule holds only what may be one's beginning."""
    decoder = Decoding(joining=Joining(ready_made("python"))).decoder()
    assert entries(decoder.feed(b"one\ntwo\n", 0.0)) == whole("one", "two")
    assert decoder.held_bytes == 0
    assert decoder.due is None
    assert entries(decoder.feed(b"Traceback (most recent call last):\n", 0.0)) == []
    assert decoder.held_bytes == 35
    assert decoder.due == 1.0


def test_an_entry_of_too_many_lines_comes_in_parts() -> None:
    """Each has as many lines as it may; one that just fits is whole."""
    data = b"1\na\nb\n2\na\nb\nc\nd\ne\nf\n3\n"
    expected = [
        ("1\na\nb", False),
        ("2\na\nb", True),
        ("c\nd\ne", True),
        ("f", True),
        ("3", False),
    ]
    assert join(START, data, max_lines=3) == expected


def test_an_entry_of_too_many_bytes_comes_in_parts() -> None:
    """It is cut between lines; a line that is longer by itself stays whole."""
    data = b"1\nabcd\n2\nabcde\n3 a long line\na\n4\n"
    expected = [
        ("1\nabcd", False),
        ("2", True),
        ("abcde", True),
        ("3 a long line", True),
        ("a", True),
        ("4", False),
    ]
    assert join(START, data, max_bytes=6) == expected


def test_pieces_of_a_long_line_stand_by_themselves() -> None:
    """They end the entry before; lines that go on after them are an entry of their own."""
    data = b"1\na\n0123456789\nb\nc\n2\nd\n"
    expected = [
        ("1\na", False),
        ("01234567", True),
        ("89", True),
        ("b\nc", False),
        ("2\nd", False),
    ]
    assert join(START, data, most=8) == expected
    decoding = Decoding(8, joining=Joining(START))
    assert give(decoding.decoder(), pieces(data, list(range(len(data))))) == expected


def test_an_entry_that_gets_no_more_lines_is_given_out() -> None:
    """After its timeout; what goes on it later is an entry of its own, and no part."""
    decoder = Decoding(joining=Joining(START, timeout_seconds=5.0)).decoder()
    decoder.feed(b"1 one\n  a\n", 10.0)
    assert decoder.due == 15.0
    assert entries(decoder.pause(14.9)) == []
    decoder.feed(b"  b\n", 14.9)
    assert decoder.due == 19.9
    assert entries(decoder.pause(19.9)) == whole("1 one\n  a\n  b")
    assert decoder.held_bytes == 0
    assert decoder.due is None
    decoder.feed(b"  c\n", 20.0)
    assert entries(decoder.feed(b"2\n", 20.0)) == whole("  c")


def test_a_line_that_trickles_in_does_not_hold_an_entry_back() -> None:
    """It has a time of its own, which passes only once the entry is out."""
    decoder = Decoding(joining=Joining(START, timeout_seconds=2.0)).decoder()
    decoder.feed(b"1 one\n  a", 0.0)
    decoder.feed(b"b", 1.5)
    assert decoder.due == 2.0
    assert entries(decoder.pause(2.0)) == whole("1 one")
    assert decoder.due == 2.5
    assert entries(decoder.pause(2.5)) == [("  ab", True)]
    assert (decoder.held_bytes, decoder.in_part) == (0, True)
    assert decoder.due is None


def test_without_joining_an_unfinished_line_waits_a_second() -> None:
    """Then it is a part."""
    decoder = Decoding().decoder()
    assert entries(decoder.feed(b"one\ntw", 3.0)) == whole("one")
    assert decoder.due == 4.0
    assert entries(decoder.pause(3.9)) == []
    assert entries(decoder.pause(4.0)) == [("tw", True)]
    assert decoder.due is None


def test_what_might_have_gone_on_a_trace_is_given_back() -> None:
    """A blank line at the timeout, and all that a guess took in."""
    decoder = Decoding(joining=Joining(ready_made("javascript"))).decoder()
    assert entries(decoder.feed(b"/srv/a.js:1\nError: no\n", 0.0)) == []
    assert entries(decoder.feed(b"\n", 0.0)) == whole("/srv/a.js:1")
    assert entries(decoder.pause(1.0)) == whole("Error: no", "")
    assert decoder.held_bytes == 0


def test_patterns_are_checked() -> None:
    """They run in linear time, or not at all."""
    check_pattern(r"^\d{4}-\d\d")
    for pattern, allowed in [
        ("(", "a pattern (missing ))"),
        (r"(?=a)", "a pattern without look-around (?="),
        ("a" * 1001, "at most 1000 characters"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
            check_pattern(pattern)


@settings(max_examples=600)
@given(st.sampled_from(RULES), texts, ends, st.booleans(), cuts, st.sampled_from([3, 500]))
def test_any_pieces_give_the_same_entries(
    rule: Rule, lines: list[str], end: str, is_ended: bool, at: list[int], max_lines: int
) -> None:
    """Whole, byte by byte, and cut anywhere; and all text is there, in order."""
    data = (end.join(lines) + (end if is_ended and lines else "")).encode()
    decoding = Decoding(24, joining=Joining(rule, max_lines, 100))
    given_whole = give(decoding.decoder(), [data])
    assert give(decoding.decoder(), [data[i : i + 1] for i in range(len(data))]) == given_whole
    assert give(decoding.decoder(), pieces(data, at)) == given_whole
    plain = give(Decoding(24).decoder(), [data])
    assert "\n".join(line for line, _ in given_whole) == "\n".join(line for line, _ in plain)
    assert all(line.count("\n") < max_lines for line, _ in given_whole)


@settings(max_examples=400)
@given(
    st.sampled_from(RULES),
    texts,
    ends,
    cuts,
    st.sampled_from(["utf-8", "utf-16", "gb18030"]),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_another_decoder_goes_on_at_the_bytes_that_are_held(
    rule: Rule, lines: list[str], end: str, at: list[int], encoding: str, pauses: list[bool]
) -> None:
    """A position covers what was given out: the rest comes again from there, and as it would."""
    data = (end.join(lines) + end).encode(encoding)
    decoding = Decoding(1024, encoding, Joining(rule))
    fed = 0
    decoder, given = decoding.decoder(), Entries()
    for piece, pause in zip(pieces(data, at), pauses, strict=False):
        given += entries(decoder.feed(piece, 0.0))
        if pause:
            given += entries(decoder.pause(9.0))
        fed += len(piece)
        begin = fed - decoder.held_bytes
        # From here on another goes on in its place.
        again = decoding.decoder(in_part=decoder.in_part, head=data[:9] if begin else None)
        assert entries(again.feed(data[begin:fed], 0.0)) == []
        assert (again.held_bytes, again.in_part) == (decoder.held_bytes, decoder.in_part)
        decoder = again
    given += entries(decoder.flush())
    texts_given = "\n".join(text for text, part in given)
    plain = "\n".join(line for line, _ in give(Decoding(1024, encoding).decoder(), [data]))
    if not any(part for _, part in given):
        assert texts_given == plain
    if not any(pauses[: len(at) + 1]):
        assert given == give(decoding.decoder(), [data])
    # A pause in the midst of a character gives its first bytes out, as no text.
    if "�" not in texts_given:
        assert texts_given.replace("\n", "") == plain.replace("\n", "")
