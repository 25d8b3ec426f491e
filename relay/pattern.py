r"""
Patterns that clients send: compiled once, run over whole blocks, without backtracking.

The engine is RE2 (package ``google-re2``). ``^`` and ``$`` stand for line ends, ``.`` for all
but a newline; ``\w \d \s \b`` are ASCII (``\p{L}`` is any letter), and ``(?i)`` compares letters
in any case by Unicode. A pattern that needs backtracking is refused, and so is one that turns
out to cost too much over what it meets (see :data:`MAX_BYTE_NS`).

How one search decides for many entries:

* In the block, the pattern may not take a newline in (RE2's ``never_nl``), so a match lies in
  one line; and in an entry without newlines it can mean nothing else. After a match the search
  goes on in the next line.
* A match costs 1.2 µs in Python. Where many lines match, ``^(?:.*PATTERN.*\n)+`` finds a whole
  run of them at once: 0.3 µs a line. For this, classes that hold a newline among others, such
  as ``\s`` and ``[^"]``, are written without it; a pattern where we cannot tell goes without.
* Entries that hold newlines themselves are searched alone.

Vectorscan (``hyperscan`` 0.9.1) is three times as fast where every line matches, but misses
some matches (``(?s)curl.*\|\s*python``) and writes beyond its stack for others; see its issue
382 and pull request 392.
"""

import re
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from relay.errors import QueryError
from relay.lines import Lines
from relay.selection import ALL, NONE, Selection, of

__all__ = [
    "MAX_PATTERN_CHARACTERS",
    "Literal",
    "Pattern",
    "compile_pattern",
    "expression_of",
    "literal",
]

MAX_PATTERN_CHARACTERS = 1000

MAX_MEMORY_BYTES = 1 << 20
"""Of one compiled form with the states that searches add. A larger pattern is refused."""

MAX_BYTE_NS = 100
MAX_MATCH_NS = 30_000
MAX_DEBT_NS = 30_000_000
"""
What a pattern may cost: so much processor time for each byte searched, each search and each
match, and once so much beyond that. Usual patterns need 0.1 to 2 ns a byte and 1.2 µs a search
or match (each gives up the interpreter lock: more where threads are many). Those made to hurt,
such as ``(a?b?[ab]){90}c`` over the right text, need 2,500 a byte: the loop would stand for
seconds.
"""

CACHED_PATTERNS = 64

_CHUNK_BYTES = 16 * 1024
"""Searched at a time, so that what a pattern costs is seen soon."""

_FEW = 24
"""More matches than this in one chunk are looked for by runs."""

