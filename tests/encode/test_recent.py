"""What was rendered for the disk is there for who reads next."""

import json

from hypothesis import given
from hypothesis import strategies as st

from relay.encode import ENCODERS
from relay.encode.recent import RECENT, Recent
from relay.selection import ALL
from relay.span import Span
from tests.building import block


def whole(*lines: str) -> Span:
    """Return the span of a new block."""
    made = block(list(lines))
    return Span(made, 0, made.count)


def test_the_last_are_kept() -> None:
    """As long as there is room; a span that is kept already takes none."""
    recent = Recent(max_bytes=2 * 58)
    first, second, third = whole("a"), whole("b"), whole("c" * 48)
    recent.keep(first, ([b"h"], [b"1"]))
    recent.keep(first, ([b"h"], [b"1"]))
    recent.keep(second, ([b"h"], [b"2"]))
    assert (recent.find(first), recent.find(second)) == (([b"h"], [b"1"]), ([b"h"], [b"2"]))
    recent.keep(third, ([b"h"], [b"3"]))
    assert (recent.find(first), recent.find(second)) == (None, None)
    assert recent.find(third) == ([b"h"], [b"3"])
    recent.keep(whole("d" * 68), ([b"h"], [b"4"]))
    assert recent.find(third) is None


def test_heads_of_their_own_take_room_too() -> None:
    """Those of entries that have each a time, of which then fewer are kept."""
    recent = Recent(max_bytes=600)
    made = block(["a", "b"], timestamps=[1, 2])
    timed = Span(made, 0, 2)
    recent.keep(timed, ([b"h", b"i"], [b"a", b"b"]))
    assert recent.find(timed) is None
    plain = whole("a", "b")
    recent.keep(plain, ([b"h", b"h"], [b"a", b"b"]))
    assert recent.find(plain) is not None


def test_only_all_of_a_span_is_kept() -> None:
    """What was selected of it is for one query, and events are not written first."""
    span = whole("a", "b")
    ENCODERS["ndjson"].entries(span, bytes([1, 0]))
    ENCODERS["sse"].entries(span, ALL)
    assert RECENT.find(span) is None
    ENCODERS["ndjson"].entries(span, ALL)
    kept = RECENT.find(span)
    assert kept is not None
    assert kept[1] == [b"a", b"b"]
    assert RECENT.find(Span(span.block, 0, 1)) is None


def test_what_is_selected_is_the_same_where_messages_are_there() -> None:
    """Those of all others are passed by."""
    span = whole("a", "b", "c")
    anew = ENCODERS["ndjson"].entries(span, bytes([0, 1, 0]))
    ENCODERS["ndjson"].entries(span, ALL)
    assert ENCODERS["ndjson"].entries(span, bytes([0, 1, 0])) == anew
    assert json.loads(anew)["message"] == "b"


@given(st.lists(st.text(), min_size=1), st.data())
def test_events_are_the_same_whether_or_not_messages_are_there(
    lines: list[str], data: st.DataObject
) -> None:
    """For any text, and for a part of a block."""
    made = block(lines)
    start = data.draw(st.integers(0, made.count - 1))
    span = Span(made, start, data.draw(st.integers(start + 1, made.count)))
    anew = ENCODERS["sse"].entries(span, ALL)
    ENCODERS["ndjson"].entries(span, ALL)
    assert ENCODERS["sse"].entries(span, ALL) == anew
