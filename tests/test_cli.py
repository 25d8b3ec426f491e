"""The command as a user meets it: a process, its output and its exit code."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from relay import client_commands, remote
from relay.config.schema import schema
from relay.sources import SOURCES
from tests.fakes.ndjson import Answer, serve
from tests.test_tail import complete, entry

ROOT = Path(__file__).parents[1]
RELAY = [sys.executable, "-m", "relay"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
}
DEADLINE_SECONDS = 30


def relay(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*RELAY, *arguments],
        cwd=directory,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """Start a command."""
    return await asyncio.create_subprocess_exec(
        *RELAY,
        *arguments,
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def test_the_version_is_told_at_once(tmp_path: Path) -> None:
    """No heavy module is imported for it, so that a shell does not wait."""
    done = relay("--version", directory=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("relay 0.1.0\n", "", 0)
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom relay.cli import commands\n"
        "assert CliRunner().invoke(commands, ['--version']).exit_code == 0\n"
        "heavy = {'aiohttp', 'hyperscan', 'orjson', 'pydantic', 're2', 'uvloop'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert loaded.stdout == "[]\n"


def test_the_address_of_a_relay_is_the_same_everywhere() -> None:
    """It stands twice, since the command line must not import what asks."""
    assert client_commands.DEFAULT_URL == remote.DEFAULT_URL


def test_help_names_the_commands(tmp_path: Path) -> None:
    """Asking for help is no error."""
    done = relay("-h", directory=tmp_path)
    assert re.findall(r"^  (\w+)  ", done.stdout, re.MULTILINE) == [
        "check",
        "completion",
        "healthcheck",
        "init",
        "run",
        "schema",
        "serve",
        "status",
        "tail",
    ]
    assert done.returncode == 0


def test_check_says_that_a_file_is_right(tmp_path: Path) -> None:
    """With how much there is in it, so that an empty one is noticed."""
    (tmp_path / "relay.toml").write_text('[sources.x]\ntype = "stdin"\n')
    done = relay("check", directory=tmp_path)
    right = ("relay.toml: no errors, 1 source\n", "", 0)
    assert (done.stdout, done.stderr, done.returncode) == right
    named = relay("check", "relay.toml", directory=tmp_path)
    assert (named.stdout, named.stderr, named.returncode) == right
    twice = relay("check", "relay.toml", "-c", "relay.toml", directory=tmp_path)
    assert (twice.stderr.splitlines()[-1], twice.returncode) == ("Error: one FILE at a time", 2)


def test_check_tells_all_errors_and_exits_with_2(tmp_path: Path) -> None:
    """On stderr, a line for each, and no traceback."""
    (tmp_path / "my.toml").write_text(
        '[sources.app]\ntype = "file"\npath = 5\n[server]\nlisten = "0.0.0.0:80"\n'
        "[sources.worker]\ntype = 'process'\ncommand = 'x'\nrestrat = 'always'\n"
    )
    done = relay("check", "-c", "my.toml", directory=tmp_path)
    assert done.stderr.splitlines() == [
        (
            "my.toml: server.listen: expected a loopback address or a unix socket, "
            "or server.anonymous = true to let all in, got '0.0.0.0:80'"
        ),
        (
            'my.toml: sources.app.path: expected a path or glob such as "/var/log/app/*.log", '
            "or a list of them, got 5"
        ),
        "my.toml: sources.worker: unknown key 'restrat'; did you mean 'restart'?",
    ]
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "relay.toml: cannot be read: no such file or directory\n"),
        (["serve", "-c", "x.toml"], "x.toml: cannot be read: no such file or directory\n"),
        (["chekc"], "arguments: chekc: no such file or command; did you mean 'check'?\n"),
        (["a=-", "-"], "arguments: -: stdin can be read only once\n"),
        (
            ["--start", "middle", "./x.log"],
            (
                'arguments: sources.files.start: expected "end", "beginning" or a number of '
                "lines, got 'middle'\n"
            ),
        ),
    ],
)
def test_what_cannot_be_started_is_a_sentence(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    """Arguments that name no command are for serve."""
    done = relay(*arguments, directory=tmp_path)
    assert (done.stderr, done.stdout, done.returncode) == (message, "", 2)


def test_an_unknown_option_is_told_with_the_usage(tmp_path: Path) -> None:
    """By its name, with exit code 2."""
    done = relay("--anonymus", "x", directory=tmp_path)
    assert (
        done.stderr.splitlines()[-1]
        == "Error: No such option '--anonymus'. Did you mean '--anonymous'?"
    )
    assert done.returncode == 2


def test_an_address_in_use_is_told_before_anything_starts(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    """By the key that says so."""
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        (tmp_path / "relay.toml").write_text(f'server.listen = "127.0.0.1:{unused_tcp_port}"\n')
        done = relay("serve", directory=tmp_path)
    assert done.stderr.splitlines()[-1] == (
        f"relay.toml: server.listen: 127.0.0.1:{unused_tcp_port} is in use"
    )
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize("more", [["./x.log"], ["-c", "empty.toml"]])
def test_an_address_of_the_arguments_in_use_is_told_by_its_option(
    more: list[str], tmp_path: Path, unused_tcp_port: int
) -> None:
    """Who gave no file, or another address than the file's, has no key to look for."""
    (tmp_path / "empty.toml").write_text("")
    address = f"127.0.0.1:{unused_tcp_port}"
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        done = relay("--listen", address, *more, directory=tmp_path)
    assert done.stderr.splitlines()[-1] == (
        f"arguments: --listen: {address} is in use; 127.0.0.1:0 is any free port"
    )
    assert (done.stdout, done.returncode) == ("", 2)


