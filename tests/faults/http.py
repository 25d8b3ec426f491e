"""One question to the relay, without a library between."""

import asyncio
from dataclasses import dataclass

__all__ = ["Answer", "get"]

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    body: bytes


async def get(port: int, path: str) -> Answer:
    """
    Ask for a path.

    Raises:
        OSError: the relay is not there, or went away.
    """
    async with asyncio.timeout(TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            # HTTP/1.0: the end of the connection is the end of the body.
            writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            head, is_whole, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.transport.abort()
    if not is_whole:
        raise ConnectionResetError("the relay went away")
    expected = _length(head)
    if expected is not None and len(body) < expected:
        raise ConnectionResetError("the relay went away")
    return Answer(int(head.split(b" ", 2)[1]), body)


def _length(head: bytes) -> int | None:
    for field in head.split(b"\r\n")[1:]:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None
