"""A hub with a source of AWS's pushes, served."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Any

from relay.entry import Position
from relay.hub import Hub
from relay.sources.cloudwatch_push import (
    MOST_KEPT_IN_ALL,
    CloudwatchPushOptions,
    CloudwatchPushSource,
)
from relay.sources.supervisor import Supervisor
from relay.status import SourceState, SourceStatus
from tests.fakes.aws_logs import until
from tests.fakes.subscription import KEY

__all__ = ["messages", "pushed"]

NO_POSITIONS: Mapping[str, Position] = MappingProxyType({})


@asynccontextmanager
async def pushed(
    hub: Hub,
    most_known: int = MOST_KEPT_IN_ALL,
    positions: Mapping[str, Position] = NO_POSITIONS,
    **keys: Any,
) -> AsyncIterator[CloudwatchPushSource]:
    """Run a source."""
    table = {"type": "cloudwatch-push", "channels": ["lambda-*"], "access_key": KEY, **keys}
    status = SourceStatus("aws", "cloudwatch-push")
    options = CloudwatchPushOptions.model_validate(table)
    source = CloudwatchPushSource("aws", options, status, most_known)
    source.connect(hub)
    task = asyncio.create_task(Supervisor(source, hub, positions=positions).run())
    await until(lambda: status.state is SourceState.RUNNING)
    try:
        yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def messages(hub: Hub, channel: str = "lambda-a") -> list[str]:
    """Return what a channel holds."""
    blocks = [*hub.channels[channel].blocks_before(hub.last_id + 1)]
    return [text for block in reversed(blocks) for text in block.lines.strings()]
