"""
The parameters of a reader's request: their names, and how values are read.

Rule of this file: parameters that take several values may be repeated, and what takes names
takes commas. All others stand once. What is unknown, or given wrong, is an error that says what
is allowed.

Source: DESIGN section 6, "Query parameters".
"""

from collections.abc import Iterable
from typing import TypeVar

from relay.errors import QueryError
from relay.names import near

__all__ = ["PARAMETERS", "Parameters", "parse_whole"]

PARAMETERS = {
    "channel": "channels: names or globs, separated by commas",
    "source": "sources: names or globs, separated by commas",
    "instance": "containers, files or log streams: names or globs, separated by commas",
    "run": "runs: ids or globs, separated by commas",
    "stream": "stdout, stderr, system, separated by commas",
    "level": "levels, separated by commas",
    "min_level": "this level and worse; unknown never satisfies it",
    "q": "text that occurs, in any case; all of several",
    "regex": "pattern that occurs; all of several",
    "exclude": "text that does not occur, in any case, or a pattern between slashes",
    "field": "key:value of a line that is a JSON object, or of its fields; dots for nested keys",
    "since": "this time or later",
    "until": "before this time",
    "date": "this day, UTC",
    "after": "entries with a greater id",
    "last_event_id": "as after, and beats it",
    "before": "entries with a lesser id",
    "tail": "the newest entries, at most so many",
    "limit": "at most so many entries",
    "offset": "so many entries are passed over",
    "order": "asc or desc",
    "context": "so many neighbours before and after each entry",
    "wait": "how long an empty page is held back",
    "follow": "0 ends a stream where history ends",
    "format": "content type of the answer, by its short name",
    "batch": "entries come as arrays of at most so many",
    "gaps": "1 shows gaps in plain text",
    "total": "1 counts all that match",
    "compress": "gzip compresses a download",
    "status": "1 gives a WebSocket the relay's status too, as it changes",
    "buckets": "a histogram is cut into so many parts of equal length",
    "interval": "length of a histogram's parts, such as 10s",
}
"""Every parameter and what it is, for error messages and documentation."""

MAX_VALUE_CHARACTERS = 4096
MAX_VALUES = 100

T = TypeVar("T")


class Parameters:
    """
    What a request gave for each parameter.

    Args:
        pairs: names and values, decoded.

    Raises:
        QueryError: a parameter is unknown, or a value too long or no text.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in PARAMETERS:
                raise QueryError(name, value, _known(name))
            if len(value) > MAX_VALUE_CHARACTERS:
                raise QueryError(name, value, f"at most {MAX_VALUE_CHARACTERS} characters")
            if any("\ud800" <= character <= "\udfff" for character in value):
                raise QueryError(name, value, "text that can be written as UTF-8")
            self._values.setdefault(name, []).append(value)

    def all(self, name: str, most: int = MAX_VALUES) -> list[str]:
        """Return the values, in order and with repeats."""
        values = self._values.get(name, [])
        if len(values) > most:
            raise QueryError(name, values[most], f"at most {most} values")
        return values

    def one(self, name: str) -> str | None:
        """Return the only value."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise QueryError(name, ", ".join(values), "one value")
        return values[0]

    def listed(self, name: str, allowed: str) -> list[str]:
        """Return what stands between commas, at least one where the parameter is given."""
        listed = [part.strip() for value in self.all(name) for part in value.split(",")]
        if "" in listed:
            raise QueryError(name, ",".join(self.all(name)), allowed)
        if len(listed) > MAX_VALUES:
            raise QueryError(name, listed[MAX_VALUES], f"at most {MAX_VALUES} values")
        return listed

    def members(self, name: str, known: dict[str, T]) -> frozenset[T] | None:
        """Return the members of ``known`` between commas."""
        allowed = f"one or more of {', '.join(known)}, separated by commas"
        words = self.listed(name, allowed)
        for word in words:
            if word.lower() not in known:
                raise QueryError(name, word, allowed)
        return frozenset(known[word.lower()] for word in words) or None

    def choice(self, name: str, known: dict[str, T]) -> T | None:
        """Return the member of ``known`` that is given."""
        word = self.one(name)
        if word is None:
            return None
        if word.lower() not in known:
            raise QueryError(name, word, f"one of {', '.join(known)}")
        return known[word.lower()]

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether the parameter is on."""
        words = {"1": True, "0": False, "true": True, "false": False}
        value = self.choice(name, words)
        return default if value is None else value

    def whole(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number in its bounds."""
        value = self.one(name)
        return None if value is None else parse_whole(name, value, least, most)


def _known(name: str) -> str:
    similar = near(name, PARAMETERS, 1)
    if similar:
        return f"a known parameter, perhaps {similar[0]!r}"
    return "one of the parameters " + ", ".join(PARAMETERS)


def parse_whole(name: str, value: str, least: int, most: int) -> int:
    """
    Read a whole number.

    Raises:
        QueryError: ``value`` is none, or out of bounds.
    """
    if value.isascii() and value.isdigit() and len(value) <= 16 and least <= int(value) <= most:
        return int(value)
    raise QueryError(name, value, f"a whole number from {least} to {most}")
