"""Records into entries: text, joined lines, times."""

from collections.abc import Sequence

from relay.decode.decoder import Decoding, Joining
from relay.decode.entry_rules import ready_made
from relay.sources.docker_entries import Entries, EntryDecoder
from relay.sources.docker_records import Records


def records(*lines: tuple[int, int, bytes]) -> Records:
    return Records(
        [time for time, _, _ in lines],
        bytes([stream for _, stream, _ in lines]),
        [text for _, _, text in lines],
    )


def take(decoder: EntryDecoder, given: Records, keys: Sequence[int] = ()) -> Entries:
    return decoder.take(given, keys or list(range(len(given))), 0.0)


def test_all_are_decoded_at_once() -> None:
    """Carriage returns are folded, what is no text is replaced and counted."""
    found = take(EntryDecoder(Decoding()), records((1, 0, b"a\r\n"), (2, 1, b"\xff b\n")))
    assert found.lines.split() == [b"a", "\ufffd b".encode()]
    assert (found.times, found.streams, found.invalid_bytes) == ([1, 2], b"\0\1", 1)


def test_a_record_with_newlines_inside_is_one_entry() -> None:
    """As journald may have them."""
    found = take(EntryDecoder(Decoding()), records((1, 0, b"a\nb\n"), (2, 0, b"c\n")))
    assert found.lines.split() == [b"a\nb", b"c"]


def test_lines_of_a_trace_are_one_entry_with_the_time_of_its_first() -> None:
    """What is held is not counted as read before it is given out."""
    decoder = EntryDecoder(Decoding(joining=Joining(ready_made("indent"))))
    found = take(decoder, records((1, 0, b"one\n"), (2, 0, b"  more\n"), (3, 1, b"err\n")))
    assert found.lines.count == 0
    assert list(found.keys) == []
    found = take(decoder, records((4, 0, b"two\n")), [9])
    assert found.lines.split() == [b"one\n  more"]
    assert (list(found.times), list(found.keys)) == ([1], [0, 1])
    found = decoder.flush()
    assert (found.lines.split(), list(found.times)) == ([b"two", b"err"], [4, 3])
    assert list(found.keys) == [9, 2]


def test_a_piece_of_a_long_line_stands_by_itself() -> None:
    """It ends what is held."""
    decoder = EntryDecoder(Decoding(joining=Joining(ready_made("indent"))))
    given = Records([1, 2], bytes(2), [b"held\n", b"piece\n"], {1: 0})
    found = take(decoder, given)
    assert found.lines.split() == [b"held", b"piece"]
    assert found.parts == frozenset([1])
