"""
What a subscription of CloudWatch Logs sends: gzip, and in it JSON; unpacked with bounds.

Pure. Data comes as Kinesis, Lambda and Firehose hand it on: one gzip file or several behind one
another, each of one or several JSON objects, or, where Firehose unpacked it, these as they are.
What is none of that is text: Firehose may carry anything.

Source: Amazon CloudWatch Logs User Guide, "Log group-level subscription filters".
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from relay.errors import RelayError

__all__ = ["UNPACKED", "Budget", "Payload", "UnreadableError", "from_base64", "payloads", "unpack"]

GZIP = b"\x1f\x8b"

GZIP_WINDOW = 31
"""zlib's word for gzip with any window."""

STEP_BYTES = 1 << 20

MAX_RECORD_BYTES = 64 << 20
"""Of one record once it is unpacked; packed it has a million, by Firehose's rule."""

UNPACKED = 32
"""How many times as large a delivery may be once unpacked. Logs are some ten times as large."""

BETWEEN = b"\r\n"
"""What may stand behind a gzip file: Firehose ends records with a newline where it is told to."""

DATA, CONTROL = "DATA_MESSAGE", "CONTROL_MESSAGE"

Payload = dict[str, Any] | bytes
"""A subscription's JSON object, or text of which nothing is known."""


class UnreadableError(RelayError):
    """
    Data that cannot be unpacked.

    Args:
        sentence: what was expected and what was read.
        too_large: whether it is only that there is too much.
    """

    def __init__(self, sentence: str, *, too_large: bool = False) -> None:
        self.sentence = sentence
        self.too_large = too_large

    def __str__(self) -> str:
        return self.sentence

    def at(self, place: str) -> "UnreadableError":
        """Return the same of what stands at a place."""
        return UnreadableError(f"{place}: {self.sentence}", too_large=self.too_large)


class Budget:
    """
    How many bytes may still be unpacked: a small body may hold gigabytes of nothing.

    Args:
        most_bytes: in all.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.left_bytes = most_bytes

    def spend(self, size: int) -> None:
        """
        Take bytes.

        Raises:
            UnreadableError: there are not as many left, or were not before.
        """
        self.left_bytes -= size
        if self.left_bytes < 0:
            sentence = f"data: expected at most {self._most_bytes} bytes once unpacked, got more"
            raise UnreadableError(sentence, too_large=True)


def from_base64(text: object) -> bytes:
    """
    Return what base64 stands for.

    Raises:
        UnreadableError: it is none.
    """
    if isinstance(text, str):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise UnreadableError("data: expected base64")


def unpack(data: bytes, budget: Budget) -> bytes:
    """
    Undo gzip, once for each file of it; what is not packed stays as it is.

    Raises:
        UnreadableError: it is broken, or too much.
    """
    # Of nothing nothing can be unpacked: to zlib no bytes at most are as many as there are.
    budget.spend(0)
    if not data.startswith(GZIP):
        budget.spend(len(data))
        return data
    pieces: list[bytes] = []
    left_bytes = MAX_RECORD_BYTES
    while data.startswith(GZIP):
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            while not unpacker.eof and data:
                # Never more than a step beyond what is allowed is in memory.
                most = min(STEP_BYTES, left_bytes + 1, budget.left_bytes + 1)
                pieces.append(unpacker.decompress(data, most))
                left_bytes -= len(pieces[-1])
                if left_bytes < 0:
                    sentence = f"data: expected at most {MAX_RECORD_BYTES} bytes in a record"
                    raise UnreadableError(f"{sentence} once unpacked, got more", too_large=True)
                budget.spend(len(pieces[-1]))
                data = unpacker.unconsumed_tail
        except zlib.error:
            raise UnreadableError(
                "data: expected gzip as it was packed, got broken bytes"
            ) from None
        if not unpacker.eof:
            raise UnreadableError("data: expected all of a gzip file, got its beginning")
        data = unpacker.unused_data.lstrip(BETWEEN)
    if data:
        raise UnreadableError("data: expected nothing else behind gzip, got something")
    return b"".join(pieces)


def payloads(data: bytes) -> Iterator[Payload]:
    """
    Give what unpacked data holds.

    Raises:
        UnreadableError: a subscription's object is not as it should be.
    """
    objects = _objects(data)
    if objects is None:
        if data:
            yield data
        return
    for one in objects:
        if one["messageType"] == CONTROL:
            continue
        if not isinstance(one.get("logEvents"), list):
            raise UnreadableError("logEvents: expected a list")
        yield one


def _objects(data: bytes) -> list[dict[str, Any]] | None:
    """Return a subscription's objects, however many stand behind one another; else ``None``."""
    if not data.startswith(b"{"):
        return None
    try:
        found = [orjson.loads(data)]
    except orjson.JSONDecodeError:
        found = _several(data)
    types = [one.get("messageType") if isinstance(one, dict) else None for one in found]
    return found if found and set(types) <= {DATA, CONTROL} else None


def _several(data: bytes) -> list[Any]:
    text, decoder = data.decode(errors="replace"), json.JSONDecoder()
    found, at = [], 0
    while at < len(text):
        try:
            one, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            # Nothing of a subscription's lies as deep as to exceed what can be read.
            return []
        found.append(one)
        while text[at : at + 1] in ("\n", "\r", " "):
            at += 1
    return found
