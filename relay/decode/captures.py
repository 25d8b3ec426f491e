r"""
Patterns from the configuration that take something out of lines: found in whole batches.

The engine is RE2, as for clients' patterns (:mod:`relay.pattern` has the rules): linear in the
bytes, whatever the pattern and whatever the lines.

Cost, for lines of 100 bytes: 0.1 µs for one without a match, 1.5 to 3 µs for one with.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from relay.errors import QueryError
from relay.lines import Lines
from relay.pattern import expression_of

__all__ = ["AnyOf", "Captures", "Match", "compile_expression", "group_numbers"]

MAX_MEMORY_BYTES = 16 << 20
"""Of one compiled pattern with the states that searches add: beyond it searches are slower."""

Match = Any
"""RE2's match: ``match[number]``, which takes half the time of ``match.group(number)``."""


class Captures:
    """
    A pattern with named groups.

    Args:
        text: as the configuration has it.
        required: a group that it must have; ``None``: any named one will do.
        example: a pattern that would have been right.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """

    __slots__ = ("_entry", "_line", "groups")

    def __init__(self, text: str, required: str | None, example: str) -> None:
        self._entry = compile_expression(text)
        self._line = compile_expression(text, never_nl=True)
        self.groups: dict[str, int] = group_numbers(self._line)
        """Each named group and its number."""
        if not self.groups or (required is not None and required not in self.groups):
            kind = "named groups" if required is None else f'a group named "{required}"'
            raise ValueError(f"a pattern with {kind}, such as '{example}'")

    def find(self, lines: Lines) -> Iterator[tuple[int, Match]]:
        """Give each line that the pattern occurs in: its index, and the first match in it."""
        if lines.has_newlines:
            matches = ((i, self._entry.search(entry)) for i, entry in enumerate(lines.split()))
            yield from ((index, match) for index, match in matches if match is not None)
            return
        text, newlines = lines.text, lines.text.count
        index = counted = start = 0
        last = len(text) - 1
        found: Iterator[Match] = self._line.finditer(text, 0, last)
        while start <= last and (match := next(found, None)) is not None:
            begin, end = match.span()
            if begin < start:
                # The second in its line. Going on costs a third less than searching anew.
                found = self._line.finditer(text, start, last)
                continue
            index += newlines(b"\n", counted, end)
            yield index, match
            counted = end
            start = text.find(b"\n", end) + 1


def compile_expression(text: str, *, never_nl: bool = False) -> Any:
    """
    Compile a pattern of the configuration; ``^`` and ``$`` are the ends of a line.

    Args:
        text: the pattern.
        never_nl: whether it may take no newline in, for a search in many lines at once.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    try:
        expression = expression_of(text, "")
    except QueryError as error:
        raise ValueError(error.allowed) from None
    return _compile(expression, never_nl=never_nl, groups=True)


class AnyOf:
    """
    Several patterns, looked for in many lines at once.

    Args:
        texts: patterns that compile by themselves.

    Raises:
        ValueError: they are too large together.
    """

    __slots__ = ("_count", "_set", "search")

    def __init__(self, texts: Sequence[str]) -> None:
        expressions = [expression_of(text, "") for text in texts]
        joined = "|".join(f"(?:{expression})" for expression in expressions)
        self.search = _compile(joined, never_nl=True, groups=False).search
        """Find the next place in some lines where any of them occurs."""
        self._count = len(expressions)
        self._set = _compile_set(expressions)

    def which(self, text: bytes) -> Sequence[int]:
        """Return which of them may occur in lines in which at least one does."""
        # None at all means that the engine ran out of memory for this.
        return self._set.Match(text) or range(self._count)


def _compile(expression: str, *, never_nl: bool, groups: bool) -> Any:
    re2 = _engine()
    try:
        return re2.compile(
            f"(?m){expression}".encode(), _options(never_nl=never_nl, groups=groups)
        )
    except re2.error as error:
        reason = error.args[0].decode(errors="replace").replace("(?m)", "", 1)
        raise ValueError(f"a pattern ({reason})") from None


def _compile_set(expressions: Sequence[str]) -> Any:
    re2 = _engine()
    patterns = re2.Set.SearchSet(_options(never_nl=True, groups=False))
    try:
        for expression in expressions:
            patterns.Add(f"(?m){expression}".encode())
        patterns.Compile()
    except re2.error:
        raise ValueError("fewer or smaller patterns") from None
    return patterns


def _options(*, never_nl: bool, groups: bool) -> Any:
    options = _engine().Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    options.never_nl = never_nl
    # Groups cost a second, slower pass where there is a match.
    options.never_capture = not groups
    return options


def _engine() -> Any:
    """Return RE2: loading it takes 30 ms of a start, so only where there is a pattern."""
    import re2  # type: ignore[import-untyped]

    return re2


def group_numbers(pattern: Any) -> dict[str, int]:
    """Return a compiled pattern's named groups and their numbers."""
    return {name.decode(): number for name, number in pattern.groupindex.items()}
