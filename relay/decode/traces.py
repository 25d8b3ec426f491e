r"""
What stack traces look like: ready-made rules for ``multiline``.

Rule of this file: tables only. A table says how a trace begins and, for each state, which lines
go on it and which state comes next. A state whose name ends in ``?`` is a guess: its lines
belong to the trace only if a later line comes to a state that is none (a blank line after a
Python trace does if "During handling of …" follows). Guesses are few lines: no state that is one
comes back to itself. A line that no row of its state fits ends
the trace, and may begin another. Rows are RE2's and look at one line, without its newline.

A beginning may be generous: a line that only looks like one is an entry by itself as soon as
the next line does not go on it.

Sources: the programs' own output (``tests/data/traces``), and the rules that Fluent Bit and
Google's ``detect_exceptions`` use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["TRACES", "Table"]

Rows = Sequence[tuple[str, str]]
"""Pattern and the state after it."""


@dataclass(frozen=True, slots=True)
class Table:
    """
    How one language's traces go.

    Args:
        start: the lines that begin a trace.
        states: for each state the lines that go on.
    """

    start: Rows
    states: Mapping[str, Rows]


_TRACEBACK = r"Traceback \(most recent call last\):\s*$"

PYTHON = Table(
    start=[
        (_TRACEBACK, "frames"),
        (r"^Exception (?:in thread|ignored) [^\"]", "heading?"),
        # A syntax error in the program itself has no other heading.
        (r'^  File ".*", line \d+$', "frames"),
    ],
    states={
        "heading?": [(_TRACEBACK, "frames")],
        # A group of exceptions is indented to its end.
        "frames": [
            (r"^\s+\S", "frames"),
            (r"^[\w.<>]+(?::|$)", "told"),
            (r"^\s*$", "gap?"),
        ],
        "told": [(r"^\s*$", "gap?")],
        "gap?": [(r"^(?:During handling of|The above exception was)", "chained?")],
        "chained?": [(r"^\s*$", "next?")],
        "next?": [(_TRACEBACK, "frames")],
    },
)

_AT = r"^\s+(?:eval )?at "

JAVA = Table(
    start=[
        (r"Exception|Error|Throwable", "heading"),
        # A class of the program's own, such as "shop.Orders$Missing: no order 7".
        (r"^(?:[\w$]+\.)*[\w$]*[A-Z][a-z][\w$]*(?::|$)", "heading"),
        (r"^\s+at [\w.$/@]+[\w.$<>]+\(", "frames"),
    ],
    states={
        state: [
            (_AT, "frames"),
            (r"^\s+\.\.\. \d+ (?:more|common frames omitted)", "frames"),
            (r"^\s*(?:Caused by|Suppressed|Wrapped by): ", "frames"),
            (r"^\s*nested exception is:", "frames"),
            (r"^\s+(?:\[CIRCULAR REFERENCE|--- End of |- (?:locked|waiting|parking) )", "frames"),
        ]
        for state in ("heading", "frames")
    },
)

_GOROUTINE = r"^(?:goroutine \d+ .*|runtime stack):$"

GO = Table(
    start=[
        (r"\bpanic: |^fatal error: |http: panic serving ", "panic"),
        (r"^SIG[A-Z]+: ", "panic"),
        (_GOROUTINE, "frames"),
    ],
    states={
        "panic": [
            (r"^\s+\S|^\[signal |^PC=", "panic"),
            (_GOROUTINE, "frames"),
            (r"^$", "gap?"),
        ],
        "gap?": [(_GOROUTINE, "frames")],
        "frames": [
            (r"^\s+\S|^\S+\(.*\)$|^created by |^\.\.\.additional frames ", "frames"),
            (r"^$", "gap?"),
        ],
    },
)

_THROWN = [(r"^\s+(?:\w+ )?at |^\s+\.\.\. ", "frames"), (r"^Require stack:$", "required")]

JAVASCRIPT = Table(
    start=[
        # The place in the program, which Node shows before what it did not expect.
        (r"^(?:file://)?/\S*:\d+$|^node:\S+:\d+$|^\[eval\]:\d+$", "source?"),
        (r"^(?:Uncaught )?[\w$.]*(?:Error|Exception)\b", "heading"),
        (r"Error\b.*:|\bError$", "heading"),
        (r"^[\w$.]*[A-Z][a-z][\w$]*(?::|$)", "heading"),
        (r"^\s+at .*[:(]", "frames"),
    ],
    states={
        "source?": [(r"\S", "code?")],
        "code?": [(r"^\s*\^+\s*$", "marked?")],
        "marked?": [(r"^$", "thrown?"), (r"\{$", "object"), (r"^", "heading")],
        "thrown?": [(r"\{$", "object"), (r"\S", "heading")],
        "heading": [
            *_THROWN,
            (r"^\(Use `node ", "heading"),
            (r"^$", "gap?"),
        ],
        "required": [(r"^- ", "required"), (r"^\s+at .*\{$", "object"), *_THROWN],
        "frames": [
            (r"^\s+at .*\{$", "object"),
            *_THROWN,
            (r"^\s+\[cause\]:", "frames"),
            (r"^$", "gap?"),
        ],
        # What an error carries beside its message is shown up to the "}" of its own line.
        "object": [(r"^\s+\S", "object"), (r"^[}\]]", "heading")],
        "gap?": [(r"^Node\.js v\d", "end")],
        "end": [],
    },
)

_RAISED = r"^\S.*:\d+:in [`'].*"

RUBY = Table(
    start=[
        # Before Ruby 3 a terminal was shown the innermost call last.
        (r"^Traceback \(most recent call last\):$", "reversed"),
        (_RAISED + r"\([\w:]+\)$", "frames"),
        (_RAISED + r"': ", "frames"),
        (r"^[A-Z]\w*(?:::\w+)* \(.*\):$", "rails"),
    ],
    states={
        "frames": [
            (r"^\s+\S", "frames"),
            (_RAISED + r"\([\w:]+\)$", "frames"),
            (r"^Did you mean\?", "frames"),
            (r"^$", "gap?"),
        ],
        "gap?": [(r"^\s+(?:from )?\S", "frames"), (r"^Did you mean\?", "frames")],
        "reversed": [(r"^\s+(?:\d+: )?from ", "reversed"), (_RAISED, "frames")],
        "rails": [(r"^\s*$", "rails?"), (r"^\s*\S+:\d+:in ", "rails")],
        "rails?": [(r"^\s*\S+:\d+:in ", "rails")],
    },
)

TRACES: Mapping[str, Table] = {
    "python": PYTHON,
    "java": JAVA,
    "go": GO,
    "javascript": JAVASCRIPT,
    "ruby": RUBY,
}
