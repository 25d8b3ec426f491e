"""
The command ``relay``: commands, arguments, exit codes.

Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, 130 interrupted; ``tail``
also that of the run it follows. Heavy modules are imported by the commands that need them, so
that ``--version`` and completion answer at once.
"""

import gc
import os
import shlex
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

import relay
from relay.client_commands import healthcheck, status, tail, url_option
from relay.errors import ConfigError, RelayError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from relay.pusher import RunRequest

__all__ = ["commands", "main"]

PROGRAM = "relay"
DEFAULT_FILE = "relay.toml"
START = 10

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 99}


class Commands(click.Group):
    """The commands; anything that is none of them is for ``serve``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``serve`` before arguments that name no command."""
        own = {*self.commands, *ctx.help_option_names, "--version"}
        # A shell that completes the first word wants commands, too.
        is_first_word = ctx.resilient_parsing and not args
        if not is_first_word and (not args or args[0] not in own):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands, and files for ``serve`` where none begins so."""
        return super().shell_complete(ctx, incomplete) or _files(ctx, None, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Tell errors of ours in a sentence."""
        try:
            return super().invoke(ctx)
        except RelayError as error:
            # A configuration's errors begin with the name of its file.
            who = "" if isinstance(error, ConfigError) else f"{PROGRAM} {ctx.invoked_subcommand}: "
            click.echo(f"{who}{error}", err=True)
            ctx.exit(2 if isinstance(error, ConfigError) else 1)


def _files(
    ctx: click.Context, param: click.Parameter | None, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(relay.__version__, prog_name="relay", message="%(prog)s %(version)s")
def commands() -> None:
    """
    Read logs once and send them to many: to a page, to curl, to programs.

    Without a command it is "serve": "relay -", "relay app.log", "relay 'cmd:ping localhost'".
    """


def _config_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-c", "--config", "file", metavar="FILE", help=help_text, shell_complete=_files
    )


@commands.command()
@click.argument("arguments", metavar="[SOURCE]...", nargs=-1, shell_complete=_files)
@_config_option("Configuration file.")
@click.option("--listen", metavar="ADDRESS", help="HOST:PORT or unix:PATH, instead of the file's.")
@click.option(
    "--anonymous", is_flag=True, help="Let everyone in who can reach an address that is not local."
)
@click.option(
    "--lines", type=click.IntRange(min=1), metavar="N", help="How many lines each channel keeps."
)
@click.option(
    "--state",
    metavar="DIRECTORY",
    type=click.Path(),
    help="Where lines and positions are kept over a restart, instead of the file's.",
)
@click.option(
    "--start",
    metavar="WHERE",
    default=str(START),
    show_default=True,
    help="Where files given as SOURCE are begun: end, beginning, or how many of their last lines.",
)
@click.pass_context
def serve(
    ctx: click.Context,
    arguments: tuple[str, ...],
    file: str | None,
    listen: str | None,
    anonymous: bool,
    lines: int | None,
    state: str | None,
    start: str,
) -> None:
    """
    Start the relay.

    SOURCE is a path or a quoted glob, "-" for stdin, "docker:NAME" for a container (or a quoted
    glob), or "cmd:COMMAND", which is run by the shell, once. NAME=SOURCE also names its channel;
    else a file's channel is its name without what follows the last dot, a container's its Compose
    service or its name, a command's its program's name.

    With neither -c nor SOURCE it is ./relay.toml, and without that file what this host has: the
    logs under /var/log, and stdin if something is piped in. The relay's own log is the channel
    "relay".
    """
    # Most of what a start makes is there to stay: looking for garbage meanwhile takes a tenth
    # of it. It is looked for again as soon as the relay serves.
    gc.disable()
    from relay.certificates import read_beside

    with read_beside():
        # First, so that they are read while the configuration is.
        import_module("aiohttp.web")

    from relay.shorthand import ARGUMENTS
    from relay.startup import Startup, configure

    startup = Startup(file, arguments, start, listen, anonymous, lines, state)
    config, name = configure(startup, _models(), os.environ, commands.commands)

    # Not before the configuration is known to be right: it is heavy.
    from relay.app import serve as run

    ctx.exit(run(config, file=name if listen is None else ARGUMENTS, announce=click.echo))


