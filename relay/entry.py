"""
The values that travel from a source to a client.

Rule of this file: values only, frozen, standard library only. What stands here for one line
(:class:`Entry`) is made only where a single line is really wanted; on the way through the
relay lines stay together in a :class:`Batch` and then in a block.
"""

from array import array
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from relay.lines import EMPTY, Lines

__all__ = [
    "RECORD_KEY_BYTES",
    "UNSAID",
    "Batch",
    "Entry",
    "Gap",
    "Level",
    "Loss",
    "Origin",
    "Position",
    "Reason",
    "RunCounted",
    "RunEnded",
    "RunStarted",
    "Stream",
]


class Level(IntEnum):
    """How bad a line is; the value is its byte in a block's ``levels``."""

    UNKNOWN = 0
    TRACE = 1
    DEBUG = 2
    INFO = 3
    WARN = 4
    ERROR = 5
    FATAL = 6

    @property
    def word(self) -> str:
        """The level as it stands on the wire: ``warn``."""
        return self.name.lower()


UNSAID = 255
"""In a batch's ``levels``: the source says nothing of this line's level."""


class Stream(IntEnum):
    """Where in its program a line came out; ``SYSTEM`` is the relay's or engine's own word."""

    STDOUT = 0
    STDERR = 1
    SYSTEM = 2

    @property
    def word(self) -> str:
        """The stream as it stands on the wire: ``stderr``."""
        return self.name.lower()


class Reason(StrEnum):
    """Why entries cannot be had any more."""

    EVICTED = "evicted"
    SOURCE = "source"
    STORAGE = "storage"
    RESTART = "restart"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where exactly a line came from.

    Args:
        source: name of the source in the configuration.
        instance: container, file or log stream; ``None`` where there is but one.
        run: id of the run; ``None`` where the source has no runs.
        stream: stdout, stderr or system.
        level: what a line of this origin gets when it names no level itself.
    """

    source: str
    instance: str | None = None
    run: str | None = None
    stream: Stream = Stream.STDOUT
    level: Level = Level.INFO


RECORD_KEY_BYTES = 16
"""Of one record, see :class:`Position`."""


@dataclass(frozen=True, slots=True)
class Position:
    """
    Where one reader of a source stands; replaces that reader's last.

    Args:
        value: small JSON text, opaque to all but its source; empty: the reader has ended, and
            nothing is kept of it.
        record_keys: keys of the records in this batch, for sources that must recognise what
            they have read before; empty for others. 16 bytes each: the record's time (64 bits,
            big endian, in whatever unit the source counts) and a hash. They are kept beside
            those of earlier batches.
        keys_from: batches all of whose keys have an earlier time are forgotten.
    """

    value: str
    record_keys: bytes = b""
    keys_from: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """
    A run began, or a name that comes again reopened its run.

    Args:
        run: id of the run, unique over the hub: ASCII letters, digits, ``. _ : -``.
        started_ns: nanoseconds since the epoch.
        instance: as in its origin.
        pid: of the process, where there is one.
        anew: whether lines of a run that had ended are counted from 0 again.
    """

    run: str
    started_ns: int
    instance: str | None = None
    pid: int | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class RunCounted:
    """
    How much of a pushed run has been taken, as its client counts it; stands after these lines.

    Args:
        run: id of the run.
        offset: lines, counted as sent.
        offset_bytes: how much of the line after these has been published in pieces.
    """

    run: str
    offset: int
    offset_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RunEnded:
    """
    A run ended; stands after its last line.

    Args:
        run: id of the run.
        ended_ns: nanoseconds since the epoch.
        status: one word: ``succeeded`` ``failed`` ``killed`` ``stopped`` ``ended`` (nobody
            knows how), or what a user said.
        exit_code: of the process; ``None`` where there is none.
        signal: name of the signal that ended it, such as ``SIGKILL``.
    """

    run: str
    ended_ns: int
    status: str
    exit_code: int | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """
    Lines that a source, a rate limit or the store knows to be gone, and never had an id.

    Args:
        reason: ``source`` or ``rate``; the store alone declares others.
        count: how many; ``None`` where nobody can count them.
        at_least: how many are certain; equals ``count`` where that is known.
    """

    reason: Reason
    count: int | None = None
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What a source hands over: consecutive lines from one reader.

    The position, run changes and loss stand after the last line. A batch may have no lines.

    Args:
        source: name of the source.
        channel: where the lines go; may be empty where only a position is handed over.
        lines: valid UTF-8, at most a few hundred KiB.
        origins: at most 256; may be empty only where there are no lines.
        origin_index: for each line the index of its origin, one byte each; ``None``: all
            lines are of the first.
        timestamps: for each line nanoseconds since the epoch (type code ``q``); ``None``:
            the arrival time.
        parts: indexes of the lines that are pieces of a longer one.
        detect_levels: whether lines are searched for a level; else each has its origin's.
        levels: for each line its level, one byte each, where the source says it itself;
            :data:`UNSAID` where it does not. ``None``: for none of them.
        fields: for each line its fields as a JSON object, or nothing; ``None``: none has any.
        reader: which reader of the source this is (a file, a container, a log stream).
        position: where that reader stands once this batch is published.
        runs: run changes.
        loss: what is known to be missing after these lines.
    """

    source: str
    channel: str
    lines: Lines = EMPTY
    origins: tuple[Origin, ...] = ()
    origin_index: bytes | None = None
    timestamps: "array[int] | None" = None
    parts: frozenset[int] = field(default=frozenset())
    detect_levels: bool = True
    levels: bytes | None = None
    fields: Lines | None = None
    reader: str = ""
    position: Position | None = None
    runs: tuple[RunStarted | RunCounted | RunEnded, ...] = ()
    loss: Loss | None = None

    @property
    def is_position(self) -> bool:
        """Whether it says no more than where a reader stands."""
        return not (self.lines or self.runs or self.loss)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a block seen by itself."""

    id: int
    seq: int
    channel: str
    timestamp_ns: int
    level: Level
    origin: Origin
    message: str
    part: bool = False
    fields: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Entries that a reader can no longer have.

    Args:
        id: the cursor of a reader that has been told of this gap: ``until``, or for a loss
            that cannot be counted the cursor that the reader had before.
        channel: of which the entries are missing.
        after: the id before the first that is missing.
        until: the last id that may be missing.
        count: how many entries; ``None`` where nobody can count them.
        at_least: how many are certain.
        reason: why they are gone.
    """

    id: int
    channel: str
    after: int
    until: int
    count: int | None
    at_least: int
    reason: Reason