_TOKEN = re.compile(
    r"""
    \\Q (?P<quoted> .*? ) (?: \\E | \Z )
  | \\ (?P<escape> . )
  | (?P<class> \[ \^? \]? (?: \\. | \[:\^?[a-z]*:\] | [^\]\\] )* \] )
  | (?P<group> \( (?: \?(?P<flags>[a-zA-Z]*(?:-[a-zA-Z]*)?)[:)] | \?<[=!] | \?P[=>] | \?. )? )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)

_REFUSED_GROUPS = {
    "(?=": "look-around",
    "(?!": "look-around",
    "(?<=": "look-around",
    "(?<!": "look-around",
    "(?P=": "back-references",
    "(?>": "atomic groups",
    "(?(": "conditions",
    "(?P>": "recursion",
    "(?R)": "recursion",
    "(?&": "recursion",
}
_REFUSED_ESCAPES = dict.fromkeys("123456789gk", "back-references") | dict.fromkeys(
    "AZzG", "anchors of the whole text, '^' and '$' are those of a line,"
)
_REFUSED_ESCAPES |= {"C": "single bytes", "K": "resets of the match"}

_WITHOUT_NEWLINE = {"s": r"[^\S\n]", "D": r"[^\d\n]", "W": r"[^\w\n]"}
_NEVER_NEWLINE = frozenset("wdSbBtrfavE")

# What a class may list so that we know that it holds no newline; where it has ranges, nothing
# that could be the lower end of one that does.
_CLASS_WITH_RANGES = re.compile(r"(?:[^\\\[\]\x00-\x1f]|\\[wdS]|\\[^\w\x00-\x20])+")
_CLASS_WITHOUT_RANGES = re.compile(r"(?:[^\\\[\]\x00-\x1f-]|\\[wdSstrf]|\\[^\w\x00-\x1f])+")

Span = tuple[int, int]
"""Offsets inside the first and the last of neighbouring lines that match, or at their ends."""


class Pattern:
    """
    A compiled pattern; one thread at a time searches with it.

    Over blocks of 100-byte lines a search costs 10 to 150 ns a line, 300 where every line
    matches.

    Args:
        text: as the client wrote it.
        parameter: by which the client gave it.
        expression: the same for the engine.

    Raises:
        re2.error: it cannot be compiled.
    """

    __slots__ = ("_entry", "_line", "_run", "_spare_ns", "parameter", "text")

    def __init__(self, text: str, parameter: str, expression: str) -> None:
        self.text = text
        self.parameter = parameter
        self._spare_ns = MAX_DEBT_NS
        self._entry = _compile(f"(?m){expression}")
        self._line = _compile(f"(?m){expression}", never_nl=True)
        inside = _without_newlines(expression)
        self._run = None if inside is None else _compile_run(inside)

    def matches(self, entry: bytes) -> bool:
        """Tell whether the pattern occurs in one entry's text. Costs about 1 µs."""
        return self._entry.search(entry) is not None

    def select(self, lines: Lines) -> Selection:
        """
        Return the entries that the pattern occurs in.

        Raises:
            QueryError: the pattern turned out to cost too much.
        """
        spans = self._spans(lines.text)
        if not lines.has_newlines:
            return _by_count(lines, spans)
        ends = lines.ends
        mask = bytearray(lines.count)
        for start, stop in spans:
            first, last = bisect_left(ends, start), bisect_left(ends, stop)
            mask[first : last + 1] = b"\1" * (last + 1 - first)
        start = 0
        for index, end in enumerate(ends):
            if lines.text.find(b"\n", start, end) >= 0:
                mask[index] = self.matches(lines.text[start:end])
            start = end + 1
        return of(bytes(mask))

    def _spans(self, text: bytes) -> Iterator[Span]:
        start, is_dense = 0, False
        while start < len(text):
            stop = text.find(b"\n", min(start + _CHUNK_BYTES, len(text) - 1))
            began_ns = time.thread_time_ns()
            found = self._search(text, start, stop, is_dense=is_dense)
            self._charge(stop - start, len(found), time.thread_time_ns() - began_ns)
            yield from found
            covered = sum(end - begin for begin, end in found)
            is_dense = len(found) > _FEW or 8 * covered > stop - start
            start = stop + 1

    def _search(self, text: bytes, start: int, stop: int, *, is_dense: bool) -> list[Span]:
        """Search the lines from the offset ``start`` to the newline at ``stop``."""
        found: list[Span] = []
        matches = self._line.finditer(text, start, stop)
        while not is_dense or self._run is None:
            match = next(matches, None)
            if match is None:
                return found
            begin, end = match.span()
            if begin < start:
                # The second in its line. Going on costs a third less than searching anew.
                matches = self._line.finditer(text, start, stop)
                continue
            found.append((end, end))
            start = text.find(b"\n", end) + 1
            if start > stop:
                return found
            is_dense = len(found) > _FEW
        runs = self._run.finditer(text, start, stop + 1)
        found += [(run.start(), run.end() - 1) for run in runs]
        return found

    def _charge(self, searched_bytes: int, matches: int, cost_ns: int) -> None:
        """Take note of what a search cost."""
        # A block of one short line costs a search too: where a channel is quiet they are many.
        free_ns = MAX_MATCH_NS * (matches + 1)
        if cost_ns > MAX_BYTE_NS / 4 * searched_bytes + free_ns:
            # "P" at every place of a line has many more states than at its first one.
            self._run = None
        spare_ns = self._spare_ns + MAX_BYTE_NS * searched_bytes + free_ns - cost_ns
        # What was saved before does not pay for what comes.
        self._spare_ns = min(spare_ns, MAX_DEBT_NS)
        if spare_ns < 0:
            raise QueryError(self.parameter, self.text, "a pattern that is searched for quickly")


def compile_pattern(text: str, parameter: str = "regex") -> Pattern:
    """
    Compile a client's pattern, or find it among the last ones.

    Blocks for 0.2 ms, at the worst for some 50: not on the loop.

    Args:
        text: the pattern.
        parameter: what to name in an error.

    Raises:
        QueryError: it is too long, no pattern, or needs what cannot be had in linear time.
    """
    return _cached(text, parameter, expression_of(text, parameter))


def expression_of(text: str, parameter: str) -> str:
    """
    Return a pattern as it can be put among others for the engine.

    Raises:
        QueryError: it is too long, or needs what cannot be had in linear time.
    """
    _check_length(text, parameter)
    for token in _TOKEN.finditer(text):
        _refuse(token, text, parameter)
        if token["quoted"] is not None and not token[0].endswith(r"\E"):
            # It would quote what is put behind the pattern too.
            return text + r"\E"
    return text


def literal(text: str, parameter: str = "q") -> "Pattern | Literal":
    """Compile text that is found in any case; else as :func:`compile_pattern`."""
    _check_length(text, parameter)
    pattern = _cached(text, parameter, "(?i)" + re.escape(text))
    return Literal(text, pattern) if text and text.isascii() and "\n" not in text else pattern


class Literal:
    """
    ASCII text that is found in any case, without an engine.

    Over blocks of 100-byte lines a search costs 10 ns a line and 0.3 µs each that matches, a
    tenth of what :class:`Pattern` takes for it.

    Args:
        text: that is looked for; not empty, and without a newline.
        pattern: the same, for entries that hold newlines.
    """

    __slots__ = ("_folded", "_pattern")

    def __init__(self, text: str, pattern: Pattern) -> None:
        self._folded = text.lower().encode()
        self._pattern = pattern

    def matches(self, entry: bytes) -> bool:
        """Tell whether the text occurs in one entry's."""
        return self._pattern.matches(entry)

    def select(self, lines: Lines) -> Selection:
        """Return the entries that the text occurs in."""
        if lines.has_newlines:
            return self._pattern.select(lines)
        text, wanted = _folded(lines.text), self._folded
        find, newlines = text.find, text.count
        position = find(wanted)
        if position < 0:
            return NONE
        mask = bytearray(lines.count)
        index = start = 0
        while position >= 0:
            index += newlines(b"\n", start, position)
            mask[index] = 1
            index += 1
            start = find(b"\n", position) + 1
            position = find(wanted, start)
        return of(bytes(mask)) if 0 in mask else ALL


@lru_cache(4)
def _folded(text: bytes) -> bytes:
    """Return text in small letters; the two others that are "k" and "s" in small, too."""
    folded = text.lower()
    for letter, small in _SMALL.items():
        if letter in folded:
            folded = folded.replace(letter, small)
    return folded


_SMALL = {"\N{KELVIN SIGN}".encode(): b"k", "\N{LATIN SMALL LETTER LONG S}".encode(): b"s"}


def _check_length(text: str, parameter: str) -> None:
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise QueryError(parameter, text, f"at most {MAX_PATTERN_CHARACTERS} characters")


def _refuse(token: "re.Match[str]", text: str, parameter: str) -> None:
    """Name what the engine does not have, or has in a meaning that is not ours."""
    reason = _REFUSED_ESCAPES.get(token["escape"] or "") or _REFUSED_GROUPS.get(token[0])
    if "m" in (token["flags"] or "").partition("-")[2]:
        reason = "lines turned off"
    if reason:
        raise QueryError(parameter, text, f"a pattern without {reason} {token[0]}")


@lru_cache(CACHED_PATTERNS)
def _cached(text: str, parameter: str, expression: str) -> Pattern:
    re2 = _engine()
    try:
        return Pattern(text, parameter, expression)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        if "(?m)" in reason:
            # It quotes the pattern as we put it together.
            reason = reason.partition(": ")[0]
        raise QueryError(parameter, text, f"a pattern ({reason})") from None


def _engine() -> Any:
    """Return RE2: loading it takes 30 ms, a tenth of the relay's start."""
    import re2  # type: ignore[import-untyped]

    return re2


def _compile(expression: str, *, never_nl: bool = False) -> Any:
    re2 = _engine()
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    # Groups cost a second, slower pass.
    options.never_capture = True
    options.never_nl = never_nl
    return re2.compile(expression.encode(), options)


def _compile_run(inside: str) -> Any | None:
    try:
        return _compile(rf"(?m)^(?:.*(?:{inside}).*\n)+")
    except _engine().error:
        return None


def _without_newlines(expression: str) -> str | None:
    """Write an expression so that it takes no newline in; ``None`` where we cannot tell."""
    parts = [_token_without_newline(token) for token in _TOKEN.finditer(expression)]
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None


def _token_without_newline(token: "re.Match[str]") -> str | None:
    text, escape = token[0], token["escape"]
    if escape in _WITHOUT_NEWLINE:
        return _WITHOUT_NEWLINE[escape]
    if escape and escape.isalnum():
        return text if escape in _NEVER_NEWLINE else None
    if token["class"]:
        return _class_without_newline(text)
    if token["flags"]:
        return _flags_without_newline(text, token["flags"])
    return None if "\n" in text else text


def _flags_without_newline(text: str, flags: str) -> str:
    """Leave ``s`` out: "." then takes all but a newline."""
    on, dash, off = flags.partition("-")
    kept = on.replace("s", "") + dash + off
    return f"(?{kept}{text[-1]}" if kept or text[-1] == ":" else ""


def _class_without_newline(text: str) -> str | None:
    if text[1] == "^":
        body = text[2:-1]
        guard = "\\" if body[0] in "]-" else ""
        return rf"[^\n{guard}{body}]"
    body = text[1:-1]
    if "-" in body:
        return text if _CLASS_WITH_RANGES.fullmatch(body) else None
    if not _CLASS_WITHOUT_RANGES.fullmatch(body):
        return None
    return "[" + re.sub(r"\\(.)", lambda m: r"\t\f\r " if m[1] == "s" else m[0], body) + "]"


def _by_count(lines: Lines, spans: Iterable[Span]) -> Selection:
    """Mark entries without newlines; counts newlines, so that no offsets are needed."""
    mask: bytearray | None = None
    newlines = lines.text.count
    index = position = 0
    for start, stop in spans:
        if mask is None:
            mask = bytearray(lines.count)
        index += newlines(b"\n", position, start)
        mask[index] = 1
        if start != stop:
            more = newlines(b"\n", start, stop)
            mask[index : index + more + 1] = b"\1" * (more + 1)
            index += more
        position = stop
    return NONE if mask is None else of(bytes(mask)) if 0 in mask else ALL