def _models() -> "Mapping[str, type[BaseModel]]":
    from relay.sources import MODELS

    return MODELS


@commands.command()
@click.argument("name", metavar="[FILE]", required=False, shell_complete=_files)
@_config_option(f"Configuration file. Default: ./{DEFAULT_FILE}.")
def check(name: str | None, file: str | None) -> None:
    """Tell all errors in a configuration file; exit code 2 if there are any."""
    from relay.config.loader import load

    if name and file:
        raise click.UsageError("one FILE at a time")
    file = name or file or DEFAULT_FILE
    count = len(load(file, _models()).sources)
    click.echo(f"{file}: no errors, {count} {'source' if count == 1 else 'sources'}")


@commands.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from relay.config.schema import schema_text

    click.echo(schema_text(_models()), nl=False)


@commands.command()
@click.option(
    "-c",
    "--config",
    "file",
    metavar="FILE",
    default=DEFAULT_FILE,
    show_default=True,
    help="Where it goes; - is stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(file: str, force: bool) -> None:
    """
    Write a configuration for what this host has, with comments.

    These are the logs under /var/log that can be read by who asks, the containers of a Docker
    engine that can be asked, and examples.
    """
    from relay.init_file import ENGINE, ROOT, find_engine, find_logs, save, write_file

    text = write_file(find_logs(ROOT), find_engine(ENGINE))
    if file == "-":
        click.echo(text, nl=False)
        return
    save(file, text, force=force)
    start = "relay" if file == DEFAULT_FILE else f"relay -c {shlex.quote(file)}"
    click.echo(f"{file}: written; start the relay by: {start}")


@commands.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """
    Print what makes a shell complete commands, options, channels and runs.

    For bash and zsh: eval "$(relay completion bash)", in ~/.bashrc or ~/.zshrc. For fish: relay
    completion fish > ~/.config/fish/completions/relay.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(commands, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source(), nl=False)


for _command in (tail, status, healthcheck):
    commands.add_command(_command)


@commands.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@url_option
@click.option("--channel", help="Where its lines go. Default: the program's name.")
@click.option("--run", help="Id of its run. Default: the channel's name and the time.")
@click.pass_context
def run(
    ctx: click.Context, command: tuple[str, ...], url: str, channel: str | None, run: str | None
) -> None:
    """
    Run a command here, and push its output to a relay as a run.

    The output is shown unchanged, and the exit code is the command's: "relay run -- make test".
    The relay must have a source of type "push" that allows the channel. While it is away the
    output is kept, up to 64 MiB.
    """
    import asyncio
    import time

    from relay.run_command import run as run_command

    request = _run_request(command, url, channel, run)
    ctx.exit(asyncio.run(run_command(request, _note_of_run, time.time_ns)))


def _note_of_run(sentence: str) -> None:
    click.echo(f"relay run: {sentence}", err=True)


def _run_request(
    command: tuple[str, ...], url: str, channel: str | None, run: str | None
) -> "RunRequest":
    from datetime import UTC, datetime

    from relay.names import ALLOWED_NAME, channel_name, is_channel_name, is_run_id
    from relay.pusher import RunRequest

    if channel is not None and not is_channel_name(channel):
        raise click.BadParameter(f"expected {ALLOWED_NAME}", param_hint="--channel")
    if run is not None and not is_run_id(run):
        raise click.BadParameter("expected an id such as job-1.2", param_hint="--run")
    channel = channel or channel_name(os.path.basename(command[0]))
    run = run or f"{channel[:100]}.{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    request = RunRequest(url, channel, run, command)
    if not request.is_valid:
        raise click.BadParameter(f"expected a URL, got {url!r}", param_hint="--url")
    return request


def main() -> None:
    """Run the command."""
    commands(prog_name=PROGRAM)
