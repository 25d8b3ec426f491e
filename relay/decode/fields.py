r"""
Fields of lines that are no JSON: ``key=value`` pairs (logfmt), or a pattern's named groups.

Values are texts, as they stand in the line. A line that is a JSON object is left alone, since
readers unfold it themselves.

Cost: 0.4 µs for each pair, 3 µs for each line that a pattern occurs in.
"""

import re
from typing import Protocol

import orjson

from relay.decode.captures import Captures
from relay.lines import Lines

__all__ = ["FieldFinder", "field_finder"]

LOGFMT = "logfmt"

EXAMPLE = r"^(?P<ip>\S+) (?P<method>[A-Z]+) (?P<path>\S+)"

_PAIR = re.compile(
    # Possessive: each byte is looked at once, however long a word without "=" is.
    r'(?<!\S)(@?[A-Za-z_][\w.@/-]*+)=(?:"((?:[^"\\\n]|\\[^\n])*+)"|(\S*+))|(\n)',
    re.ASCII,
)


class FieldFinder(Protocol):
    """Finds the fields of lines."""

    def find(self, lines: Lines) -> Lines | None:
        """Return for each line its fields as a JSON object, or nothing; ``None``: none has."""


def field_finder(option: str) -> FieldFinder:
    """
    Return what finds fields in the way that the configuration names.

    Args:
        option: ``logfmt``, or a pattern with named groups.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    if option == LOGFMT:
        return Logfmt()
    try:
        return Groups(Captures(option, None, EXAMPLE))
    except ValueError as error:
        raise ValueError(f'"{LOGFMT}" or {error}') from None


class Logfmt:
    """Pairs such as ``status=500 user="Zoë Smith"``; of equal keys the last one counts."""

    def find(self, lines: Lines) -> Lines | None:
        """Return each line's pairs."""
        if lines.has_newlines:
            pairs = [self._pairs(entry) for entry in lines.split()]
        else:
            pairs = self._all_pairs(lines)
        return _as_lines(pairs)

    def _all_pairs(self, lines: Lines) -> list[dict[str, str]]:
        """Return the pairs of many lines: one scan over all of them."""
        pairs: list[dict[str, str]] = []
        line: dict[str, str] = {}
        for key, quoted, bare, newline in _PAIR.findall(lines.text.decode()):
            if newline:
                pairs.append(line)
                line = {}
            else:
                line[key] = _value(quoted) if quoted else bare
        return [
            {} if found and entry.startswith(b"{") else found
            for found, entry in zip(pairs, lines.split(), strict=True)
        ]

    def _pairs(self, entry: bytes) -> dict[str, str]:
        """Return the pairs of one entry, whatever lines it has."""
        if entry.startswith(b"{"):
            return {}
        return {
            key: _value(quoted) if quoted else bare
            for key, quoted, bare, newline in _PAIR.findall(entry.decode())
            if not newline
        }


class Groups:
    """
    A pattern's named groups, those that took part in the match.

    Args:
        captures: the pattern.
    """

    def __init__(self, captures: Captures) -> None:
        self._captures = captures

    def find(self, lines: Lines) -> Lines | None:
        """Return what the groups of the first match in each line hold."""
        found: list[dict[str, str]] = [{}] * lines.count
        groups = self._captures.groups.items()
        for index, match in self._captures.find(lines):
            values = {name: match[number] for name, number in groups}
            found[index] = {
                name: value.decode() for name, value in values.items() if value is not None
            }
        return _as_lines(found)


def _value(quoted: str) -> str:
    if "\\" in quoted:
        try:
            value: str = orjson.loads(f'"{quoted}"')
            return value
        except orjson.JSONDecodeError:
            pass
    return quoted


def _as_lines(fields: list[dict[str, str]]) -> Lines | None:
    if not any(fields):
        return None
    return Lines.of([orjson.dumps(found) if found else b"" for found in fields])
