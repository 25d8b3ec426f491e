"""
Docker containers: each read once, through any restart of theirs, the engine's or ours.

The parts: ``docker_engine`` (asking it), ``docker_facts`` (what it says, as values),
``docker_selection`` (which containers), ``docker_watch`` (who comes and goes),
``docker_container`` (reading one), ``docker_log`` (asking for its log), ``docker_answer`` (one
answer with it), ``docker_frames`` and ``docker_records`` (bytes into records),
``docker_position`` (which of them are new), ``docker_skips`` (when the engine may have left some
out), ``docker_lives`` (which run they are of), ``docker_entries`` and ``docker_output`` (records
into batches), ``docker_row`` (what status shows).
"""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from relay.config.clashes import Claim
from relay.decode.encoding import WIDE
from relay.entry import Batch, Position
from relay.sources import template
from relay.sources.base import Source, SourceOptions, SourceState, SourceStatus
from relay.sources.docker_container import Beginning
from relay.sources.docker_engine import DEFAULT_HOST, Engine, Host
from relay.sources.docker_facts import Container
from relay.sources.docker_selection import Choice, Selection, own_container, words_of
from relay.sources.docker_watch import Watch
from relay.times import ALLOWED_TIME, parse_time

__all__ = ["DockerOptions", "DockerSource"]

CHANNEL = "{service}"

ENGINE = "engine"
"""The reader whose position says that the engine was seen; others are containers' ids."""

_HOST = re.compile(r"unix:///[^\0]+|(tcp|http|https)://[^/\s]+/?")


def _globs(value: Any) -> Any:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise ValueError('text such as "web-*", or a list of it')
    return values


_GLOBS_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}},
    ]
}
Globs = Annotated[list[str], BeforeValidator(_globs), WithJsonSchema(_GLOBS_SCHEMA)]


def _tail(value: Any) -> Any:
    if value == "all" or (type(value) is int and value >= 0):
        return value
    raise ValueError('a number of lines, or "all"')


def _since(value: Any) -> Any:
    try:
        parse_time(value if isinstance(value, str) else "", time.time_ns())
    except ValueError:
        raise ValueError(ALLOWED_TIME) from None
    return value


