r"""
The shapes in which programs write a line's level, as tables.

The shape that ends furthest left in the line decides; of two that end together, the worse level.

    shape                                          such as
    ─────────────────────────────────────────────  ────────────────────────────────────────────
    syslog's priority, at the line's start         ``<11>Nov 21 …``
    a letter, at the start or behind a time        ``E0521 09:…``, ``W/Tag(``, ``[E]``, ``E, [``
    a sign (Redis)                                 ``1:M 21 Nov 2026 09:47:12.123 # …``
    a word and a space, before all other words:    ``error opening x``, ``2026-… info started``
    times, numbers, brackets, colours may precede
    a word in any case, closed as labels are       ``conn error: x``, ``[core:error]``
    a word in capitals                             ``2026-… ERROR x``, ``[main] WARN x``
    the value of a level's key                     ``level=error``, ``"severity":"ERROR"``,
                                                   ``"level":50`` (pino, bunyan), ``"s":"E"``
    what crashes say                               ``Traceback (most…``, ``FooError: x``
    none of these                                  the line's default

In a line that begins with ``{`` only JSON keys count: what its message says is not its level.
No shape: plurals and parts of names (``0 errors``, ``error_count=0``, ``ErrorHandler``), ``no
error``, paths (``/error``), small letters in mid-sentence.

What words mean: notice, log and success are info; critical, alert, emergency and panic are
fatal; severe and fail are error; verbose and silly are trace, since Android and Serilog put
verbose below debug; of Java's, fine is debug, finer and finest are trace.

Patterns are Vectorscan's: no looking around, and a match is reported where it *ends*. So each
ends at its level's word and never in a repeat. Few and short alternatives keep compiling cheap.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain

from relay.entry import Level

__all__ = [
    "DOUBT",
    "HEADS",
    "HEAD_LEVELS",
    "JSON",
    "JSON_SIGNS",
    "PLAIN_SIGNS",
    "STAMPED",
    "WORST",
    "Heads",
    "patterns",
]

WORST = 7
"""A pattern's id is this less its level, so that the worse of two sorts first …"""

JSON = 8
"""… plus this where the pattern is of a JSON key. Four bits in all."""

RUN = r"(?:[-\d:.,/+ \t\[\]()|#*~\x1bmTZUCEGMPASD]|[A-Z][a-z][a-z][ ,/-])*"
"""
What dates, times, zones (``UTC``, ``CEST``, ``PM``), numbers, brackets and colours are made of.
No level can be spelt with the letters in it.
"""

BEFORE = r"(?:^|[ \t\[(|<:]|\dm)"
NOT_AFTER_NO = r"(?:^ ?|[\t\[(|<:]|\dm|[^oO\n] |[^nN\n][oO] )"
KEYS = "level|lvl|severity|levelname"
JSON_KEYS = r"level|lvl|severity|levelname|level_name|@l"

SHAPES = (
    (0, r"^<(?:{priority})>"),
    (0, r"^{letter}(?:/[A-Za-z][\w.]|, \[| [^a-z \n]|\||\d{{4}}(?:\d{{4}})? \d)|^\[{letter} \d"),
    (0, r"^{tagged}:? "),
    (0, r"(?:^|[ \d\]Z])[\[|(]{letter}[\]|)]"),
    (0, r"^[-\d:.,/ TZ\[\]]*:\d\d[-+\d:., TZ\[\]]* {letter} "),
    (0, r"^\d+:[XCSM] \d\d [A-Z][a-z][a-z] \d{{4}} [\d:.]* {sign} "),
    (0, r"^(?:{run}[ \t\]|:])?(?:{opening})(?: |$)"),
    (
        0,
        r"{before}(?:(?i:{label})[:\]|>\t\x1b]|(?:{capitals})[ \t:\]|)>,;/\[\x1b])",
    ),
    (0, r"(?:\[|\dm)(?:{label}) +[\]\x1b]"),
    (0, r"{before}(?:{ending})$"),
    (0, r"(?:^|[ \t,;{{(\[|])(?:{keys})=[\"']?(?i:{label})(?:[\"' \t,;)\]}}|]|$)"),
    (JSON, r"(?i:{json_keys})[\"'] ?: ?[\"'](?i:{label})[\"']"),
    (JSON, r'"level": ?{number}[,}}]'),
    (JSON, r'\}}, ?"s": ?"{letter}'),
    (0, r"{other}"),
)
"""Templates: names in braces are fields of :class:`Words` or constants of this module."""

