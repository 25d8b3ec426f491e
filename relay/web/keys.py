"""What handlers are given, by key: everything that is shared lives in the application."""

from dataclasses import dataclass

from aiohttp import web

from relay.hub import Hub
from relay.matcher import MatchCache
from relay.render import Renderer
from relay.web.connections import Connections

__all__ = ["CONNECTIONS", "HUB", "MATCHES", "RENDERER", "SETTINGS", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How the server behaves.

    Args:
        base_path: before every route, such as ``/logs``; empty for none.
        loopback: whether it listens on loopback only; then foreign hosts are refused.
        hosts: names besides loopback's that a client may ask for.
        cors_origins: origins whose pages may read.
        heartbeat_seconds: how long a stream may be silent.
        write_seconds: how long a client may take nothing.
    """

    base_path: str = ""
    loopback: bool = True
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    heartbeat_seconds: float = 15.0
    write_seconds: float = 60.0


HUB = web.AppKey("hub", Hub)
MATCHES = web.AppKey("matches", MatchCache)
RENDERER = web.AppKey("renderer", Renderer)
CONNECTIONS = web.AppKey("connections", Connections)
SETTINGS = web.AppKey("settings", Settings)
