"""What looking into lines costs: level detection and redaction, each against a relay without."""

from functools import partial

from bench.clients import apart, count_coming
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Setup, live, relay
from bench.workspace import LINE_BYTES, Workspace, appear

LEVELS = ("INFO",) * 16 + ("DEBUG", "DEBUG", "WARN", "ERROR")
"""Of twenty lines in a row: four of five are info."""

SECRET_EVERY = 100
"""One line in so many has something to be taken out."""

PATTERNS = (
    "bearer",
    "aws",
    "url-password",
    "email",
    "card",
    *(rf"{word}=(?P<secret>\S+)" for word in ("password", "passwd", "token", "secret", "pin")),
    *(rf"(?i)\b{word}[:=] *(?P<secret>[0-9a-f]{{8,}})" for word in ("key", "salt", "nonce")),
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    r"\bxox[abpr]-[A-Za-z0-9-]{10,}",
    r"\bsk_(?:live|test)_[A-Za-z0-9]{24}\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b",
    r"-----BEGIN [A-Z ]+ KEY-----",
    r"(?i)cookie: (?P<secret>\S+)",
)
"""Twenty, as a careful operator would have them."""


def levelled(number: int) -> bytes:
    """Return a line, of which one in five is not info."""
    text = (
        f"2026-11-21T09:47:{number % 60:02d}.123 {LEVELS[number % 20]} worker[{number % 97}] "
        f"request {number:012d} handled path=/a/b/{number} ok"
    )
    return text.ljust(LINE_BYTES, "x").encode() + b"\n"


def secretive(number: int) -> bytes:
    """Return a line, of which one in a hundred has a secret."""
    secret = f"password=hunter{number % 1000}" if number % SECRET_EVERY == 0 else "no secret"
    text = (
        f"2026-11-21T09:47:{number % 60:02d}.123 INFO worker[{number % 97}] "
        f"request {number:012d} handled {secret} ok"
    )
    return text.ljust(LINE_BYTES, "x").encode() + b"\n"


def measure_levels(options: str, workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read lines of all levels."""
    return _measure(Setup(options=options), levelled, workspace, scale)


def measure_redaction(options: str, workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read lines with secrets."""
    return _measure(Setup(options=options), secretive, workspace, scale)


def _measure(setup: Setup, make: object, workspace: Workspace, scale: Scale) -> Sample:
    assert callable(make)
    staged = workspace.staged(scale.lines, make)
    with relay(workspace, setup) as server:
        before = server.cpu_seconds()
        start = partial(appear, staged, workspace.next_log())
        seconds = apart(count_coming, server.port, live(), start, scale.lines)
        used = server.cpu_seconds() - before
    return {
        "time a line": seconds / scale.lines * 1e6,
        "processor time a line": used / scale.lines * 1e6,
    }


def _figures(most: float) -> tuple[Figure, ...]:
    bars = (Bar(most, at_most=True),)
    return (Figure("time a line", " µs", bars), Figure("processor time a line", " µs", bars))


DETECTION = Row(
    "levels",
    "level detection; the floor is the relay without",
    _figures(1.25),
    partial(measure_levels, ""),
    partial(measure_levels, "detect_level = false\n"),
)

REDACTION = Row(
    "redact",
    f"redaction with {len(PATTERNS)} patterns; the floor is the relay with none",
    _figures(1.3),
    partial(measure_redaction, f"redact = {[*PATTERNS]!r}\n"),
    partial(measure_redaction, ""),
)
