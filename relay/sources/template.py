"""
Templates for channels' names: words in braces stand for what a source knows of a line.

The source fills in its own words; what is left are groups of its ``run_pattern``, for which
the refinery has each line's values. A word such as ``label:NAME`` stands for ``label:`` and any
name.
"""

import re
from collections.abc import Mapping, Sequence

from relay.decode.runs import Runs
from relay.names import channel_name

__all__ = ["check", "fill", "words_in"]

_WORD = re.compile(r"\{(\w*|\w+:[^{}]+)\}")


def check(template: str, words: Sequence[str], run_pattern: str | None) -> None:
    """
    See that a template can be filled.

    Args:
        template: as the configuration has it.
        words: what the source knows.
        run_pattern: whose groups may stand in it too.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    allowed = [*words, *sorted(_groups(run_pattern) - set(words))]
    kinds = {word.partition(":")[0] for word in words if ":" in word}

    def is_allowed(word: str) -> bool:
        kind, colon, _ = word.partition(":")
        return kind in kinds if colon else word in allowed

    rest = _WORD.sub(lambda word: "" if is_allowed(word[1]) else word[0], template)
    if not template or "{" in rest or "}" in rest:
        *others, last = [f"{{{word}}}" for word in allowed]
        listed = f"{', '.join(others)} and {last}" if others else last
        raise ValueError(f"text in which {listed} may stand")


def fill(template: str, words: Mapping[str, str], run_pattern: str | None) -> str:
    """
    Fill in what a source knows.

    Args:
        template: as the configuration has it.
        words: their values.
        run_pattern: whose groups are left as they are, for the refinery.

    Returns:
        A channel's name, or a template of which only such groups are left.
    """
    # A file's name may look like a group.
    values = {word: value.replace("{", "-").replace("}", "-") for word, value in words.items()}
    filled = _WORD.sub(lambda word: values.get(word[1], word[0]), template)
    groups = _groups(run_pattern)
    if any(word in groups for word in _WORD.findall(filled)):
        return filled
    return channel_name(filled)


def words_in(template: str) -> list[str]:
    """Return the words that stand in braces."""
    return _WORD.findall(template)


def _groups(run_pattern: str | None) -> frozenset[str]:
    return frozenset() if run_pattern is None else Runs(run_pattern).groups
