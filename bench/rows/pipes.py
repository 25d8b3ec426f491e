"""From a pipe to one SSE client, against floor A: stdin, and the process of a source."""

import shlex
from functools import partial
from pathlib import Path

from bench.row import Bar, Figure, Measure, Row, Sample, Scale
from bench.rows.file import measure_coming
from bench.servers import Setup, floor, relay
from bench.workspace import Workspace, knock, pour

STDIN = 'type = "stdin"\n'
PROCESS = 'type = "process"\ncommand = {command!r}\nrestart = "never"\n'


def measure_stdin(workspace: Workspace, scale: Scale) -> Sample:
    """Pour lines into a relay."""
    fifo = workspace.fifo("stdin")
    with relay(workspace, Setup(keys=STDIN, stdin=fifo)) as server:
        start = partial(pour, workspace.staged(scale.lines), fifo)
        return measure_coming(server, start, scale.lines)


def measure_stdin_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Pour lines into floor A."""
    fifo = workspace.fifo("stdin")
    with floor(workspace, "stdin", stdin=fifo) as server:
        start = partial(pour, workspace.staged(scale.lines), fifo)
        return measure_coming(server, start, scale.lines)


def measure_process(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay run a command."""
    door = workspace.fifo("door")
    command = _command(door, workspace.staged(scale.lines), "echo INFO first; ")
    with relay(workspace, Setup(keys=PROCESS.format(command=command))) as server:
        return measure_coming(server, partial(knock, door), scale.lines)


def measure_process_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let floor A run the command."""
    door = workspace.fifo("door")
    command = _command(door, workspace.staged(scale.lines))
    with floor(workspace, "process", command) as server:
        return measure_coming(server, partial(knock, door), scale.lines)


def _command(door: Path, staged: Path, before: str = "") -> str:
    """Return a line for the shell that says all lines once somebody has knocked."""
    return f"{before}read _ <{shlex.quote(str(door))}; exec cat {shlex.quote(str(staged))}"


def _row(name: str, title: str, measure: Measure, measure_floor: Measure) -> Row:
    figures = (Figure("lines/s", "", (Bar(0.4),)), Figure("processor time a line", " µs"))
    return Row(name, title, figures, measure, measure_floor)


FROM_STDIN = _row("stdin", "stdin → one SSE client", measure_stdin, measure_stdin_floor)
FROM_PROCESS = _row("process", "process → one SSE client", measure_process, measure_process_floor)
