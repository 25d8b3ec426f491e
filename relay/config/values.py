"""
Value types of the configuration: durations, sizes, channel names.

They are plain numbers and strings once read (seconds, bytes); the unit lives in the text.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from relay.names import ALLOWED_NAME, is_channel_name
from relay.quantities import parse_duration, parse_size

__all__ = [
    "DURATION_PATTERN",
    "SIZE_PATTERN",
    "ChannelName",
    "Duration",
    "Size",
]

DURATION_PATTERN = r"^(\d+(\.\d+)?\s*(us|ms|s|m|h|d|w))+$"
SIZE_PATTERN = r"^(\d+(\.\d+)?\s*([KMGT]i?)?B)+$"


def _duration(value: Any) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            pass
    raise ValueError('a duration such as "250ms", "10s", "5m", "1h" or "7d"')


def _size(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except ValueError:
            pass
    raise ValueError('a size such as "64KiB", "16MiB" or "1GiB"')


def _channel_name(value: str) -> str:
    if not is_channel_name(value):
        raise ValueError(ALLOWED_NAME)
    return value


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""Seconds; written as ``"10s"``. Validators raise the noun phrase of what is allowed."""

Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN}),
]
"""Bytes; written as ``"64KiB"``."""

ChannelName = Annotated[str, AfterValidator(_channel_name)]
"""A channel's name by the rule of :mod:`relay.names`."""
