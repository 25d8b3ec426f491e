"""
Durations and sizes as people write them: a number and its unit, or several behind one another.

They are plain numbers once read (seconds, bytes); the unit lives in the text.
"""

import re

__all__ = ["format_duration", "format_size", "parse_duration", "parse_size"]

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)


def parse_duration(text: str) -> float:
    """
    Return the seconds in ``250ms``, ``10s``, ``5m``, ``1h``, ``7d``, ``2w`` or ``1h30m``.

    Raises:
        ValueError: ``text`` is no duration.
    """
    return _sum(text, _SECONDS)


def parse_size(text: str) -> int:
    """
    Return the bytes in ``64KiB``, ``16MiB``, ``1GiB``, ``500KB`` or ``100B``.

    Raises:
        ValueError: ``text`` is no size.
    """
    return int(_sum(text, _BYTES))


def format_duration(seconds: float) -> str:
    """Return the shortest way to write ``seconds`` with one unit: ``1m`` for 60."""
    return _shortest(seconds, _SECONDS)


def format_size(size_bytes: int) -> str:
    """Return the shortest way to write ``size_bytes`` with one unit: ``64KiB``."""
    return _shortest(size_bytes, _BYTES)


def _shortest(value: float, units: dict[str, float] | dict[str, int]) -> str:
    texts = [f"{value / size:.15g}{unit}" for unit, size in units.items()]
    return min((text for text in texts if "e" not in text), key=len)


def _sum(text: str, units: dict[str, float] | dict[str, int]) -> float:
    total, end = 0.0, 0
    stripped = text.strip()
    for match in _QUANTITY.finditer(stripped):
        if match.start() != end or match[2] not in units:
            break
        total += float(match[1]) * units[match[2]]
        end = match.end()
    if not stripped or end != len(stripped) or total == float("inf"):
        raise ValueError(text)
    return total
