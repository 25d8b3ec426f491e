"""
What ``relay tail`` shows: messages, or a line made by a template, or all as it was received.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from relay.names import near

__all__ = ["FIELDS", "Object", "Output", "Template"]

COLOURS = {
    "trace": "2",
    "debug": "2",
    "warn": "33",
    "error": "31",
    "fatal": "1;31",
}
"""Of levels on a terminal, as SGR codes; others are left as they are."""

FIELDS = (
    *("timestamp", "level", "channel", "message", "stream", "source", "instance", "run"),
    *("id", "seq", "part"),
)
"""What a template may name, besides ``fields.NAME``."""

Object = dict[str, Any]

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]|[^{}]+")


class Template:
    """
    A line for each entry: ``{timestamp} {level} {message}``.

    ``{fields.NAME}`` is one of the entry's fields; what an entry has not is empty; ``{{`` and
    ``}}`` are braces.

    Args:
        text: as the user wrote it.

    Raises:
        ValueError: it names a field that there is not, or has a brace alone.
    """

    def __init__(self, text: str) -> None:
        self._pieces = [_piece(match) for match in _PIECE.finditer(text)]

    def line(self, entry: Object) -> str:
        """Return the line of an entry."""
        return "".join(
            piece if isinstance(piece, str) else _shown(entry, piece) for piece in self._pieces
        )


def _piece(match: "re.Match[str]") -> str | Sequence[str]:
    """Return text, or the path to a value."""
    name = match["name"]
    if name is not None:
        _check(name)
        return name.split(".", 1)
    if match[0] in ("{", "}"):
        raise ValueError(f"a single {match[0]!r}; a brace itself is written {match[0] * 2!r}")
    return match[0].replace("{{", "{").replace("}}", "}")


def _check(name: str) -> None:
    if name in FIELDS or name.removeprefix("fields.") not in (name, ""):
        return
    close = near(name, FIELDS, most=1)
    hint = (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(FIELDS)}, fields.NAME"
    )
    raise ValueError(f"no field {name!r}; {hint}")


def _shown(entry: Object, path: Sequence[str]) -> str:
    value: Any = entry
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


class Output:
    """
    Writes what was received: messages, and for people on ``err`` what is missing.

    Args:
        out: for messages.
        err: for all else.
        as_json: writes entries, gaps and run endings to ``out`` as they came.
        template: makes the lines of entries.
        colour: whether a line has the colour of its level.
        channel: whether a line begins with its channel, where no template makes it.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        as_json: bool = False,
        template: Template | None = None,
        colour: bool = False,
        channel: bool = False,
    ) -> None:
        self._out = out
        self._err = err
        self._as_json = as_json
        self._colour = colour
        self._line: Callable[[Object], str] = template.line if template else self._message
        self._channel = channel and not template

    def write(self, received: list[tuple[Object, bytes]]) -> None:
        """Write all that came at once, each object with its text."""
        for item, text in received:
            if item["type"] == "error":
                self.note(item["message"])
            elif item["type"] in ("log", "gap", "complete"):
                self._write(item, text)
        self._out.flush()

    def note(self, sentence: str) -> None:
        """Say something that is no message."""
        self._err.write(f"relay tail: {sentence}\n")
        self._err.flush()

    def _write(self, item: Object, text: bytes) -> None:
        if self._as_json:
            self._out.write(text.decode() + "\n")
        elif item["type"] == "log":
            channel = f"{item['channel']} | " if self._channel else ""
            self._out.write(f"{channel}{self._coloured(item)}\n")
        elif item["type"] == "gap":
            # What came before it stands before it on a terminal, too.
            self._out.flush()
            self._err.write(_gap(item) + "\n")
            self._err.flush()

    def _coloured(self, entry: Object) -> str:
        line = self._line(entry)
        colour = COLOURS.get(entry["level"])
        # A line that brings its own colours keeps them.
        if self._colour and colour is not None and "\x1b" not in line:
            return f"\x1b[{colour}m{line}\x1b[0m"
        return line

    def _message(self, entry: Object) -> str:
        return str(entry["message"])


def _gap(gap: Object) -> str:
    count = gap["count"]
    if count is None:
        count = f"at least {gap['at_least']}" if gap["at_least"] else "an unknown number of"
    noun = "entry" if count == 1 else "entries"
    return f"--- gap: {count} {noun} of {gap['channel']} missing ({gap['reason']}) ---"