def test_init_writes_a_file_that_can_be_used(tmp_path: Path) -> None:
    """It is not overwritten by chance; on stdout it is the same."""
    done = relay("init", directory=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (
        "relay.toml: written; start the relay by: relay\n",
        "",
        0,
    )
    text = (tmp_path / "relay.toml").read_text()
    assert relay("check", directory=tmp_path).returncode == 0
    again = relay("init", directory=tmp_path)
    assert (again.stdout, again.stderr, again.returncode) == (
        "",
        "relay.toml: is there already; --force overwrites it\n",
        2,
    )
    (tmp_path / "relay.toml").write_text("mine")
    assert relay("init", "--force", directory=tmp_path).returncode == 0
    assert (tmp_path / "relay.toml").read_text() == text
    assert relay("init", "-c", "-", directory=tmp_path).stdout == text


def test_init_says_where_it_cannot_write(tmp_path: Path) -> None:
    """And how to start with another file."""
    done = relay("init", "-c", "no/such.toml", directory=tmp_path)
    assert (done.stderr, done.returncode) == (
        "no/such.toml: cannot be written: no such file or directory\n",
        2,
    )
    done = relay("init", "-c", "my own.toml", directory=tmp_path)
    assert done.stdout == "my own.toml: written; start the relay by: relay -c 'my own.toml'\n"


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o nosort -F _relay_completion relay"),
        ("zsh", "#compdef relay"),
        ("fish", "function _relay_completion;"),
    ],
)
def test_a_completion_script_is_printed(shell: str, line: str, tmp_path: Path) -> None:
    """For each of the usual shells, in its own words."""
    done = relay("completion", shell, directory=tmp_path)
    assert line in [row.strip() for row in done.stdout.splitlines()]
    assert (done.stderr, done.returncode) == ("", 0)


def completed(words: list[str], directory: Path) -> list[str]:
    """Return what bash offers for the last of some words."""
    own = directory / "relay"
    own.write_text(f'#!/bin/sh\nexec {" ".join(RELAY)} "$@"\n')
    own.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        'eval "$(relay completion bash)"; compopt() { echo "$@"; }; '
        f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}; "
        '_relay_completion relay; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**ENVIRONMENT, "PATH": f"{directory}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_completes_commands_options_and_files(tmp_path: Path) -> None:
    """The first word is a command, or a file for ``serve``."""
    assert completed(["relay", "ta"], tmp_path) == ["tail"]
    assert completed(["relay", "tail", "--min"], tmp_path) == ["--min-level"]
    assert completed(["relay", "tail", "-o", "j"], tmp_path) == ["json"]
    assert completed(["relay", "./x"], tmp_path) == ["-o default", ""]
    assert completed(["relay", "./x.log", "--lis"], tmp_path) == ["--listen"]


def test_the_schema_is_printed(tmp_path: Path) -> None:
    """As it is made from the sources that there are."""
    done = relay("schema", directory=tmp_path)
    assert json.loads(done.stdout) == schema(
        {kind: source.Options for kind, source in SOURCES.items()}
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_example_is_free_of_errors(tmp_path: Path) -> None:
    """As a user would find out."""
    done = relay("check", "-c", str(ROOT / "relay.toml.example"), directory=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)


async def test_tail_ends_with_the_exit_code_of_its_run() -> None:
    """What it asks for are its options by the relay's own names; a pipe gets no colours."""
    answer = Answer((entry(8, "ä", "error"), complete("job-1", "failed", 3)), hold=True)
    async with serve(answer) as fake:
        process = await start(
            *("tail", "--url", fake.url, "--run", "job-1", "--tail", "5", "--min-level", "warn"),
            *("-q", "x y", "--since", "10m", "web", "db"),
        )
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, err = await process.communicate()
    assert (out.decode(), err.decode(), process.returncode) == ("web | ä\n", "", 3)
    assert fake.asked == [
        "/web,db/json?q=x+y&min_level=warn&since=10m&run=job-1&tail=5",
    ]


async def test_tail_tells_that_nobody_is_there(unused_tcp_port: int) -> None:
    """In a sentence, with exit code 1."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    process = await start("tail", "--url", url)
    async with asyncio.timeout(DEADLINE_SECONDS):
        out, err = await process.communicate()
    assert (out, err.decode()) == (b"", f"relay tail: cannot reach {url}: connection refused\n")
    assert process.returncode == 1


async def test_tail_is_interrupted_quietly() -> None:
    """By Ctrl-C, as its users end it."""
    async with serve(Answer((entry(8),), hold=True)) as fake:
        process = await start("tail", "--url", fake.url, "web")
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await process.stdout.readline() == b"line 8\n"
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    assert (out, err, process.returncode) == (b"", b"", 130)


async def test_tail_ends_quietly_when_its_reader_has_enough(tmp_path: Path) -> None:
    """As in ``relay tail web | head``."""
    many = b"".join(entry(number) for number in range(1, 5000))
    async with serve(Answer((many,), hold=True)) as fake:
        process = await asyncio.create_subprocess_shell(
            f"{' '.join(RELAY)} tail --url {fake.url} web 2>err | head -n 2; "
            "echo ${PIPESTATUS[0]}; cat err",
            executable="/bin/bash",
            env=ENVIRONMENT,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, _ = await process.communicate()
    assert out == b"line 1\nline 2\n0\n"
