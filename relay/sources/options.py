"""
Judging the keys that every source takes: each function returns a value that can be used.

They raise the noun phrase of what is allowed, from which the configuration's error is made.
Patterns are compiled to see that they can be; a source's refinery compiles them again. What
does so is imported where a key is there: a start without it need not wait.
"""

from datetime import UTC, tzinfo

__all__ = [
    "fields",
    "level_pattern",
    "redact",
    "run_pattern",
    "secret",
    "timestamp",
    "timezone",
    "zone",
]

LOCAL = "local"


def run_pattern(value: str) -> str:
    """Want a pattern with a group ``run``."""
    from relay.decode.runs import Runs

    Runs(value)
    return value


def level_pattern(value: str) -> str:
    """Want a pattern with a group ``level``."""
    from relay.decode.level_words import LevelWords

    LevelWords(value)
    return value


def fields(value: str) -> str:
    """Want ``logfmt`` or a pattern with named groups."""
    from relay.decode.fields import field_finder

    field_finder(value)
    return value


def secret(value: str) -> str:
    """Want the name of a secret, or a pattern."""
    from relay.decode.redact import Redactor

    Redactor([value])
    return value


def redact(value: tuple[str, ...]) -> tuple[str, ...]:
    """Want secrets that can be looked for together."""
    from relay.decode.redact import Redactor

    Redactor(value)
    return value


def timestamp(value: str) -> str:
    """Want ``auto`` or a format."""
    from relay.decode.timestamps import AUTO, formatted

    if value != AUTO:
        formatted(value)
    return value


def timezone(value: str) -> str:
    """Want a zone's name."""
    try:
        zone(value)
    except (ValueError, OSError, LookupError):
        raise ValueError(
            f'the name of a time zone such as "Europe/Berlin" or "UTC", or "{LOCAL}"'
        ) from None
    return value


def zone(name: str) -> tzinfo | None:
    """Return the zone of a name that can be used; ``None`` is the host's own."""
    if name == LOCAL:
        return None
    if name == "UTC":
        # A small image may have no zones but this.
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
