"""
What is made of the events of one log group: channels, instances, runs; and the keys that say so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, TypeVar

from pydantic import AfterValidator, Field, field_validator

from relay.config.values import Duration
from relay.entry import Batch, Origin, Position, Stream
from relay.names import channel_name, is_run_id
from relay.sources import template
from relay.sources.base import Source, SourceOptions
from relay.sources.cloudwatch_batches import Making, batches_of
from relay.sources.cloudwatch_events import STREAM, Event
from relay.sources.cloudwatch_lambda import InvocationEnded, Invocations, is_lambda
from relay.sources.cloudwatch_runs import end_pattern

__all__ = ["LineOptions", "LogLines"]

MAX_KEPT = 10_000
"""Names that were made of log streams'."""

K = TypeVar("K")
V = TypeVar("V")

NO_MULTILINE = "no multiline: an event of CloudWatch Logs is an entry as it is"


def _end_pattern(value: str) -> str:
    end_pattern(value)
    return value


def _run(value: str) -> str:
    template.check(value, ("log_stream", "log_group", "name"), None)
    return value


class LineOptions(SourceOptions):
    """Keys that say what is made of events, whichever way they came."""

    channel_words: ClassVar[tuple[str, ...]] = (
        "log_group",
        "name",
        "log_stream",
        "region",
        "source",
    )

    run: Annotated[str, AfterValidator(_run)] | None = Field(
        None,
        description="What names the run of a line, where `run_pattern` does not: text in which "
        "`{log_stream}`, `{log_group}` and `{name}` may stand. Default: for Lambda the request.",
    )
    run_end_pattern: Annotated[str, AfterValidator(_end_pattern)] | None = Field(
        None,
        description="Pattern of the lines that end a run: that of the line, or that which a group "
        "`run` names; groups `status` and `exit_code` say how. Default: Lambda's report ends what "
        "ran in its invocation.",
    )
    run_timeout: Annotated[Duration, Field(gt=0)] | None = Field(
        None, description="A run that is silent for so long has ended. Default: never."
    )
    lambda_lines: bool | None = Field(
        None,
        description="Whether these are lines of Lambda, whose START, END and REPORT are "
        "understood. Default: those of log groups named `/aws/lambda/…` are.",
    )

    @field_validator("multiline", check_fields=False)
    @classmethod
    def _check_multiline(cls, value: object) -> object:
        if value is not None:
            raise ValueError(NO_MULTILINE)
        return value

    @field_validator("encoding", check_fields=False)
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        if value != "utf-8":
            raise ValueError("utf-8: CloudWatch Logs has no other")
        return value


class LogLines:
    """
    The lines of one log group.

    Args:
        source: whose they are.
        options: its keys.
        log_group: its name.
        reader: that reads it.
        region: where it is.
        channel: where all lines go; ``None``: as the configuration says.
    """

    def __init__(
        self,
        source: Source,
        options: LineOptions,
        log_group: str,
        reader: str,
        region: str = "",
        channel: str | None = None,
    ) -> None:
        self._source = source
        self._options = options
        self._reader = reader
        group = log_group.strip("/")
        self._words = {
            "log_group": group,
            "name": group.rpartition("/")[2],
            "region": region,
        }
        wanted = options.lambda_lines
        understands = is_lambda(log_group) if wanted is None else wanted
        self.invocations = Invocations() if understands and options.run is None else None
        self._names_requests = options.run_pattern is None
        self._ends = options.run_end_pattern is None
        self._given_channel = channel
        self._making = Making(
            source.name, reader, self._origin, options.max_line_bytes, options.detect_level
        )
        self._names_streams = "{log_stream}" in (options.channel or "")
        self._channels: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        self._origins: dict[tuple[str, str | None], Origin] = {}

    @property
    def channel(self) -> str | None:
        """Where all lines go; ``None``: to several channels, or it depends on the lines."""
        if not self.is_one_channel:
            return None
        channel = self._channel("")
        return None if "{" in channel else channel

    def batches(self, events: Sequence[Event], position: Position | None) -> list[Batch]:
        """
        Return events as batches.

        Args:
            events: ordered by time.
            position: where the reader stands after them.
        """
        batches: list[Batch] = []
        start = 0
        runs, ends = self._marked(events)
        for stop in [*self._cuts(ends), len(events)]:
            if stop > start:
                stretch = None if runs is None else runs[start:stop]
                batches += self._stretch(events[start:stop], stretch)
            batches += self._endings(ends, start, stop)
            start = stop
        *others, last = batches or [self._empty()]
        return [*others, replace(last, position=position)]

    def _marked(
        self, events: Sequence[Event]
    ) -> tuple[Sequence[str | None] | None, dict[int, InvocationEnded]]:
        """Return each event's run, and the ends of invocations by the index of their report."""
        if self._options.run is not None:
            return [self._named_run(self._options.run, event[STREAM]) for event in events], {}
        if self.invocations is None:
            return None, {}
        requests, ends = self.invocations.mark(events)
        return requests if self._names_requests else None, ends if self._ends else {}

    def _named_run(self, named: str, stream: str) -> str:
        run = self._runs.get(stream)
        if run is None:
            text = template.fill(named, {**self._words, "log_stream": stream}, None)
            run = _kept(self._runs, stream, text)
        return run

    def _cuts(self, ends: dict[int, InvocationEnded]) -> list[int]:
        """Return where to cut, so that a job's lines stand apart from the next invocation's."""
        return [] if self._names_requests else [index + 1 for index in ends]

    def _endings(self, ends: dict[int, InvocationEnded], start: int, stop: int) -> list[Batch]:
        changes = tuple(ended for index, ended in ends.items() if start <= index < stop)
        return [replace(self._empty(), runs=changes)] if changes else []

    def _empty(self) -> Batch:
        channel = self._channel("") if self.is_one_channel else channel_name(self._source.name)
        return Batch(self._source.name, channel, reader=self._reader)

    def _stretch(
        self, events: Sequence[Event], runs: Sequence[str | None] | None
    ) -> Iterator[Batch]:
        """Give batches of events, by channel in the order of their first lines."""
        if self.is_one_channel:
            yield from batches_of(self._making, self._channel(""), events, runs)
            return
        lanes: dict[str, list[int]] = {}
        for number, event in enumerate(events):
            lanes.setdefault(self._channel(event[STREAM]), []).append(number)
        for channel, own in lanes.items():
            some = None if runs is None else [runs[number] for number in own]
            yield from batches_of(self._making, channel, [events[n] for n in own], some)

    @property
    def is_one_channel(self) -> bool:
        """Whether its channel, or the template of it, is the same for all log streams."""
        return self._given_channel is not None or not self._names_streams

    def _channel(self, stream: str) -> str:
        if self._given_channel is not None:
            return self._given_channel
        channel = self._channels.get(stream)
        if channel is None:
            words = {**self._words, "log_stream": stream}
            channel = _kept(self._channels, stream, self._source.channel_for(**words))
        return channel

    def _origin(self, stream: str, run: str | None) -> Origin:
        origin = self._origins.get((stream, run))
        if origin is None:
            name = run if run is None or is_run_id(run) else channel_name(run)
            made = self._source.origin(Stream.STDOUT, stream or None, name)
            origin = _kept(self._origins, (stream, run), made)
        return origin


def _kept(known: dict[K, V], key: K, value: V) -> V:
    """Keep a value that is made again if need be."""
    if len(known) >= MAX_KEPT:
        known.clear()
    known[key] = value
    return value
