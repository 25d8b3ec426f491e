"""
Which entries a reader asks for.

Rule of this file: a query is a frozen value in one canonical spelling, since answers are shared
between equal queries. Nothing is run here: a matcher does that.
"""

import re
from dataclasses import dataclass, field, fields
from fnmatch import translate
from functools import lru_cache

from relay.entry import Level, Stream

__all__ = ["Query", "is_glob", "names_match"]


@dataclass(frozen=True, slots=True)
class Query:
    """
    Which entries a reader asks for: those that satisfy every condition.

    An empty tuple and ``None`` are no condition. Tuples are sorted and without repeats.

    Args:
        channels: names or globs.
        sources: names or globs.
        instances: names or globs; an entry without an instance satisfies none.
        runs: ids or globs; an entry without a run satisfies none.
        streams: any of these.
        levels: any of these; may be empty, which nothing satisfies.
        text: all of these occur, in any case; ASCII letters are in lower case here.
        regex: all of these patterns occur.
        exclude: none of these texts occurs, in any case.
        exclude_regex: none of these patterns occurs.
        fields: path and value in a line that is a JSON object, or in its fields.
        since_ns: this time or later, in nanoseconds since the epoch.
        until_ns: before this time.
    """

    channels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    streams: frozenset[Stream] | None = None
    levels: frozenset[Level] | None = None
    text: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exclude_regex: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    is_plain: bool = field(init=False, repr=False, compare=False)
    """Whether every entry of the channels is wanted."""
    _hash: int = field(init=False, repr=False, compare=False)
    _size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions = [part for part in fields(self) if part.compare]
        values = tuple(getattr(self, part.name) for part in conditions)
        plain = all(
            value == part.default
            for part, value in zip(conditions, values, strict=True)
            if part.name != "channels"
        )
        object.__setattr__(self, "is_plain", plain)
        object.__setattr__(self, "_hash", hash(values))
        object.__setattr__(self, "_size", 300 + 2 * len(repr(values)))

    @property
    def size_bytes(self) -> int:
        """About what it costs to keep."""
        return self._size

    def __hash__(self) -> int:
        # Computed once: every look into a cache asks for it.
        return self._hash

    def selects(self, channel: str) -> bool:
        """Tell whether the query takes in the channel of that name."""
        return not self.channels or names_match(self.channels, channel)

    def selects_run(self, run: str) -> bool:
        """Tell whether the query takes in the run of that id."""
        return not self.runs or names_match(self.runs, run)

    @property
    def has_patterns(self) -> bool:
        """Whether a matcher has something to compile, which blocks."""
        return bool(self.text or self.regex or self.exclude or self.exclude_regex)

    @property
    def single_run(self) -> str | None:
        """The run's id, where exactly one is named."""
        if len(self.runs) == 1 and not is_glob(self.runs[0]):
            return self.runs[0]
        return None


def is_glob(name: str) -> bool:
    """Tell whether ``name`` stands for many: ``*`` is any text, ``?`` any character."""
    return "*" in name or "?" in name


def names_match(names: tuple[str, ...], name: str) -> bool:
    """Tell whether ``name`` is one of ``names``, or one of the globs among them takes it in."""
    return _compile_names(names).fullmatch(name) is not None


@lru_cache(1024)
def _compile_names(names: tuple[str, ...]) -> "re.Pattern[str]":
    # fnmatch compiles "*" to atomic groups, so that many of them cost no backtracking; its
    # classes are not ours.
    return re.compile("|".join(translate(name.replace("[", "[[]")) for name in names))
