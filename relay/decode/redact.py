r"""
Secrets taken out of lines, before ring, disk or client has them.

Rules of this file: every pattern is looked for in the line as it came, and all that any of them
found is replaced at once, so their order does not matter; no match goes over from one entry to
the next; linear in the bytes. Where a pattern has a group named ``secret`` only that is
replaced, so that what stands around it still says what it was.

Cost, for lines of 100 bytes and 20 patterns: 0.14 µs for one without a secret (one scan for all
patterns together), 7 µs for one with; where many have one they are not looked for first, which
makes it 3 µs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from relay.decode.captures import AnyOf, Match, compile_expression, group_numbers
from relay.lines import Lines

__all__ = ["NAMES", "Redactor"]

MASK = b"***"

GROUP = "secret"

Check = Callable[[bytes], int]
"""Given what a pattern found: how many bytes of it are a secret."""


def _luhn(digits: bytes) -> bool:
    """Tell whether the last digit is the check digit of those before it (ISO/IEC 7812-1)."""
    doubled = bytes.maketrans(b"0123456789", b"0246813579")
    weighed = digits[-1::-2] + digits[-2::-2].translate(doubled)
    return sum(weighed) % 10 == len(weighed) * ord("0") % 10


def _card_bytes(found: bytes) -> int:
    """Return how much of what looks like a card's number is one; its last group may not be."""
    shorter = found[: max(found.rfind(b" "), found.rfind(b"-"), 0)]
    for number in (found, shorter):
        digits = number.translate(None, b" -")
        if len(digits) >= 13 and _luhn(digits):
            return len(number)
    return 0


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of secret that has a name.

    Args:
        patterns: what it looks like.
        check: decides about what the patterns found; ``None``: all of it.
    """

    patterns: tuple[str, ...]
    check: Check | None = None


_AWS_SECRET = (
    r"(?i)(?:secret_?(?:access_?)?key|session_?token)[\"']?[ \t]*[=:][ \t]*[\"']?"
    r"(?P<secret>[a-z0-9/+=]{16,})"
)

NAMES: Mapping[str, Kind] = {
    # RFC 6750: the header, the parameter; and JSON Web Tokens wherever they stand.
    "bearer": Kind(
        (
            r"(?i)\bbearer(?:[ \t]|%20|\+)+(?P<secret>[a-z0-9._~+/-]{6,}=*)",
            r"""(?i)\baccess_token["']?[ \t]*[=:][ \t]*["']?(?P<secret>[a-z0-9._~+/%-]+=*)""",
            r"\b(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+)",
        )
    ),
    # Source: IAM User Guide, "Unique identifiers"; Signature Version 4, "query parameters".
    "aws": Kind(
        (
            r"\b(?P<secret>A(?:KI|SI|BI|CC|GP|ID|IP|NP|NV|RO|PK|SC)A[A-Z0-9]{16,124})\b",
            _AWS_SECRET,
            r"(?i)\bx-amz-(?:signature|security-token)=(?P<secret>[^&\s\"'<>]+)",
        )
    ),
    "url-password": Kind(
        # Up to the last "@" before the path: a password may hold one itself.
        (r"""(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@"'<>]*:(?P<secret>[^\s/"'<>]+)@""",)
    ),
    "email": Kind((r"[\pL\pN._%+-]+@(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+\pL[\pL\pN-]*\pL",)),
    # The networks' numbers begin with 2 to 6; in groups as they are printed, or without.
    "card": Kind(
        (
            r"\b[2-6]\d{12,18}\b",
            r"\b[2-6]\d{3}(?:[ -]\d{4}){3}(?:[ -]\d{1,3})?\b",
            r"\b3\d{3}[ -]\d{6}[ -]\d{4,5}\b",
        ),
        _card_bytes,
    ),
}
"""What can be asked for by name."""

CHUNK_BYTES = 64 * 1024
"""Looked through at a time; how many secrets it had tells how to look through the next."""

_FEW = 4
"""Where more than one line of so many has a secret, all lines are looked through for each."""

_WORD = re.compile(r"[a-z-]+")

Span = tuple[int, int]
Search = Callable[[bytes, int], Match | None]


class _Pattern:
    """One pattern, and where what it finds is to be replaced."""

    __slots__ = ("_check", "_entry", "_group", "_line", "text")

    def __init__(self, text: str, check: Check | None = None) -> None:
        self.text = text
        self._check = check
        self._entry = compile_expression(text)
        self._line = compile_expression(text, never_nl=True)
        self._group: int = group_numbers(self._line).get(GROUP, 0)
        if self._entry.search(b"") is not None:
            raise ValueError("a pattern that does not match nothing at all")

    def spans(self, text: bytes, *, alone: bool) -> Iterator[Span]:
        """
        Give what is secret in ``text``.

        Args:
            text: of many lines, or of one entry.
            alone: whether it is one entry, in which the pattern may take newlines in.
        """
        engine = self._entry if alone else self._line
        if self._check is not None:
            yield from self._checked(engine.search, text, self._check)
            return
        group = self._group
        for match in engine.finditer(text):
            start, end = match.span(group)
            if start < end:
                yield start, end

    def _checked(self, search: Search, text: bytes, check: Check) -> Iterator[Span]:
        position = 0
        while position < len(text) and (match := search(text, position)) is not None:
            start, end = match.span(self._group)
            end = start + check(text[start:end])
            if start < end:
                yield start, end
            # What follows may be one though this was none; these matches are short.
            position = max(end, match.start() + 1)


