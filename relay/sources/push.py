"""
Push: lines that clients bring over HTTP. The parts: ``push_delivery`` (one push under way) and
``push_counts`` (how far runs have come).

Rules of this file:

* What was pushed goes through the supervisor as any source's batches do. The generator takes
  all that waits, so many small pushes are one publishing.
* A run's lines are counted as they were sent, by newlines, when they are handed on: a newer
  push that says where in the run it stands beats older ones, whose connection may be dead
  without our knowing, and what was counted is skipped.
* Lines are handed on together with their count, so that they become visible, and durable, as
  one: after a crash a client that asks for the run's offset loses and repeats nothing. Nobody
  is told of a count that is not visible yet.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from relay.config.clashes import Claim
from relay.config.values import Size
from relay.decode.encoding import WIDE
from relay.entry import (
    Batch,
    Position,
    RunEnded,
    RunStarted,
)
from relay.hub import Hub
from relay.inlet import Push, RefusedPushError
from relay.sources.base import Source, SourceOptions, SourceState, SourceStatus
from relay.sources.push_counts import RunCounts
from relay.sources.push_delivery import PushDelivery

__all__ = ["Globs", "NoChannel", "PushOptions", "PushSource"]

STOP_POLL_SECONDS = 0.01
"""How often to look whether the last lines are visible; nothing tells it."""

_GLOB = re.compile(r"[A-Za-z0-9._:*?\[\]!-]{1,128}", re.ASCII)


def _globs(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _glob(value: str) -> str:
    if not _GLOB.fullmatch(value):
        raise ValueError("a channel's name, or a glob for it")
    return value


def _no_channel(value: Any) -> None:
    if value is not None:
        raise ValueError("no channel: a push names its own, `channels` says which it may name")


NoChannel = Annotated[None, BeforeValidator(_no_channel), WithJsonSchema({"type": "null"})]
"""The channel of a source whose pushes name theirs."""

Globs = Annotated[
    list[Annotated[str, AfterValidator(_glob)]],
    BeforeValidator(_globs),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""Names of channels, and globs for them."""


class PushOptions(SourceOptions):
    """Keys of ``type = "push"``."""

    type: Literal["push"]
    channel: NoChannel = Field(None, description="None: a push names its channel itself.")
    channels: Globs = Field(
        description="Channels that may be pushed to: a name or glob, or a list of them."
    )
    max_body: Size = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="A body whose length is told beforehand may have so many bytes. One that is "
        "streamed may be endless.",
    )

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        if value in WIDE:
            raise ValueError("an encoding whose newline is one byte: pushes are counted by it")
        return value

    @property
    def claims(self) -> list[Claim]:
        """Its globs: a push is taken by one source."""
        return [Claim("channels", f"pushes to {glob!r} are taken") for glob in self.channels]


_Waiting = tuple[Sequence[Batch], "asyncio.Future[None]"]
"""Batches that are handed on, and who waits for them."""