PLAIN_SIGNS = (b" INFO ", b"[INFO]", b"[info]", b"|INFO|", b" INF ", b"\tinfo\t", b" level=info ")
"""Wherever one of these stands in a line without a brace at its head, a shape of info ends."""

JSON_SIGNS = (b'"level":"info"', b'"level":"INFO"', b'"severity":"INFO"', b'"level":30,')
"""The same for any line."""


@dataclass(frozen=True, slots=True)
class Words:
    """
    How one level is written; each field is an alternation for a pattern, empty: never so.

    Args:
        label: in any case.
        opening: in small letters, before a mere space.
        capitals: in capitals.
        letter: one letter for the level.
        number: pino's and bunyan's.
        ending: in capitals, as a line's last word.
        tagged: a letter that is no English word, and counts before any text.
        priority: syslog's, of every facility.
        sign: Redis's.
        other: whole patterns.
        before: what stands before a word.
    """

    label: str
    opening: str
    capitals: str
    letter: str
    number: str
    ending: str = ""
    tagged: str = ""
    priority: str = ""
    sign: str = ""
    other: str = ""
    before: str = BEFORE


def _priorities(*severities: int) -> str:
    """Return all of syslog's priorities (facility * 8 + severity) of these severities."""
    return "|".join(str(n) for n in range(192) if n % 8 in severities)


WORDS = {
    Level.TRACE: Words(
        label="trace|trce|verbose|silly",
        opening="[Tt]race",
        capitals="TRACE|TRC|TRAC|VERBOSE|VRB|FINER|FINEST",
        letter="[TV]",
        number="10",
    ),
    Level.DEBUG: Words(
        label="debug|dbug",
        opening="[Dd]ebug",
        capitals="DEBUG[1-5]?|DBG|DEBU|FINE",
        letter="D",
        number="20",
        priority=_priorities(7),
        sign="[.-]",
        other=r"[a-z]\.DEBUG: ",
    ),
    Level.INFO: Words(
        label="info|information|informational|notice",
        opening="[Ii]nfo",
        capitals="INFO|INF|NOTICE|NOTE|LOG|SUCCESS",
        letter="I",
        number="30",
        priority=_priorities(5, 6),
        sign="[*]",
        other=r"^npm (?:notice|info) |\[(?:Note|System)\]|[a-z]\.(?:INFO|NOTICE): ",
    ),
    Level.WARN: Words(
        label="warn|warning",
        opening="[Ww]arn|[Ww]arning",
        capitals="WARN|WARNING|WRN",
        letter="W",
        number="40",
        ending="WARN|WARNING",
        tagged="W",
        priority=_priorities(4),
        sign="#",
        other=r"[a-z]Warning: |^npm warn |[a-z]\.WARNING: ",
    ),
    Level.ERROR: Words(
        label="error|err|eror|severe|fail",
        opening="[Ee]rror",
        capitals="ERROR|ERR|ERRO|SEVERE|FAIL",
        letter="E",
        number="50",
        ending="ERROR|FAIL",
        tagged="E",
        priority=_priorities(3),
        other=r"[A-Za-z0-9]Error(?:: |:?$)|Exception(?:[: ]|$)|^Traceback \(most recent call"
        r"|^npm (?:ERR!|error )|(?i:(?:unhandled|uncaught) (?:error|exception|rejection))"
        r"|rror occurred|egmentation fault|^error\[E\d|[a-z]\.ERROR: ",
        before=NOT_AFTER_NO,
    ),
    Level.FATAL: Words(
        label="fatal|fatal error|critical|crit|emerg|emergency|alert|panic|dpanic",
        opening="[Ff]atal",
        capitals="FATAL|FTL|FATA|CRITICAL|CRIT|EMERG|EMERGENCY|ALERT|PANIC|PANI|DPANIC",
        letter="F",
        number="60",
        ending="FATAL|CRITICAL",
        priority=_priorities(0, 1, 2),
        other=r"' panicked at |[a-z]\.(?:CRITICAL|ALERT|EMERGENCY): ",
    ),
}


