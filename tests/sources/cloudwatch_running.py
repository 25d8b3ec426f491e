"""Sources of CloudWatch Logs that run beside a test, on one hub."""

import asyncio
from types import TracebackType
from typing import Any, Self

from relay.config.model import ChannelOptions
from relay.entry import Entry
from relay.hub import Hub
from relay.sources.cloudwatch import CloudwatchSource
from relay.sources.cloudwatch_options import CloudwatchOptions
from relay.sources.supervisor import Supervisor
from relay.status import SourceStatus
from tests.fakes.aws_logs import until
from tests.fakes.moto import ACCESS_KEY
from tests.sources.committed import Committed

__all__ = ["Running", "environment"]


class Running:
    """
    A hub and the sources that run on it.

    Args:
        url: that they ask.
        store: what outlives them.
    """

    def __init__(self, url: str, store: Committed | None = None) -> None:
        bounds = ChannelOptions.model_validate({"lines": 100_000})
        self.hub = Hub(lambda name: bounds) if store is None else store.new_hub()
        self.url = url
        self._positions = {} if store is None else store.positions
        self.statuses: dict[str, SourceStatus] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(
        self, name: str = "aws", *, list_seconds: float = 0.2, **keys: Any
    ) -> CloudwatchSource:
        """Start a source."""
        table = {
            "type": "cloudwatch",
            "log_group": "/app",
            "region": "eu-central-1",
            "endpoint_url": self.url,
            "poll_interval": "100ms",
            "poll_interval_max": "100ms",
            "start": "1h",
            "max_requests_per_second": 100,
            **keys,
        }
        options = CloudwatchOptions.model_validate(table)
        status = self.statuses[name] = SourceStatus(name, "cloudwatch")
        source = CloudwatchSource(name, options, status, list_seconds)
        source.connect(self.hub)
        positions = {reader: kept for (of, reader), kept in self._positions.items() if of == name}
        supervisor = Supervisor(source, self.hub, lambda: 0.0, positions)
        self._tasks.append(asyncio.create_task(supervisor.run()))
        return source

    def entries(self, channel: str = "aws") -> list[Entry]:
        """Return what a channel holds."""
        known = self.hub.channels.get(channel)
        if known is None:
            return []
        blocks = [*known.blocks_before(self.hub.last_id + 1)]
        return [block.entry(n) for block in reversed(blocks) for n in range(block.count)]

    def texts(self, channel: str = "aws") -> list[str]:
        """Return the messages of a channel."""
        return [entry.message for entry in self.entries(channel)]

    async def until_texts(self, texts: list[str], channel: str = "aws") -> None:
        """Wait until a channel holds so many lines, and compare them."""
        await until(lambda: len(self.texts(channel)) >= len(texts))
        assert self.texts(channel) == texts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def environment() -> dict[str, str]:
    """Return what the environment must say."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }
