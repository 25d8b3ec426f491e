"""
What every source is.

A source is a config model and an async generator. It connects, yields and raises; it never
retries, counts or publishes: its supervisor does. The contract:

1. ``batches(positions)`` yields lists of batches in the order in which they were read. While
   the generator is suspended at a ``yield`` the lists it gave are being published, so a source
   that does not read on holds back its input; one that ``reads_ahead`` is held there only while
   much is on its way, or a position without lines. It reads at most ``TURN_BYTES`` a turn.
2. A batch's position covers what is published with it, never bytes that a decoder still holds.
3. A reader's first position is yielded (in a batch without lines) before its first line.
4. What it cannot reach for now is a :class:`~relay.errors.SourceError`; what only one of its
   readers cannot reach is that reader's status.
5. Cancelling it (``aclose``) releases everything: files, processes, watches.
6. Returning means that it has ended and will not be started again.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from relay.config.values import Size
from relay.decode.decoder import Decoding
from relay.entry import Batch, Level, Origin, Position, Stream
from relay.hub import Hub
from relay.sources import options, template
from relay.sources.decoding import Encoding, Multiline, ReadyMade, joining
from relay.status import ReaderStatus, SourceState, SourceStatus

__all__ = [
    "TURN_BYTES",
    "DefaultLevels",
    "ReaderStatus",
    "Source",
    "SourceOptions",
    "SourceState",
    "SourceStatus",
]

TURN_BYTES = 128 * 1024
"""How much a source reads before it yields to the loop: a few milliseconds of work."""


@dataclass(frozen=True, slots=True)
class DefaultLevels:
    """The level of a line that names none, by its stream."""

    stdout: Level = Level.INFO
    stderr: Level = Level.ERROR

    def of(self, stream: Stream) -> Level:
        """Return the level for a line of ``stream``."""
        return self.stderr if stream is Stream.STDERR else self.stdout


_LEVEL_WORDS = [level.word for level in Level]


def _default_levels(value: Any) -> DefaultLevels:
    allowed = "one of " + ", ".join(_LEVEL_WORDS) + ", or a table with stdout and stderr"
    if isinstance(value, DefaultLevels):
        return value
    table = {"stdout": value, "stderr": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not table.keys() <= {"stdout", "stderr"}:
        raise ValueError(allowed)
    if any(word not in _LEVEL_WORDS for word in table.values()):
        raise ValueError(allowed)
    return DefaultLevels(**{stream: Level[word.upper()] for stream, word in table.items()})


class SourceOptions(BaseModel):
    """Keys that every source takes; a source's own model adds its own."""

    # Built when the first table of its kind is read.
    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True
    )

    channel_words: ClassVar[tuple[str, ...]] = ("source",)
    """What may stand in braces in `channel`, besides the groups of `run_pattern`."""

    type: str
    # Before `channel`, which is judged by it.
    run_pattern: Annotated[str, AfterValidator(options.run_pattern)] | None = Field(
        None,
        description="Pattern with a group `run`: a line in which it occurs is of the run that it "
        "names. Its named groups may stand in `channel`.",
    )
    channel: str | None = Field(
        None, description="Channel, or a template for it. Default: the source's name."
    )
    level: Annotated[
        DefaultLevels,
        BeforeValidator(_default_levels),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": _LEVEL_WORDS},
                    {
                        "type": "object",
                        "properties": {
                            "stdout": {"enum": _LEVEL_WORDS},
                            "stderr": {"enum": _LEVEL_WORDS},
                        },
                        "additionalProperties": False,
                    },
                ]
            }
        ),
    ] = Field(
        DefaultLevels(),
        description="Level of a line that names none itself: a word, or a table with stdout "
        "and stderr.",
        # As a file writes it, for the schema and the reference.
        json_schema_extra={"default": {"stdout": "info", "stderr": "error"}},
    )
    detect_level: bool = Field(
        True, description="Whether to look for a level in the line. If not, it has `level`."
    )
    max_line_bytes: Size = Field(
        256 * 1024, ge=256, le=1 << 20, description="A longer line is split into parts."
    )
    encoding: Encoding = Field(
        "utf-8",
        description="Of the text, such as `utf-16`, whose byte order its mark tells, `latin-1`, "
        "`cp1252`, `shift_jis`, `gbk`. What is none is replaced and counted.",
    )
    multiline: ReadyMade | Multiline | None = Field(
        None,
        description="Which lines become one entry: the stack traces of a language, `indent`, or "
        "a table.",
    )

    @property
    def decoding(self) -> Decoding:
        """How bytes of this source become entries."""
        most = self.max_line_bytes
        joined = None if self.multiline is None else joining(self.multiline, most)
        return Decoding(most, self.encoding, joined)

    max_lines_per_second: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Sources that can wait are held back to it; others drop lines and say how "
        "many.",
    )
    redact: Annotated[
        tuple[Annotated[str, AfterValidator(options.secret)], ...], AfterValidator(options.redact)
    ] = Field(
        (),
        description="Secrets that are replaced by `***` before anything else has the line: "
        "`bearer`, `aws`, `url-password`, `email`, `card`, or patterns; of a pattern with a "
        "group `secret` only that.",
    )
    timestamp: Annotated[str, AfterValidator(options.timestamp)] | None = Field(
        None,
        description="Where a line's time is taken from: `auto` finds the usual shapes at its "
        "head and in JSON; or a format such as `%d.%m.%Y %H:%M:%S`. Default: when it arrived.",
    )
    timezone: Annotated[str, AfterValidator(options.timezone)] = Field(
        "local",
        description="Of times without a zone: a name such as `Europe/Berlin`, `UTC`, or `local`, "
        "the host's own.",
    )
    fields: Annotated[str, AfterValidator(options.fields)] | None = Field(
        None,
        description="How to find fields in lines that are no JSON: `logfmt`, or a pattern with "
        "named groups.",
    )
    level_pattern: Annotated[str, AfterValidator(options.level_pattern)] | None = Field(
        None,
        description="Pattern with a group `level`, for lines that say their level in their own "
        "way. Where it does not occur, a level is looked for as always.",
    )

    @field_validator("channel")
    @classmethod
    def _check_channel(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Where `run_pattern` itself is wrong, that is the error to show.
        if value is not None and "run_pattern" in info.data:
            template.check(value, cls.channel_words, info.data["run_pattern"])
        return value


class Source(ABC):
    """
    One configured source.

    Args:
        name: from the configuration's table.
        options: its keys, as typed values.
        status: what it tells about itself.
    """

    Options: ClassVar[type[SourceOptions]] = SourceOptions
    can_wait: ClassVar[bool] = False
    """Whether what it reads waits for it; else lines over a rate are dropped and declared."""
    reads_ahead: ClassVar[bool] = False
    """Whether it reads on while some lines that it gave are being committed: they can be read
    again, and none is lost with the relay."""

    def __init__(self, name: str, options: SourceOptions, status: SourceStatus) -> None:
        self.name = name
        self.options = options
        self.status = status

    @abstractmethod
    def batches(self, positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        """
        Read, by the contract at the top of this module.

        Args:
            positions: each reader's last published position.

        Raises:
            SourceError: it cannot go on for now.
        """

    def connect(self, hub: Hub) -> None:  # noqa: B027 - few need it
        """Take note of the hub, before anything starts; for those who are asked from outside."""

    def followed(self, batches: list[Batch]) -> list[Batch]:
        """
        Return batches as they are to be published, with what they say of runs.

        Args:
            batches: its own, refined: lines have the runs that they name.
        """
        return batches

    @property
    def feeds(self) -> AbstractSet[str]:
        """
        Channels for which lines may come from what it reads now, however long it is silent.

        Others are forgotten when they have been silent for long enough.
        """
        return frozenset()

    async def stop(self) -> list[Batch]:
        """
        Return the last batches, which a cancelled generator could not yield any more.

        Called once, after the generator was closed; ends what it left running.
        """
        return []

    def channel_for(self, **words: str) -> str:
        """
        Return the channel that the template names; the pattern's groups are filled in later.

        Args:
            words: what stands for the words of ``Options.channel_words``, without ``source``.
        """
        given = self.options
        return template.fill(
            given.channel or "{source}", {"source": self.name, **words}, given.run_pattern
        )

    def origin(
        self,
        stream: Stream = Stream.STDOUT,
        instance: str | None = None,
        run: str | None = None,
    ) -> Origin:
        """Return the origin of lines of ``stream``, with the level that they have by default."""
        return Origin(self.name, instance, run, stream, self.options.level.of(stream))