LINES_AT_A_TIME = 8

DOUBT = 255
"""In the place of a level that is still to be found."""

HEAD_LETTERS = {
    letter.encode(): level for level, words in WORDS.items() for letter in words.letter.strip("[]")
}
"""By which a level is known whose word begins with it."""

_HEAD_WORDS = [
    word
    for level in sorted(WORDS, key=lambda level: abs(level - Level.INFO))
    for word in WORDS[level].capitals.split("|")
    if HEAD_LETTERS.get(word[:1].encode()) == level
]
"""The most frequent first: the others are tried in vain."""


class Heads:
    """
    What finds the levels with which lines begin: the first letters of their words.

    Of eight lines at a time, since each match takes and gives back a kilobyte of memory, which
    costs as much as the matching of a line does.

    Args:
        time: what may stand before a level's word.
    """

    def __init__(self, time: str) -> None:
        self._time = time

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        """One line, and many: compiled at first use, since that takes 2 ms."""
        word = "|".join(_HEAD_WORDS)
        # "." is quicker than a set, be it of one: that makes a tenth of it all. Nothing is to be
        # tried another way, since there are 2⁸.
        line = rf"(?:{self._time}(?=(?:{word})[ :\]])(.))?+.*+\n"
        many = line * LINES_AT_A_TIME + "|(?s:(.+))"
        return re.compile(line.encode()), re.compile(many.encode())

    def letters(self, text: bytes) -> list[bytes]:
        """Return a letter per line, of those that do not begin so an empty one."""
        line, many = self._patterns
        rows = many.findall(text)
        rest = rows[-1][-1]
        if rest:
            rows.pop()
        letters = list(chain.from_iterable(rows))
        del letters[LINES_AT_A_TIME :: LINES_AT_A_TIME + 1]
        if rest:
            letters += line.findall(rest)
        return letters


# "0-9" makes it a set of bits; with "\d" it takes half as long again.
HEADS = Heads(r"(?:\[?+[-0-9/.]++T?+[-0-9:.,/+ \t\[\](Z]*+(?<=[ \t\[(:]))?+")
"""
For lines in which nothing or only a time in digits stands before the level. No shape ends in such
a time (its "T" stands behind a digit), so the word decides. A word whose letter is more often
another level's is left to the patterns.
"""

STAMPED = Heads("[0-9][-0-9/T:.,Z+]*+ ")
"""The same for a time that is one word, as most are: a sixth less time."""

HEAD_LEVELS = bytes(HEAD_LETTERS.get(bytes([byte]), DOUBT) for byte in range(256))
"""A table that makes such letters levels, and any other byte :data:`DOUBT`."""


def patterns(levels: frozenset[Level]) -> Iterator[tuple[int, bytes]]:
    """
    Give the patterns that find these levels, as pairs of id and expression.

    Ids: see :data:`WORST` and :data:`JSON`. Expressions want ``HS_FLAG_MULTILINE``.
    """
    common = {"run": RUN, "keys": KEYS, "json_keys": JSON_KEYS}
    for level in sorted(levels):
        fields = asdict(WORDS[level])
        unused = [f"{{{name}}}" for name, value in fields.items() if not value]
        for kind, shape in SHAPES:
            if not any(name in shape for name in unused):
                yield kind + WORST - level, shape.format(**fields, **common).encode()
