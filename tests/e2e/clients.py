"""Clients that keep what they got, and resume as they should."""

import json
import random
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SseClient"]


@dataclass
class SseClient:
    """
    A raw SSE client: it sees every byte, and can be cut at any.

    Args:
        port: of the relay, on loopback.
        path: what it asks for.
        events: what it was given, as (type, object).
        last_id: of the last whole event.
    """

    port: int
    path: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    last_id: str | None = None
    _socket: socket.socket | None = None
    _buffer: bytes = b""

    def connect(self) -> None:
        """Connect, resuming after the last event."""
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        header = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        # HTTP/1.0 for bytes without frames; every event is still whole or cut as it was sent.
        request = f"GET {self.path} HTTP/1.0\r\nHost: localhost\r\n{header}\r\n"
        self._socket.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive(1 << 16)
        head, _, self._buffer = head.partition(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        self._take()

    def _receive(self, most: int) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(most)
        if not data:
            raise EOFError
        return data

    def read(self, most: int = 1 << 16) -> None:
        """Read once, at most so many bytes."""
        if self._socket is None:
            # What came with the head may be all there is.
            self.connect()
            return
        self._buffer += self._receive(most)
        self._take()

    def read_to_end(self) -> None:
        """Read until the relay ends the stream."""
        with suppress(EOFError):
            while True:
                self.read()
        self.drop()

    def _take(self) -> None:
        *whole, self._buffer = self._buffer.split(b"\n\n")
        for event in whole:
            self._take_event(event.decode())

    def _take_event(self, event: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in event.split("\n"))
        self.events.append((fields["event"], json.loads(fields["data"])))
        if "id" in fields:
            self.last_id = fields["id"]

    def drop(self) -> None:
        """Cut the connection where it is, inside an event or a character."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer = b""

    def read_until_message(self, message: str, chance: random.Random | None = None) -> None:
        """Read until the entry ``message``; with ``chance``, dropping and resuming at random."""
        deadline = time.monotonic() + 60
        seen = 0
        while True:
            assert time.monotonic() < deadline, (message, self.events[-1:])
            if chance is not None and chance.random() < 0.2:
                self.drop()
            self.read(chance.randrange(1, 60_000) if chance else 1 << 18)
            new, seen = self.events[seen:], len(self.events)
            if any(one.get("message") == message for _, one in new):
                return

    @property
    def messages(self) -> list[str]:
        """The entries' messages, in order."""
        return [one["message"] for kind, one in self.events if kind == "log"]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The gaps, in order."""
        return [one for kind, one in self.events if kind == "gap"]
