"""Patterns with groups, found in many lines at once."""

from hypothesis import given
from hypothesis import strategies as st

from relay.decode.captures import AnyOf, Captures
from relay.lines import Lines

PATTERNS = [r"(?P<a>x+)", r"^(?P<a>y?)$", r"(?P<a>)", r"x\s*(?P<a>y)", r"(?s)x.(?P<a>.)"]
ENTRIES = st.lists(st.text("xy \né", max_size=6), max_size=6)


@given(st.sampled_from(PATTERNS), ENTRIES)
def test_each_line_has_the_match_that_it_has_alone(pattern: str, entries: list[str]) -> None:
    """No match goes over from one entry to the next."""
    captures = Captures(pattern, "a", "")
    texts = [entry.encode() for entry in entries]
    together = {index: match.group(1) for index, match in captures.find(Lines.of(texts))}
    alone = {
        index: match.group(1)
        for index, text in enumerate(texts)
        for _, match in captures.find(Lines.of([text]))
    }
    assert together == alone


def test_groups_are_numbered() -> None:
    """Only those with a name."""
    assert Captures(r"(x)(?P<a>y)(?P<b>z)", None, "").groups == {"a": 2, "b": 3}


def test_any_of_several_tells_which() -> None:
    """All of them where it cannot tell."""
    any_of = AnyOf(["a+", "(?i)b", r"c\s*d", "x|y"])
    text = b"c\nd\nB aa\n"
    assert any_of.search(text).span() == (4, 5)
    assert sorted(any_of.which(text)) == [0, 1]
    assert list(any_of.which(b"none")) == [0, 1, 2, 3]
