"""Levels by a pattern of one's own."""

import re

import pytest

from relay.decode.level_words import LevelWords
from relay.entry import UNSAID, Level
from relay.lines import Lines

ENTRIES = [b"<WARNING> a", b"b", b"<e> c", b"<odd> d", b"x\n<panic> e", b"< > <50> f"]


def test_words_become_levels() -> None:
    """Unknown words are unknown; where the pattern does not occur nothing is said."""
    assert LevelWords(r"<(?P<level>\w+)>").find(Lines.of(ENTRIES)) == bytes(
        [Level.WARN, UNSAID, Level.ERROR, Level.UNKNOWN, Level.FATAL, Level.ERROR]
    )


def test_what_the_source_says_counts_more() -> None:
    """Its word stays where it has one."""
    said = bytes([Level.INFO, Level.INFO, UNSAID])
    words = LevelWords(r"<(?P<level>\w+)>")
    assert words.find(Lines.of(ENTRIES[:3]), said) == bytes([Level.INFO, Level.INFO, Level.ERROR])
    assert words.find(Lines.of([b"a"])) is None
    assert words.find(Lines.of([b"a"]), b"\1") == b"\1"


def test_a_group_that_took_no_part_says_nothing() -> None:
    """The pattern may occur without it."""
    assert LevelWords(r"a(?P<level>\d)?").find(Lines.of([b"a"])) is None


def test_a_pattern_without_the_group_is_refused() -> None:
    """With one that would have been right."""
    allowed = r"""a pattern with a group named "level", such as '^\S+ <(?P<level>\w+)>'"""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        LevelWords(r"(?P<lvl>\w+)")