class Exclude(BaseModel):
    """Which containers are not read: those of which any of these holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    containers: Globs = Field([], description="Globs over names, or ids.")
    label: Globs = Field([], description="`name` or `name=value`; the value may be a glob.")
    project: Globs = Field([], description="Globs over Compose projects.")
    service: Globs = Field([], description="Globs over Compose services, or else names.")
    image: Globs = Field([], description="Globs over images.")


class DockerOptions(SourceOptions):
    """Containers of a Docker engine."""

    channel_words = ("service", "container", "project", "image", "label:NAME", "source")

    type: Literal["docker"]
    containers: Globs = Field(
        ["*"], description="Globs over containers' names; or ids, of which 12 digits do."
    )
    label: Globs = Field(
        [],
        description="Only containers with one of these labels: `name` or `name=value`, where the "
        "value may be a glob.",
    )
    project: Globs = Field([], description="Only those of these Compose projects: globs.")
    service: Globs = Field(
        [], description="Only those of these Compose services, or else of these names: globs."
    )
    image: Globs = Field([], description="Only those of these images: globs.")
    exclude: Exclude = Field(
        Exclude.model_validate({}),
        description="Containers that are not read: a table of the same keys, of which one must "
        "hold. The relay's own container never is.",
    )
    host: str | None = Field(
        None,
        description="The engine: `unix:///path` or `tcp://host:port`. Default: `DOCKER_HOST`, or "
        f"`{DEFAULT_HOST}`.",
    )
    tls_ca: str | None = Field(
        None, description="File with the certificates by which the engine is known: speak TLS."
    )
    tls_cert: str | None = Field(None, description="File with the relay's own certificate.")
    tls_key: str | None = Field(None, description="File with its key.")
    tail: Annotated[
        Literal["all"] | int,
        BeforeValidator(_tail),
        WithJsonSchema({"anyOf": [{"enum": ["all"]}, {"type": "integer", "minimum": 0}]}),
    ] = Field(
        1000,
        description="How many of the last lines are read of containers that are there when the "
        "engine is first seen: a number, or `all`. Those that are made later are read whole.",
    )
    since: Annotated[str, BeforeValidator(_since)] | None = Field(
        None, description="And none that are older: a time, or how long ago, such as `1h`."
    )
    system_events: bool = Field(
        False,
        description="Whether a change of a container's state or health is an entry too, of "
        "stream `system`.",
    )
    channel: str | None = Field(
        CHANNEL,
        description="Channel, or a template for it: `{service}` is the Compose service, or else "
        "the container's name, `{container}` its name, `{project}` the Compose project, `{image}` "
        "its image, `{label:NAME}` a label of it, `{source}` this source's name.",
    )

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        if value in WIDE:
            raise ValueError(
                "an encoding whose newline is one byte: the engine splits lines by it"
            )
        return value

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str | None) -> str | None:
        if value is not None and not _HOST.fullmatch(value):
            raise ValueError('"unix:///path" or "tcp://host:port"')
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> "DockerOptions":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key, or none of both")
        if self.tls_cert is not None and self.tls_ca is None:
            raise ValueError("tls_ca beside tls_cert")
        return self

    @property
    def engine(self) -> Host:
        """Where the engine is."""
        url = self.host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        return Host(url.rstrip("/"), self.tls_ca, self.tls_cert, self.tls_key)

    @property
    def choice(self) -> Choice:
        """Which containers are read."""
        return Choice(self.containers, self.label, self.project, self.service, self.image)

    @property
    def claims(self) -> list[Claim]:
        """Its globs: a container is read once, where nothing else tells two sources apart."""
        others = (self.label, self.project, self.service, self.image, self.exclude)
        terms = (self.engine.url, *map(str, others))
        return [Claim("containers", f"{glob!r} is read", terms) for glob in self.containers]


_Waiting = tuple[Sequence[Batch], "asyncio.Future[None]"]
"""Batches that a reader hands over, and its wait for their publishing."""


class DockerSource(Source):
    """
    Read containers.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: its rows are containers: ``reading``, ``ended``, ``waiting``, ``unreadable``.
    """

    Options = DockerOptions
    can_wait = True
    options: DockerOptions

    def __init__(self, name: str, options: DockerOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self._watch: Watch | None = None
        self._waiting: list[_Waiting] = []
        self._news = asyncio.Event()
        self._has_told_sight = False
        self._words = template.words_in(options.channel or "")

    @property
    def feeds(self) -> frozenset[str]:
        """The channels of containers that run."""
        readers = self._watch.readers.values() if self._watch is not None else ()
        return frozenset(reader.channel for reader in readers if reader.may_speak)

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """
        Read, by the contract of :class:`~relay.sources.base.Source`.

        Raises:
            SourceError: the engine cannot be reached.
        """
        watch = self._watch = self._watch or self._new_watch(positions)
        async for given in self._handed_over():
            yield given
        async with Engine(self.options.engine) as engine:
            self.status.enter(SourceState.RUNNING)
            # What is made from now on is read whole.
            watch.seen_ns = watch.seen_ns or time.time_ns()
            work = asyncio.create_task(watch.run(engine), name=f"engine of {self.name}")
            work.add_done_callback(lambda _: self._news.set())
            try:
                while not work.done():
                    await self._news.wait()
                    async for given in self._handed_over():
                        yield given
                work.result()
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _handed_over(self) -> AsyncGenerator[list[Batch], None]:
        """Yield what readers have handed over, and tell them once it is published."""
        self._news.clear()
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            given = [batch for batches, _ in waiting for batch in batches]
            try:
                yield [*self._sight(given[0].channel), *given]
            except GeneratorExit:
                # Not published: it is the first to be yielded again.
                self._waiting[:0] = waiting
                raise
            self._has_told_sight = True
            for _, published in waiting:
                published.set_result(None)

    def _new_watch(self, positions: Mapping[str, Position]) -> Watch:
        options = self.options
        selection = Selection(
            options.choice, Choice(**options.exclude.model_dump()), own_container()
        )
        since = options.since
        beginning = Beginning(
            None if options.tail == "all" else options.tail,
            0 if since is None else parse_time(since, time.time_ns()),
        )
        kept = {reader: one for reader, one in positions.items() if reader != ENGINE}
        return Watch(self, selection, beginning, kept, _seen_ns(positions.get(ENGINE)))

    def _sight(self, channel: str) -> list[Batch]:
        """Return, once, that the engine was seen; a position of its own would make a channel."""
        if self._has_told_sight or self._watch is None:
            return []
        position = Position(json.dumps({"seen": self._watch.seen_ns}))
        return [Batch(self.name, channel, reader=ENGINE, position=position)]

    # What its readers ask of it

    @property
    def common(self) -> SourceOptions:
        """Its options."""
        return self.options

    @property
    def tells_events(self) -> bool:
        """Whether changes of state are entries."""
        return self.options.system_events

    def channel_of(self, container: Container) -> str:
        """Return the channel of a container's lines."""
        return self.channel_for(**words_of(container, self._words))

    def hand_on(self, batches: Sequence[Batch]) -> "asyncio.Future[None]":
        """Publish; what is returned is done when that is."""
        published = asyncio.get_running_loop().create_future()
        self._waiting.append((batches, published))
        self._news.set()
        return published


def _seen_ns(kept: Position | None) -> int | None:
    try:
        return None if kept is None else int(json.loads(kept.value)["seen"])
    except (ValueError, TypeError, KeyError):
        return None
