"""JSON answers and JSON errors, alike everywhere."""

from typing import Any

import orjson
from aiohttp import web

__all__ = ["answer", "refuse"]


def answer(value: Any, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE),
        status=status,
        content_type="application/json",
    )


def refuse(status: int, code: str, message: str, **more: Any) -> web.Response:
    """
    Answer with an error.

    Args:
        status: of HTTP.
        code: stable, for programs.
        message: a sentence, for people.
        more: what else a program may want, such as ``parameter``.
    """
    return answer({"error": {"code": code, "message": message, **more}}, status)