class PushSource(Source):
    """Takes pushes; web asks it through the hub."""

    Options = PushOptions
    options: PushOptions
    can_wait = True
    counts: RunCounts
    """Known once it is connected."""

    def __init__(self, name: str, options: PushOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self.hub: Hub | None = None
        self.deliveries: set[PushDelivery] = set()
        """All that are under way."""
        self._waiting: list[_Waiting] = []
        self._answering: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_stopped = False

    def connect(self, hub: Hub) -> None:
        """Take pushes to a hub's channels."""
        self.hub = hub
        self.counts = RunCounts(hub)
        hub.inlets[self.name] = self

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """Hand on what is pushed, for ever."""
        self.status.enter(SourceState.RUNNING)
        while True:
            await self._news.wait()
            self._news.clear()
            waiting, self._waiting = self._waiting, []
            given = [batch for batches, _ in waiting for batch in batches]
            try:
                yield given
            except GeneratorExit:
                self._answer(waiting, RefusedPushError("stopping", "the relay is stopping"))
                raise
            finally:
                self.counts.settle(given)
            self._answer(waiting)

    async def stop(self) -> list[Batch]:
        """Take no more; return what has not been published."""
        self._is_stopped = True
        waiting, self._waiting = self._waiting, []
        self._answering = asyncio.create_task(self._answer_at_the_end(waiting))
        return [batch for batches, _ in waiting for batch in batches]

    async def _answer_at_the_end(self, waiting: Sequence[_Waiting]) -> None:
        """Answer those whose lines are the last, once they are published."""
        while self.status.state is not SourceState.STOPPED:  # noqa: ASYNC110 no event tells it
            await asyncio.sleep(STOP_POLL_SECONDS)
        self._answer(waiting)

    @staticmethod
    def _answer(
        waiting: Sequence[_Waiting],
        error: Exception | None = None,
    ) -> None:
        for _, published in waiting:
            if published.done():
                continue  # Its client has left.
            if error is None:
                published.set_result(None)
            else:
                published.set_exception(error)

    @property
    def feeds(self) -> frozenset[str]:
        """The channels of the pushes that are under way."""
        return frozenset([delivery.push.channel for delivery in self.deliveries])

    @property
    def channels(self) -> tuple[str, ...]:
        """Globs of the channels that may be pushed to."""
        return tuple(self.options.channels)

    @property
    def max_body_bytes(self) -> int:
        """Most bytes of a body whose length is told beforehand."""
        return self.options.max_body

    def accepts(self, channel: str) -> bool:
        """Tell whether pushes to the channel are allowed."""
        return any(fnmatchcase(channel, glob) for glob in self.options.channels)

    async def open(self, push: Push) -> PushDelivery:
        """Begin a push, and the run that it belongs to; see :class:`relay.inlet.Inlet`."""
        self.require_running()
        assert self.hub is not None
        self.hub.admit([push.channel])
        if push.run is not None:
            await self._begin_run(push, push.run)
        delivery = PushDelivery(self, push)
        self.deliveries.add(delivery)
        try:
            await delivery.declare_hole()
        except BaseException:
            delivery.close()
            raise
        return delivery

    async def complete(self, channel: str, ended: RunEnded) -> None:
        """End a run of this source; pushes to it that are under way are over."""
        for delivery in list(self.deliveries):
            if delivery.push.run == ended.run:
                delivery.supersede()
        await self.publish([Batch(self.name, channel, runs=(ended,))])

    async def _begin_run(self, push: Push, name: str) -> None:
        assert self.hub is not None
        known = self.hub.runs.get(name)
        if known is not None and known.source not in self.hub.inlets:
            raise RefusedPushError(
                "run_taken", f"run: {name!r} is a run of the source {known.source!r}"
            )
        # A name that comes again after its end, from the beginning, is counted anew.
        started = RunStarted(name, time.time_ns(), push.instance, anew=not push.offset)
        await self.publish([Batch(self.name, push.channel, runs=self.counts.starts(started))])

    def is_foreign(self, run: str) -> bool:
        """Tell whether a run is of a source that takes no pushes."""
        known = self.hub.runs.get(run) if self.hub is not None else None
        return known is not None and self.hub is not None and known.source not in self.hub.inlets

    def is_running(self, run: str) -> bool:
        """Tell whether a run is known and under way."""
        known = self.hub.runs.get(run) if self.hub is not None else None
        return known is not None and known.ending_id is None

    @property
    def is_open(self) -> bool:
        """Whether it takes what is pushed."""
        return not self._is_stopped

    def require_running(self) -> None:
        """
        Refuse what comes after the end.

        Raises:
            RefusedPushError: the relay is stopping.
        """
        if self._is_stopped:
            raise RefusedPushError("stopping", "the relay is stopping")

    async def publish(self, batches: Sequence[Batch]) -> None:
        """
        Hand on batches, and wait until they are visible.

        They are published also if whoever waits is cancelled.

        Raises:
            RefusedPushError: the relay is stopping.
        """
        self.require_running()
        await self._hand_on(batches)

    def leave(self, batches: Sequence[Batch]) -> None:
        """Hand on batches that nobody waits for."""
        self._hand_on(batches).cancel()

    def _hand_on(self, batches: Sequence[Batch]) -> "asyncio.Future[None]":
        published = asyncio.get_running_loop().create_future()
        self.counts.hand_on(batches)
        self._waiting.append((batches, published))
        self._news.set()
        return published