class Redactor:
    """
    Replace secrets.

    Args:
        wanted: names of :data:`NAMES`, and patterns.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self._patterns = [pattern for text in wanted for pattern in _patterns(text)]
        self._any = AnyOf([pattern.text for pattern in self._patterns])
        self._is_dense = False
        """Whether many of the last lines had a secret."""

    def redact(self, lines: Lines) -> Lines:
        """Return lines without secrets: the same object where there are none."""
        if not lines.has_newlines:
            cleaned = self._cleaned(lines.text)
            return lines if cleaned is lines.text else Lines(cleaned, lines.count)
        return Lines.of([self._entry(entry) for entry in lines.split()])

    def redact_fields(self, fields: Lines) -> Lines:
        """Do the same in all texts of JSON objects, keys and numbers too; they stay JSON."""
        documents = [orjson.loads(text) if text else None for text in fields.split()]
        cleaned = [self._value(document) for document in documents]
        if cleaned == documents:
            return fields
        return Lines.of([b"" if d is None else orjson.dumps(d) for d in cleaned])

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._value(key): self._member(key, one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(member) for member in value]
        if isinstance(value, str):
            return self._entry(value.encode(errors="replace")).decode()
        if isinstance(value, int) and not isinstance(value, bool):
            digits = self._entry(b"%d" % value)
            return value if digits == b"%d" % value else digits.decode()
        return value

    def _member(self, key: str, member: Any) -> Any:
        """Clean a member's value, also of what is a secret only beside its key."""
        value = self._value(member)
        if not isinstance(value, str | int) or isinstance(value, bool):
            return value
        before, after = f"{key}=".encode(errors="replace"), str(value).encode(errors="replace")
        if self._any.search(before + after) is None:
            return value
        found = _found(self._patterns, before + after, alone=True)
        size = len(before)
        spans = [(max(start - size, 0), end - size) for start, end in found if end > size]
        return _masked(after, spans).decode() if spans else value

    def redact_text(self, text: str) -> str:
        """Do the same in one text."""
        return self._entry(text.encode(errors="replace")).decode()

    def _entry(self, entry: bytes) -> bytes:
        if b"\n" not in entry and self._any.search(entry) is None:
            return entry
        return _masked(entry, _found(self._patterns, entry, alone=True))

    def _cleaned(self, text: bytes) -> bytes:
        """Return the text of many lines, the same object where it holds no secret."""
        pieces: list[bytes] = []
        start = position = 0
        while start < len(text):
            stop = text.find(b"\n", min(start + CHUNK_BYTES, len(text) - 1)) + 1
            for (begin, end), cleaned in self._replacements(text, start, stop):
                pieces += (text[position:begin], cleaned)
                position = end
            start = stop
        return b"".join([*pieces, text[position:]]) if pieces else text

    def _replacements(self, text: bytes, start: int, stop: int) -> Iterable[tuple[Span, bytes]]:
        """Give the stretches between two ends of lines that change, and what they become."""
        is_dense = self._is_dense
        dirty = [(start, stop)] if is_dense else self._dirty(text, start, stop)
        if not dirty:
            return ()
        joined = b"".join([text[begin:end] for begin, end in dirty])
        # One more scan for all patterns spares those that do not occur one each.
        patterns = [self._patterns[number] for number in self._any.which(joined)]
        spans = _found(patterns, joined, alone=False)
        self._is_dense = len(spans) * _FEW > text.count(b"\n", start, stop)
        if not spans:
            return ()
        cleaned = _masked(joined, spans)
        if is_dense:
            return [(dirty[0], cleaned)]
        return zip(dirty, [line + b"\n" for line in cleaned[:-1].split(b"\n")], strict=True)

    def _dirty(self, text: bytes, position: int, stop: int) -> list[Span]:
        """Return start and end of the lines that may have a secret, of those up to ``stop``."""
        found: list[Span] = []
        search, last = self._any.search, stop - 1
        while position <= last and (match := search(text, position, last)) is not None:
            start = text.rfind(b"\n", position, match.start()) + 1 or position
            position = text.find(b"\n", match.start()) + 1
            found.append((start, position))
        return found


def _found(patterns: Sequence[_Pattern], text: bytes, *, alone: bool) -> list[Span]:
    return sorted(span for pattern in patterns for span in pattern.spans(text, alone=alone))


def _patterns(text: str) -> list[_Pattern]:
    if text in NAMES:
        kind = NAMES[text]
        return [_Pattern(pattern, kind.check) for pattern in kind.patterns]
    if _WORD.fullmatch(text):
        # More likely a name that was mistyped than a secret that is no secret here.
        names = ", ".join(sorted(NAMES))
        raise ValueError(f"one of {names}, or a pattern (of a mere word: '({text})')")
    return [_Pattern(text)]


def _masked(text: bytes, spans: Sequence[Span]) -> bytes:
    """Replace spans, in order of their starts; such as overlap or touch become one."""
    if not spans:
        return text
    pieces: list[bytes] = []
    position, masked = 0, -1
    for start, end in spans:
        if start > masked:
            pieces += (text[position:start], MASK)
        position = masked = max(end, masked)
    pieces.append(text[position:])
    return b"".join(pieces)
