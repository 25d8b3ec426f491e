"""What a Docker engine sends, spelled out."""

from datetime import UTC, datetime

__all__ = ["PART", "SECOND", "engine_time", "frame", "multiplexed", "part", "terminal"]

SECOND = 1_000_000_000
PART = 16384


def engine_time(ns: int) -> bytes:
    """Return a time as the engine writes it."""
    at = datetime.fromtimestamp(ns // SECOND, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09}Z".encode()


def frame(stream: int, payload: bytes) -> bytes:
    """Return a frame of stream 1 or 2."""
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def part(ns: int, stream: int, text: bytes) -> bytes:
    """Return the frame of a line, or of a part of one, in a stream from 0."""
    return frame(stream + 1, engine_time(ns) + b" " + text)


def multiplexed(lines: "list[tuple[int, int, bytes]]") -> bytes:
    """Return frames of lines: (time, stream from 0, text), split as the engine does."""
    out = []
    for ns, stream, line in lines:
        parts = [line[start : start + PART] for start in range(0, len(line), PART)] or [b""]
        out += [part(ns, stream, one) for one in parts]
    return b"".join(out)


def terminal(lines: "list[tuple[int, bytes]]") -> bytes:
    """Return what the engine sends of a terminal: its time again before each part."""
    out = []
    for ns, line in lines:
        head = engine_time(ns) + b" "
        parts = [line[start : start + PART] for start in range(0, len(line), PART)] or [b""]
        out += [head + one for one in parts]
    return b"".join(out)
