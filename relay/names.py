"""
Names of channels and runs: what is allowed, what is made of anything else, what is near.

Source: DESIGN section 6, "A channel's name".
"""

import difflib
import re
from collections.abc import Iterable
from itertools import islice

__all__ = ["ALLOWED_NAME", "ROUTE_WORDS", "channel_name", "is_channel_name", "is_run_id", "near"]

MAX_NAME_CHARACTERS = 128

ROUTE_WORDS = frozenset(
    "api raw json sse ws healthz readyz metrics static client.js embed.js favicon.ico".split()
)
"""First path segments that are the server's own."""

ALLOWED_NAME = (
    "1 to 128 ASCII letters, digits, '.', '_', ':', '-', the first a letter, a digit or '_', "
    "and none of the words " + ", ".join(sorted(ROUTE_WORDS))
)
"""The rule in words, for error messages."""

MAX_COMPARED = 1000
"""Known names that a near one is sought among: each costs 15 µs."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,127}", re.ASCII)
_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]", re.ASCII)


def is_channel_name(name: str) -> bool:
    """Tell whether ``name`` may name a channel."""
    return _NAME.fullmatch(name) is not None and name not in ROUTE_WORDS


def is_run_id(name: str) -> bool:
    """Tell whether ``name`` may be a run's id; route words are allowed."""
    return _NAME.fullmatch(name) is not None


def channel_name(text: str) -> str:
    """
    Make a channel's name of any text, as templates do.

    Every character that is not allowed becomes ``-``; a name that could not stand (empty, a
    route word, a wrong first character) gets ``_`` before it.
    """
    name = _FOREIGN.sub("-", text)[:MAX_NAME_CHARACTERS]
    if not is_channel_name(name):
        name = ("_" + name)[:MAX_NAME_CHARACTERS]
    return name


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return known names that resemble ``name``, best first."""
    folded: dict[str, str] = {}
    for candidate in islice(known, MAX_COMPARED):
        folded.setdefault(candidate.casefold(), candidate)
    sought = name.casefold()
    close = difflib.get_close_matches(sought, folded, n=most, cutoff=0.6)
    # A run's id is often its job's name and a time: what begins alike is near too.
    begun = [match for match in sorted(folded) if sought and match.startswith(sought)]
    return [folded[match] for match in dict.fromkeys(close + begun)][:most]
