"""
What holds for every request: who may ask, and how errors are told.

A page of another site must not read logs through a visitor's browser. While the relay listens
on loopback, a ``Host`` that is no name of it is refused (DNS rebinding); methods that change
something are refused to foreign origins.

Source: DESIGN section 6, "Browsers"; WHATWG Fetch for CORS.
"""

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from relay.errors import ChannelLimitError, NotFoundError, QueryError
from relay.web.answers import refuse
from relay.web.keys import HUB, SETTINGS, Settings

__all__ = ["MIDDLEWARES", "add_headers"]

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """
    Refuse foreign hosts and origins, and answer preflights.

    What handlers raise becomes a JSON error; users never see a traceback.
    """
    # One middleware for all: each costs half a KiB while its client is connected.
    try:
        refusal = _check_host(request) or _check_origin(request)
        return await handler(request) if refusal is None else refusal
    except ConnectionResetError:
        # The client left before its answer began: there is nobody to tell.
        return web.Response(status=400)
    except QueryError as error:
        return refuse(
            400, "invalid_parameter", str(error), parameter=error.parameter, allowed=error.allowed
        )
    except NotFoundError as error:
        return refuse(404, f"unknown_{error.kind}", str(error), near=list(error.near))
    except ChannelLimitError as error:
        return refuse(429, "channel_limit", str(error), limit=error.limit)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        refusal = refuse(405, "method_not_allowed", f"{request.method}: expected one of {allowed}")
        refusal.headers["Allow"] = allowed
        return refusal
    except web.HTTPNotFound:
        return refuse(404, "unknown_path", _unknown_path(request))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return refuse(error.status, "refused", error.reason.lower())
    except Exception:
        # The border of a request: whatever went wrong is ours, and stays with us.
        log.exception("a request failed: %s %s", request.method, request.path)
        return refuse(500, "internal_error", "the relay failed at this request; its log says more")


def _check_host(request: web.Request) -> web.Response | None:
    """Refuse names that are not ours while we listen on loopback."""
    settings = request.app[SETTINGS]
    if settings.loopback and not _is_ours(request.host, settings):
        return refuse(
            403,
            "foreign_host",
            f"host: expected localhost, a loopback address or one of [server] hosts, "
            f"got {request.host!r}",
        )
    return None


def _check_origin(request: web.Request) -> web.Response | None:
    """Refuse foreign origins where a request could do harm, and answer preflights."""
    origin = request.headers.get("Origin")
    if origin is None or request.headers.get("Sec-Fetch-Site") == "same-origin":
        return None
    is_known = origin in request.app[SETTINGS].cors_origins
    if request.method == "OPTIONS" and is_known:
        return web.Response(status=204, headers=_PREFLIGHT)
    # By its text: what is no URL is nobody's origin, and need not be parsed.
    is_own = origin.partition("://")[2] == request.host
    harmless = request.method in ("GET", "HEAD") and not _is_websocket(request)
    if not (is_own or is_known or harmless):
        return refuse(
            403,
            "foreign_origin",
            f"origin: expected this host or one of [server] cors_origins, got {origin!r}",
        )
    return None


MIDDLEWARES = [guard]

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT",
    "Access-Control-Allow-Headers": "Last-Event-ID, Authorization, Content-Type, Relay-Run, "
    "Relay-Instance, Relay-Stream, Relay-Level, Relay-Offset",
    "Access-Control-Max-Age": "600",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries; called when it is prepared."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "relay"
    origin = request.headers.get("Origin")
    if origin is not None and origin in request.app[SETTINGS].cors_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        vary = response.headers.get("Vary")
        response.headers["Vary"] = "Origin" if vary is None else f"{vary}, Origin"


def _unknown_path(request: web.Request) -> str:
    sentence = f"no page {request.path!r}"
    name = request.path.rpartition("/")[2]
    if name in request.app[HUB].channels:
        sentence += f"; the channel {name} is at {request.path}/raw, /json and /sse"
    return sentence


def _is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _is_ours(host: str, settings: Settings) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in settings.hosts:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
