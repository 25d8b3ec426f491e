"""What the relay is doing: store, sources, channels, connections; and whether it lives."""

import resource
import time
from collections import Counter
from typing import Any

from aiohttp import web

from relay import __version__
from relay.encode.objects import timestamp
from relay.hub import Hub
from relay.status import SourceState, SourceStatus, StoreState, StoreStatus
from relay.web.answers import answer
from relay.web.channels import channel_object
from relay.web.connections import Connections
from relay.web.keys import CONNECTIONS, HUB
from relay.web.runs import run_object

__all__ = [
    "connections_object",
    "health",
    "ready",
    "source_object",
    "status",
    "status_object",
    "store_object",
    "store_status",
]


async def status(request: web.Request) -> web.Response:
    """Answer with everything that is known."""
    return answer(status_object(request.app[HUB], request.app[CONNECTIONS]))


async def store_status(request: web.Request) -> web.Response:
    """Answer with where the store stands: what a page can ask every other second."""
    return answer(store_object(request.app[HUB].store_status))


async def health(request: web.Request) -> web.Response:
    """Answer that the process lives."""
    return answer({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Answer whether every source has been started; what is failing is ready to be asked."""
    hub = request.app[HUB]
    sources = hub.sources.values()
    starting = [source.name for source in sources if source.state is SourceState.STARTING]
    if request.app[CONNECTIONS].stopping:
        return answer({"status": "stopping"}, 503)
    if starting:
        return answer({"status": "starting", "sources": starting}, 503)
    if hub.store_status.state is StoreState.FAILING:
        # Lines are shown as ever: to start anew would lose those that are in memory only.
        return answer({"status": "degraded", "store": hub.store_status.reason})
    return answer({"status": "ready"})


def status_object(hub: Hub, connections: Connections) -> dict[str, Any]:
    """Return everything that is known as JSON shows it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "version": __version__,
        "started": timestamp(hub.started_ns).decode(),
        "uptime_seconds": round(time.time() - hub.started_ns / 1e9, 3),
        "last_id": hub.last_id,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "store": store_object(hub.store_status),
        "sources": [source_object(source) for source in hub.sources.values()],
        "channels": [channel_object(hub.channels[name]) for name in sorted(hub.channels)],
        "runs": [run_object(run) for run in hub.runs.values()],
        "connections": connections_object(connections),
    }


def store_object(store: StoreStatus) -> dict[str, Any]:
    """Return the store as JSON shows it."""
    unsaved_ns = store.unsaved_ns
    return {
        "state": store.state,
        "since": timestamp(store.since_ns).decode(),
        "reason": store.reason,
        "directory": store.directory,
        "behind_lines": store.behind_lines,
        "behind_bytes": store.behind_bytes,
        "unsaved_since": None if unsaved_ns is None else timestamp(unsaved_ns).decode(),
        "segments": store.segments,
        "stored_bytes": store.stored_bytes,
        "free_bytes": store.free_bytes,
        "recovered": store.recovered,
        "commits": store.commits.total,
        "commit_seconds": {
            "p50": round(store.commits.quantile(0.5), 6),
            "p99": round(store.commits.quantile(0.99), 6),
        },
    }


def source_object(source: SourceStatus) -> dict[str, Any]:
    """Return a source as JSON shows it."""
    return {
        "name": source.name,
        "type": source.type,
        "state": source.state,
        "since": timestamp(source.since_ns).decode(),
        "last_error": source.last_error,
        "last_error_at": (
            None if source.last_error_ns is None else timestamp(source.last_error_ns).decode()
        ),
        "lines": source.lines,
        "lines_per_second": round(source.rate.per_second(), 1),
        "bytes": source.bytes,
        "invalid_bytes": source.invalid_bytes,
        "lost_lines": source.lost_lines,
        "restarts": source.restarts,
        "readers": {
            name: {
                "state": reader.state,
                "detail": reader.detail,
                "position": reader.position,
                "run": reader.run,
                **({} if reader.container is None else {"container": reader.container}),
            }
            for name, reader in source.readers.items()
        },
    }


def connections_object(connections: Connections) -> dict[str, Any]:
    """Return who reads, counted by channel, run and protocol."""
    channels: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    protocols: Counter[str] = Counter()
    for connection in connections:
        protocols[connection.protocol] += 1
        channels.update(connection.query.channels or ["*"])
        runs.update(connection.query.runs)
    return {
        "total": len(connections),
        "by_channel": dict(channels),
        "by_run": dict(runs),
        "by_protocol": dict(protocols),
    }
