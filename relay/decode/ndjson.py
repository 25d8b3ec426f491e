"""
Pushed NDJSON into entries: one JSON object a line, or an array of them.

    message      text; the only key that must be there
    timestamp    RFC 3339 with a zone, or seconds, ms, µs or ns since the epoch, by their size
    level        a word, or a number as pino has it; another value stays among the fields
    stream       stdout, stderr, system
    run instance of which the line is, if not the push's
    part         true: this is a piece of a longer line
    fields       an object; keys that are not listed here join it

An entry as the relay writes it (``"type":"log"``) can be pushed as it is; its id, seq, channel
and source are another relay's, and are dropped. A bad line is named, the others are kept. The
good are decoded column by column; where some are bad each line is tried by itself.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import orjson

from relay.entry import UNSAID, Level, Stream
from relay.lines import EMPTY, Lines
from relay.names import is_run_id
from relay.times import parse_rfc_3339

__all__ = ["Entries", "LineError", "NdjsonDecoder", "Place", "RefusedLine", "json_lines"]

Object = dict[str, Any]

Place = tuple[str | None, str | None, Stream | None]
"""Run, instance and stream as a line says them; ``None`` where it does not."""

MAX_ERRORS = 10
"""How many bad lines of one feeding are named."""

MAX_INSTANCE_CHARACTERS = 256
MAX_SHOWN_CHARACTERS = 60

_OWN_KEYS = ("type", "id", "seq", "channel", "source")

_STREAMS = {None: None} | {stream.word: stream for stream in Stream}

_LEVELS: dict[str | int, Level] = {
    **{level.word: level for level in Level if level is not Level.UNKNOWN},
    **dict.fromkeys(["verbose", "silly", "finer", "finest"], Level.TRACE),
    **dict.fromkeys(["fine"], Level.DEBUG),
    **dict.fromkeys(["information", "notice", "log", "success"], Level.INFO),
    **dict.fromkeys(["warning"], Level.WARN),
    **dict.fromkeys(["err", "severe", "fail"], Level.ERROR),
    **dict.fromkeys(["critical", "crit", "alert", "emergency", "emerg", "panic"], Level.FATAL),
    **{number: Level(number // 10) for number in (10, 20, 30, 40, 50, 60)},
}
"""Words and pino's numbers; what they mean is the same as in :mod:`relay.level_patterns`."""


class LineError(ValueError):
    """Why a line cannot be taken: what was expected, what was read."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """
    A line that could not be taken.

    Args:
        line: its number, from 1.
        reason: what was expected and what was read.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Entries:
    """
    What one feeding gave.

    Args:
        lines: messages.
        parts: indexes of those that are pieces of a longer one.
        timestamps: nanoseconds since the epoch; ``None``: no line says its own.
        levels: as in a batch; ``None``: no line says its own.
        fields: as in a batch; ``None``: no line has any.
        places: for each line; ``None``: no line says any.
        rejected: how many lines were bad.
        errors: the first of them.
    """

    lines: Lines = EMPTY
    parts: frozenset[int] = frozenset()
    timestamps: "array[int] | None" = None
    levels: bytes | None = None
    fields: Lines | None = None
    places: list[Place] | None = None
    rejected: int = 0
    errors: tuple[RefusedLine, ...] = ()

    def slice(self, start: int, stop: int) -> "Entries":
        """Return the entries from ``start`` up to, not with, ``stop``."""
        return Entries(
            self.lines.slice(start, stop),
            frozenset([part - start for part in self.parts if start <= part < stop]),
            self.timestamps and self.timestamps[start:stop],
            self.levels and self.levels[start:stop],
            self.fields and self.fields.slice(start, stop),
            self.places and self.places[start:stop],
        )

    def where(self, wanted: Sequence[bool]) -> "Entries":
        """Return the entries that are wanted."""
        indexes = [index for index, is_wanted in enumerate(wanted) if is_wanted]
        return Entries(
            Lines.of(list(compress(self.lines.split(), wanted))),
            frozenset(new for new, old in enumerate(indexes) if old in self.parts),
            self.timestamps and array("q", compress(self.timestamps, wanted)),
            self.levels and bytes(compress(self.levels, wanted)),
            self.fields and Lines.of(list(compress(self.fields.split(), wanted))),
            self.places and list(compress(self.places, wanted)),
            self.rejected,
            self.errors,
        )


class NdjsonDecoder:
    """
    Decode one stream of NDJSON.

    Args:
        max_line_bytes: a longer line is refused.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_too_long = False
        self._count = 0

    def feed(self, data: bytes, now_ns: int) -> Entries:
        """
        Take more bytes.

        Args:
            data: as read, split anywhere.
            now_ns: the time of lines that say none, where others do.
        """
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._hold(data)
            return Entries()
        whole = b"".join([*self._held, head])
        self._held, self._held_bytes = [], 0
        lines = whole.split(b"\n")
        refused = []
        if self._is_too_long:
            lines[0] = b""
            refused = [RefusedLine(self._count + 1, _too_long(self._max_line_bytes))]
            self._is_too_long = False
        self._hold(tail)
        return self._decode(lines, refused, now_ns)

    def finish(self, now_ns: int) -> Entries:
        """Take the last line, if it has no newline."""
        return self.feed(b"\n", now_ns) if self._held or self._is_too_long else Entries()

    def _hold(self, data: bytes) -> None:
        if self._is_too_long or not data:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max_line_bytes:
            self._held, self._held_bytes, self._is_too_long = [], 0, True

    def _decode(self, lines: list[bytes], refused: list[RefusedLine], now_ns: int) -> Entries:
        try:
            if refused or len(max(lines, key=len)) > self._max_line_bytes:
                raise LineError
            good = _columns([_load(line) for line in lines], now_ns)
        except LineError:
            good = self._decode_good(lines, refused, now_ns)
        self._count += len(lines)
        return good

    def _decode_good(self, lines: list[bytes], refused: list[RefusedLine], now_ns: int) -> Entries:
        """Decode where some lines are blank or bad: each is tried by itself."""
        rejected, good = len(refused), []
        for number, line in enumerate(lines, 1):
            if not line or line.isspace():
                continue
            try:
                if len(line) > self._max_line_bytes:
                    raise LineError(_too_long(self._max_line_bytes))
                if len(refused) >= MAX_ERRORS and line.lstrip()[:1] != b"{":
                    # Not to be named, and no object: a flood of such lines costs little.
                    raise LineError
                _columns([_load(line)], now_ns)
                good.append(line)
            except LineError as error:
                rejected += 1
                if len(refused) < MAX_ERRORS:
                    refused.append(RefusedLine(self._count + number, str(error)))
        refused.sort(key=lambda line: line.line)
        entries = _columns([_load(line) for line in good], now_ns)
        return replace(entries, rejected=rejected, errors=tuple(refused[:MAX_ERRORS]))


def _too_long(most: int) -> str:
    return f"expected at most {most} bytes, got more"


def json_lines(body: bytes) -> bytes:
    """
    Return a JSON body, one object or an array of them, as NDJSON.

    Raises:
        LineError: the body is neither.
    """
    value = _load(body)
    if not isinstance(value, list | dict):
        raise LineError(f"expected an object or an array of objects, got {_shown(value)}")
    items = value if isinstance(value, list) else [value]
    return b"".join([_dumped(item) + b"\n" for item in items])


def _load(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineError(f"expected JSON, got {_cut(line.decode(errors='replace'))!r}") from error


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise LineError("expected less deeply nested objects") from error


def _columns(objects: list[Any], now_ns: int) -> Entries:
    """
    Decode objects that are all good; takes them apart.

    Raises:
        LineError: one is bad; says why, of the first that it meets.
    """
    for item in objects:
        if type(item) is not dict:
            raise LineError(f"expected an object, got {_shown(item)}")
        if item.get("type") == "log":
            for key in _OWN_KEYS:
                item.pop(key, None)
    messages = [_message(item.pop("message", None)) for item in objects]
    return Entries(
        lines=Lines.of(messages),
        timestamps=_timestamps(objects, now_ns),
        levels=_levels(objects),
        places=_places(objects),
        parts=_parts(objects),
        fields=_fields(objects),
    )


def _message(value: Any) -> bytes:
    if type(value) is not str:
        raise LineError(f"message: expected text, got {_shown(value)}")
    return value.encode()


def _timestamps(objects: list[Object], now_ns: int) -> "array[int] | None":
    values = [item.pop("timestamp", None) for item in objects]
    if values.count(None) == len(values):
        return None
    return array("q", [now_ns if value is None else _timestamp(value) for value in values])


def _timestamp(value: Any) -> int:
    try:
        if type(value) is str and not value.isdecimal():
            ns = parse_rfc_3339(value)
        elif type(value) is bool:
            raise ValueError(value)
        else:
            ns = _since_epoch(value if type(value) is float else int(value))
    except (ValueError, TypeError, OverflowError):
        ns = -1
    if not 0 <= ns < 1 << 63:
        raise LineError(
            "timestamp: expected a time with its zone such as 2026-11-21T09:47:30Z, or seconds, "
            f"ms, µs or ns since the epoch, got {_shown(value)}"
        )
    return ns


def _since_epoch(value: int | float) -> int:
    """Take a number for seconds, ms, µs or ns: up to the year 5138 only one of them fits."""
    for unit_ns, most in ((1_000_000_000, 1e11), (1_000_000, 1e14), (1_000, 1e17)):
        if value < most:
            return round(value * unit_ns)
    return int(value)


def _levels(objects: list[Object]) -> bytes | None:
    values = [item.pop("level", None) for item in objects]
    if values.count(None) == len(values):
        return None
    levels = bytes([_level(value) for value in values])
    for item, value, level in zip(objects, values, levels, strict=True):
        if level == UNSAID and value is not None and value != Level.UNKNOWN.word:
            item["level"] = value
    return levels


def _level(value: Any) -> int:
    word = value.lower() if type(value) is str else value
    return _LEVELS.get(word, UNSAID) if type(word) in (str, int) else UNSAID


def _places(objects: list[Object]) -> list[Place] | None:
    places = [
        (_run(item.pop("run", None)), _instance(item.pop("instance", None)), _stream(item))
        for item in objects
    ]
    return places if any(place != (None, None, None) for place in places) else None


def _run(value: Any) -> str | None:
    if value is not None and not (type(value) is str and is_run_id(value)):
        raise LineError(
            "run: expected 1 to 128 ASCII letters, digits, '.', '_', ':', '-', "
            f"the first a letter, a digit or '_', got {_shown(value)}"
        )
    return value


def _instance(value: Any) -> str | None:
    if value is not None and not (type(value) is str and len(value) <= MAX_INSTANCE_CHARACTERS):
        raise LineError(
            f"instance: expected text of at most {MAX_INSTANCE_CHARACTERS} characters, "
            f"got {_shown(value)}"
        )
    return value or None


def _stream(item: Object) -> Stream | None:
    value = item.pop("stream", None)
    try:
        return _STREAMS[value]
    except (KeyError, TypeError):
        raise LineError(
            f"stream: expected one of stdout, stderr, system, got {_shown(value)}"
        ) from None


def _parts(objects: list[Object]) -> frozenset[int]:
    return frozenset([i for i, item in enumerate(objects) if item.pop("part", False) is True])


def _fields(objects: list[Object]) -> Lines | None:
    """Return the fields, and what else is left of the objects; to be called last."""
    if not any(objects):
        return None
    return Lines.of([_field(item) if item else b"" for item in objects])


def _field(item: Object) -> bytes:
    said = item.pop("fields", None)
    if said is not None and type(said) is not dict:
        raise LineError(f"fields: expected an object, got {_shown(said)}")
    fields = {**item, **(said or {})}
    return _dumped(fields) if fields else b""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    try:
        return _cut(orjson.dumps(value).decode())
    except TypeError:
        return f"a {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"
