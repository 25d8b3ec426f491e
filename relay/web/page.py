"""
The page and its files, as they stand in ``relay/static``.

They are few and small, so each is read once, compressed once, and sent from memory: a page is
some forty modules, and a thread for each of them would take longer than the modules.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

__all__ = ["add_page"]

STATIC = (Path(__file__).parent.parent / "static").resolve()

MODULES = ("client.js", "embed.js")
"""For pages anywhere: the relay's client, and its list of lines as an element."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'self'; "
    "form-action 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

TYPES = {".js": "text/javascript", ".ts": "text/plain"}
"""What a host's own table may have otherwise."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it is sent."""

    stamp: tuple[int, int]
    """When it was written, and its size: by these it is seen that it has changed."""
    body: bytes
    compressed: bytes
    headers: dict[str, str]


class _Files:
    """What was read of the page's files so far."""

    def __init__(self) -> None:
        self._read: dict[str, _File] = {}

    def respond(self, request: web.Request, name: str) -> web.Response:
        """
        Answer with a file.

        Raises:
            HTTPNotFound: there is none of that name; a path that leads out of the folder is none.
        """
        found = self._file(name)
        headers = PAGE_HEADERS | found.headers
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(
                body=found.compressed, headers=headers | {"Content-Encoding": "gzip"}
            )
        return web.Response(body=found.body, headers=headers)

    def _file(self, name: str) -> _File:
        try:
            path = (STATIC / name).resolve()
            if not (path.is_relative_to(STATIC) and path.is_file()):
                raise web.HTTPNotFound
            stat = path.stat()
        except (ValueError, OSError):
            # A NUL, or a name longer than file systems have.
            raise web.HTTPNotFound from None
        stamp = stat.st_mtime_ns, stat.st_size
        known = self._read.get(name)
        if known is None or known.stamp != stamp:
            known = self._read[name] = _read(path, stamp)
        return known


def _read(path: Path, stamp: tuple[int, int]) -> _File:
    body = path.read_bytes()
    type_ = TYPES.get(path.suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    if type_.startswith("text/"):
        type_ += "; charset=utf-8"
    headers = {
        "Content-Type": type_,
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
        "Vary": "Accept-Encoding",
    }
    return _File(stamp, body, gzip.compress(body, mtime=0), headers)


def _module(name: str) -> Handler:
    """Return what answers with a module for other pages, whose parts stand in ``static``."""

    async def answer(request: web.Request) -> web.Response:
        body = f'export * from "./static/{name}";\n'
        return web.Response(text=body, content_type="text/javascript", headers=PAGE_HEADERS)

    return answer


async def to_index(request: web.Request) -> web.Response:
    """Send to the page: its relative paths need the slash."""
    raise web.HTTPMovedPermanently(request.path + "/")


def add_page(app: web.Application, prefix: str) -> None:
    """Add the routes of the page under ``prefix``; paths in it are relative."""
    files = _Files()

    async def index(request: web.Request) -> web.Response:
        return files.respond(request, "index.html")

    async def file(request: web.Request) -> web.Response:
        return files.respond(request, request.match_info["path"])

    app.router.add_get(f"{prefix}/", index)
    if prefix:
        app.router.add_get(prefix, to_index)
    for name in MODULES:
        app.router.add_get(f"{prefix}/{name}", _module(name))
    app.router.add_get(f"{prefix}/static/{{path:.+}}", file)
