"""
A relay somewhere else: its address as a user gives it, and what it answers to one question.

With the standard library alone, so that short commands answer at once.
"""

import json
import os
import re
import socket
from base64 import b64encode
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import unquote, urlsplit

from relay.errors import RelayError

__all__ = ["DEFAULT_URL", "Remote", "ServerError", "said"]

DEFAULT_URL = "http://127.0.0.1:8514"

PATIENCE_SECONDS = 10.0


class ServerError(RelayError):
    """
    The relay cannot be reached, or refuses.

    Args:
        sentence: where, and why.
        status: of HTTP, where it answered.
    """

    def __init__(self, sentence: str, status: int | None = None) -> None:
        self.sentence = sentence
        self.status = status

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class Remote:
    """
    The address of a relay.

    Args:
        url: as the user gave it.
        base: URL with the base path and no slash behind it; of a unix socket with the host
            ``localhost``.
        socket: path of the unix socket to connect to, if it is one.
    """

    url: str
    base: str
    socket: str | None = None

    @classmethod
    def parse(cls, url: str) -> "Remote":
        """
        Read ``http://HOST:PORT/BASE``, ``https://…``, or ``unix:PATH``.

        Behind the socket's path a base path may follow, as the relay announces it.

        Raises:
            ServerError: it is none of them.
        """
        if url.startswith("unix:") and url != "unix:":
            path, base = _split_socket(url.removeprefix("unix:"))
            return cls(url, f"http://localhost{base}", path)
        try:
            parts = urlsplit(url)
            is_right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_right = False
        if not is_right or re.search(r"[\s?#]", url):
            raise ServerError(f"expected a URL such as {DEFAULT_URL}, or unix:PATH, got {url!r}")
        return cls(url, url.rstrip("/"))

    def get(self, path: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """
        Return the JSON at ``path``, which is below the base.

        Args:
            path: without a slash before it, escaped.
            seconds: how long to wait for each step of it.

        Raises:
            ServerError: the relay cannot be reached, or refuses.
        """
        parts = urlsplit(self.base)
        connection = self._connection(seconds)
        try:
            connection.request("GET", f"{parts.path}/{path}", headers=self._headers())
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            raise ServerError(f"cannot reach {self.url}: {_reason(error)}") from None
        finally:
            connection.close()
        if response.status != 200:
            answered = f"{self.base}/{path} answered {response.status} {response.reason}"
            raise ServerError(said(body) or answered, response.status)
        try:
            return json.loads(body)
        except ValueError:
            raise ServerError(f"{self.url} is no relay: it answered with no JSON") from None

    def _connection(self, seconds: float) -> HTTPConnection:
        parts = urlsplit(self.base)
        if self.socket is not None:
            return _UnixConnection(self.socket, seconds)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=seconds)

    def _headers(self) -> dict[str, str]:
        parts = urlsplit(self.base)
        if parts.username is None:
            return {}
        # A proxy before the relay may ask for them.
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def said(body: bytes) -> str | None:
    """Return the sentence of a relay's error, if ``body`` is one."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return None


def _split_socket(text: str) -> tuple[str, str]:
    """Return the path of a socket, which may not be there now, and the base path behind it."""
    names = text.rstrip("/").split("/")
    for count in range(1, len(names) + 1):
        path = "/".join(names[:count])
        if path and not os.path.isdir(path):
            return path, "".join(f"/{name}" for name in names[count:])
    return text, ""


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # A name that is not known has an error number of its own kind.
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
