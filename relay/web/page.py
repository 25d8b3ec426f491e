"""The page and its files, as they stand in ``relay/static``."""

from collections.abc import Awaitable, Callable
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


async def index(request: web.Request) -> web.FileResponse:
    """Answer with the page; its paths are relative, so that any base path works."""
    return web.FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)


async def file(request: web.Request) -> web.FileResponse:
    """
    Answer with a file of the page.

    Raises:
        HTTPNotFound: there is none of that name; a path that leads out of the folder is none.
    """
    try:
        path = (STATIC / request.match_info["path"]).resolve()
        is_ours = path.is_relative_to(STATIC) and path.is_file()
    except (ValueError, OSError):
        # A NUL, or a name longer than file systems have.
        is_ours = False
    if not is_ours:
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=PAGE_HEADERS)


def module(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return what answers with a module for other pages, whose parts stand in ``static``."""

    async def answer(request: web.Request) -> web.Response:
        body = f'export * from "./static/{name}";\n'
        return web.Response(text=body, content_type="text/javascript", headers=PAGE_HEADERS)

    return answer


async def to_index(request: web.Request) -> web.Response:
    """Send to the page: its relative paths need the slash."""
    raise web.HTTPMovedPermanently(request.path + "/")


def add_page(app: web.Application, prefix: str) -> None:
    """Add the routes of the page under ``prefix``."""
    app.router.add_get(f"{prefix}/", index)
    if prefix:
        app.router.add_get(prefix, to_index)
    for name in MODULES:
        app.router.add_get(f"{prefix}/{name}", module(name))
    app.router.add_get(f"{prefix}/static/{{path:.+}}", file)
