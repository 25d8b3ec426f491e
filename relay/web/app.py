"""The routes, and the application that has them."""

import re

from aiohttp import web

from relay.hub import Hub
from relay.matcher import MatchCache
from relay.names import ROUTE_WORDS
from relay.render import Renderer
from relay.web.awslogs import awslogs
from relay.web.bodies import BODIES, Bodies
from relay.web.channels import all_channels, one_channel
from relay.web.connections import Connections
from relay.web.download import download
from relay.web.firehose import firehose
from relay.web.histogram import histogram
from relay.web.keys import CONNECTIONS, HUB, MATCHES, RENDERER, SETTINGS, Settings
from relay.web.logs import logs
from relay.web.middleware import MIDDLEWARES, add_headers
from relay.web.page import add_page
from relay.web.push import complete, no_page, push
from relay.web.runs import all_runs, one_run
from relay.web.status import health, ready, status, store_status
from relay.web.status_feed import STATUS_FEED, StatusFeed, status_socket, status_stream
from relay.web.stream import stream
from relay.web.websocket import websocket

__all__ = ["create_app"]

CACHED_MATCHES_BYTES = 8 * 1024 * 1024


def create_app(hub: Hub, settings: Settings) -> web.Application:
    """
    Return the application that serves a hub.

    Args:
        hub: whose channels.
        settings: how it behaves.
    """
    app = web.Application(middlewares=MIDDLEWARES)
    matches = MatchCache(CACHED_MATCHES_BYTES)
    app[HUB] = hub
    app[MATCHES] = matches
    app[RENDERER] = Renderer(matches)
    app[SETTINGS] = settings
    app[CONNECTIONS] = Connections(settings.heartbeat_seconds)
    app[BODIES] = Bodies()
    app[STATUS_FEED] = StatusFeed(hub, app[CONNECTIONS])
    app.on_response_prepare.append(add_headers)
    _add_routes(app, settings.base_path)
    return app


def _add_routes(app: web.Application, prefix: str) -> None:
    get, api = app.router.add_get, f"{prefix}/api/v1"
    add_page(app, prefix)
    get(f"{prefix}/healthz", health)
    get(f"{prefix}/readyz", ready)
    get(f"{api}/status", status)
    get(f"{api}/status/store", store_status)
    get(f"{api}/status/stream", status_stream)
    get(f"{api}/status/ws", status_socket)
    get(f"{api}/channels", all_channels)
    get(f"{api}/channels/{{channel}}", one_channel)
    get(f"{api}/runs", all_runs)
    get(f"{api}/runs/{{run}}", one_run)
    app.router.add_post(f"{api}/runs/{{run}}/complete", complete)
    app.router.add_post(f"{api}/push/firehose/{{channel}}", firehose)
    app.router.add_post(f"{api}/push/awslogs/{{channel}}", awslogs)
    for owner in ("", "/channels/{channel}", "/runs/{run}"):
        get(f"{api}{owner}/logs", logs)
        get(f"{api}{owner}/logs/stream", stream)
        get(f"{api}{owner}/logs/ws", websocket)
        get(f"{api}{owner}/logs/download", download)
        get(f"{api}{owner}/logs/histogram", histogram)
    for channels in ("", "/{channels}"):
        get(f"{prefix}{channels}/{{format:raw|json|sse}}", stream)
        get(f"{prefix}{channels}/ws", websocket)
    # What is none of the server's own words may name a channel.
    channel = f"{prefix}/{{channel:(?!(?:{'|'.join(map(re.escape, ROUTE_WORDS))})$)[^/]+}}"
    for method in ("POST", "PUT"):
        app.router.add_route(method, channel, push)
    get(channel, no_page)
