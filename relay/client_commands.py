"""
The commands that ask a relay which runs somewhere: ``tail``, ``status``, ``healthcheck``.
"""

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from relay.errors import RelayError

if TYPE_CHECKING:
    from relay.remote import Remote
    from relay.tail import Request
    from relay.tail_output import Template

__all__ = ["healthcheck", "status", "tail", "url_option"]

# That of relay.remote, which is too heavy to be imported for --version.
DEFAULT_URL = "http://127.0.0.1:8514"

COMPLETION_SECONDS = 0.5
"""A shell waits no longer for names of channels and runs."""

HEALTH_SECONDS = 5.0
REFRESH_SECONDS = 1.0

# The other screen, and lines that are cut at its edge instead of wrapped.
ENTER, LEAVE = "\x1b[?1049h\x1b[?7l\x1b[2J", "\x1b[?7h\x1b[?1049l"

Command = Callable[..., Any]


def url_option(command: Command) -> Command:
    """Give a command the option for a relay's address."""
    return click.option(
        "--url",
        envvar="RELAY_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="Address of the relay, with its base path; or unix:PATH.",
    )(command)


def _names(kind: str, key: str) -> Callable[..., list[CompletionItem]]:
    """Return what completes names of channels or runs that the relay has."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from relay.remote import Remote

        try:
            remote = Remote.parse(ctx.params.get("url") or DEFAULT_URL)
            found = remote.get(f"api/v1/{kind}", COMPLETION_SECONDS)[kind]
            names = [str(one[key]) for one in found]
        except (RelayError, KeyError, TypeError):
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


@click.command()
@click.argument(
    "channels", metavar="[CHANNEL]...", nargs=-1, shell_complete=_names("channels", "name")
)
@url_option
@click.option(
    "--run",
    shell_complete=_names("runs", "id"),
    help="Only this run; ends with it, and with its exit code.",
)
@click.option(
    "-n",
    "--tail",
    type=click.IntRange(min=0),
    metavar="N",
    help="Begin with the last N lines; 100 where nothing else is asked for.",
)
@click.option("--no-follow", is_flag=True, help="End where history ends.")
@click.option("--level", metavar="LEVELS", help="Only these levels, such as warn,error.")
@click.option("--min-level", metavar="LEVEL", help="Only this level and worse.")
@click.option("-q", "--query", metavar="TEXT", help="Only lines that contain TEXT, in any case.")
@click.option(
    "-g", "--grep", "--regex", "regex", metavar="PATTERN", help="Only lines that match PATTERN."
)
@click.option("--exclude", metavar="TEXT", help="Only lines that do not contain TEXT.")
@click.option("--since", metavar="TIME", help="Not before TIME: RFC 3339, seconds, or 10m ago.")
@click.option("--until", metavar="TIME", help="Before TIME.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "template"]),
    help="Messages; all that was received, as NDJSON; or lines by --template. Default: text.",
)
@click.option(
    "--template",
    "text",
    metavar="TEXT",
    help="A line for each entry, such as '{timestamp} {level} {message}'; also {channel}, "
    "{stream}, {source}, {instance}, {run}, {id}, {seq}, {fields.NAME}.",
)
@click.pass_context
def tail(
    ctx: click.Context,
    /,
    channels: tuple[str, ...],
    url: str,
    run: str | None,
    tail: int | None,
    no_follow: bool,
    output: str | None,
    text: str | None,
    query: str | None,
    **filters: str | None,
) -> None:
    """
    Follow channels of a running relay; all of them without CHANNEL.

    CHANNEL is a name or a quoted glob. Where lines of several channels may come, each begins
    with its channel's name. On a terminal lines have the colour of their level, unless NO_COLOR
    is set. A connection that is lost is made again and goes on where it was; what the relay no
    longer has is told on stderr.
    """
    from relay.tail import Request

    template = _template(output, text)
    wanted = {"q": query, **filters}
    parameters = {name: value for name, value in wanted.items() if value is not None}
    request = Request(url, channels, run, tail, not no_follow, parameters)
    ctx.exit(_tail(request, as_json=output == "json", template=template))


def _template(output: str | None, text: str | None) -> "Template | None":
    from relay.tail_output import Template

    if text is None and output == "template":
        raise click.UsageError("-o template needs --template")
    if text is None:
        return None
    if output in ("text", "json"):
        raise click.UsageError(f"--template is not for -o {output}")
    try:
        return Template(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--template") from None


def _tail(request: "Request", *, as_json: bool, template: "Template | None") -> int:
    import asyncio

    from relay.tail import Tail
    from relay.tail_output import Output

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    output = Output(
        sys.stdout,
        sys.stderr,
        as_json=as_json,
        template=template,
        colour=_has_colour(),
        channel=not request.is_one_channel,
    )
    try:
        return asyncio.run(Tail(request, output).run())
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads has enough. What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _has_colour() -> bool:
    # Source: no-color.org. The variable counts where it is not empty.
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


@click.command()
@url_option
@click.option("-w", "--watch", is_flag=True, help="Stay, and show it anew every second.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Tables, or what the relay answers, as a line of JSON.",
)
@click.pass_context
def status(ctx: click.Context, url: str, watch: bool, output: str) -> None:
    """
    Show what a running relay does: its sources, channels, runs and connections.

    What is wrong comes first. Exit code 1 if a source or the store is failing, or if
    nobody answers.
    """
    from relay.remote import Remote
    from relay.status_table import failing

    remote = Remote.parse(url)
    found = _status(remote)
    if watch:
        ctx.exit(_watch(remote, found, as_json=output == "json"))
    click.echo(_shown(remote, found, as_json=output == "json"), nl=False)
    ctx.exit(1 if failing(found) else 0)


def _status(remote: "Remote") -> Any:
    from relay.remote import ServerError

    found = remote.get("api/v1/status")
    if not isinstance(found, dict) or "sources" not in found:
        raise ServerError(f"{remote.url} is no relay: it answered without a status")
    return found


def _shown(remote: "Remote", found: Any, *, as_json: bool) -> str:
    from relay.remote import ServerError
    from relay.status_table import sheet

    if as_json:
        return json.dumps(found, ensure_ascii=False) + "\n"
    try:
        return sheet(found, remote.url, datetime.now(UTC), colour=_has_colour())
    except (KeyError, TypeError, ValueError):
        version = found.get("version")
        raise ServerError(
            f"cannot show the status of a relay of version {version}: use -o json"
        ) from None


def _watch(remote: "Remote", found: Any, *, as_json: bool) -> int:
    """Show it until interrupted; return the exit code."""
    on_screen = sys.stdout.isatty() and not as_json
    show = _redraw if on_screen else _append
    if on_screen:
        sys.stdout.write(ENTER)
    trouble = ""
    try:
        while True:
            show(_shown(remote, found, as_json=as_json), trouble)
            time.sleep(REFRESH_SECONDS)
            found, trouble = _refreshed(remote, found)
    except KeyboardInterrupt:
        return 130
    finally:
        if on_screen:
            sys.stdout.write(LEAVE)
            sys.stdout.flush()


def _refreshed(remote: "Remote", found: Any) -> tuple[Any, str]:
    """Return the present status; or the last one, and why there is no other."""
    try:
        return _status(remote), ""
    except RelayError as error:
        return found, f"relay status: {error}; trying again\n"


def _redraw(text: str, trouble: str) -> None:
    lines = (trouble + text).splitlines()[: shutil.get_terminal_size().lines - 1]
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
    sys.stdout.flush()


def _append(text: str, trouble: str) -> None:
    if trouble:
        click.echo(trouble, err=True, nl=False)
    else:
        click.echo(text if text.startswith("{") else f"{text}\n", nl=False)


@click.command()
@url_option
def healthcheck(url: str) -> None:
    """
    Tell whether a relay lives: exit code 0 if it does, else 1.

    For HEALTHCHECK of a container, and for supervisors.
    """
    from relay.remote import Remote

    click.echo(Remote.parse(url).get("healthz", HEALTH_SECONDS)["status"])
