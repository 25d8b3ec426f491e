"""
Encoders: pure functions from spans and matches to bytes.

Add an output format: one module with an :class:`~relay.encode.base.Encoder`, and one line in
``ENCODERS``; every transport that can carry it then offers it.
"""

from relay.encode.base import Encoder
from relay.encode.ndjson import NdjsonEncoder
from relay.encode.sse import SseEncoder
from relay.encode.text import TextEncoder

__all__ = ["ENCODERS", "Encoder"]

ENCODERS: dict[str, Encoder] = {
    encoder.name: encoder
    for encoder in (SseEncoder(), NdjsonEncoder(), TextEncoder(), TextEncoder(gaps=True))
}
"""All formats of a stream by name, as ``?format=`` takes them."""
