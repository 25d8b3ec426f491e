"""Arguments become the tables that a file would hold, or one sentence each."""

import os
import socket
from pathlib import Path

import pytest

from relay.errors import ConfigError
from relay.shorthand import host_sources, is_piped, sources


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(*arguments: str) -> str:
    """Return what is said about arguments."""
    with pytest.raises(ConfigError) as caught:
        sources(arguments, 10, taken=["app"], commands=["check", "serve"])
    return str(caught.value)


def test_each_kind_of_source_has_a_short_spelling() -> None:
    """Paths without a name are one source; a command is called after its program."""
    read = sources(["-", "/var/log/a.log", "cmd:/bin/ping -c1 'a b'", "b/*.log"], "end")
    assert read == {
        "stdin": {"type": "stdin"},
        "files": {"type": "file", "path": ["/var/log/a.log", "b/*.log"], "start": "end"},
        "ping": {"type": "process", "command": "/bin/ping -c1 'a b'", "restart": "never"},
    }


@pytest.mark.parametrize(("start", "tail"), [("end", 0), ("beginning", "all"), (7, 7)])
def test_containers_without_a_name_are_one_source(start: str | int, tail: str | int) -> None:
    """They begin where files do."""
    read = sources(["docker:web-*", "docker:db", "front=docker:nginx"], start)
    assert read == {
        "containers": {"type": "docker", "containers": ["web-*", "db"], "tail": tail},
        "front": {"type": "docker", "containers": ["nginx"], "tail": tail, "channel": "front"},
    }


def test_a_name_makes_a_source_and_a_channel_of_its_own() -> None:
    """The name stands before the first equals sign."""
    read = sources(["web=cmd:a --b=c", "in=-", "log=x.log", "y.log", "z.log"], 10)
    assert read == {
        "web": {"type": "process", "command": "a --b=c", "restart": "never", "channel": "web"},
        "in": {"type": "stdin", "channel": "in"},
        "log": {"type": "file", "path": ["x.log"], "start": 10, "channel": "log"},
        "files": {"type": "file", "path": ["y.log", "z.log"], "start": 10},
    }


def test_an_equals_sign_need_not_follow_a_name(directory: Path) -> None:
    """A file of that name, a path and a command's own variables are not split."""
    (directory / "a=b.log").touch()
    read = sources(["a=b.log", "./c=d.log", "cmd:A=1 make"], 10)
    assert read == {
        "files": {"type": "file", "path": ["a=b.log", "./c=d.log"], "start": 10},
        "make": {"type": "process", "command": "A=1 make", "restart": "never"},
    }


def test_names_that_nobody_chose_step_aside() -> None:
    """Two commands alike, and a name that the file has, get numbers."""
    read = sources(["cmd:ping a", "cmd:ping b", "cmd:'", "x.log"], 10, taken=["files"])
    assert list(read) == ["ping", "ping-2", "_-", "files-2"]


def test_a_home_directory_is_found_behind_a_name(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shell expands the tilde there."""
    monkeypatch.setenv("HOME", str(directory))
    assert sources(["app=~/x.log"], 10)["app"]["path"] == [f"{directory}/x.log"]


def test_all_wrong_arguments_are_told_at_once(directory: Path) -> None:
    """One name twice, stdin twice, what is no source, and words that were meant as commands."""
    (directory / "logs").mkdir()
    arguments = [
        "web=a.log",
        "web=b.log",
        "app=-",
        "-",
        "in=-",
        "podman:web",
        "docker:",
        "cmd: ",
        "",
        "logs",
    ]
    assert complaint(*arguments, "chekc", "flubber").splitlines() == [
        "arguments: web=b.log: there is another source with the name 'web'",
        "arguments: app=-: there is another source with the name 'app'",
        "arguments: in=-: stdin can be read only once",
        "arguments: podman:web: expected a path, '-', cmd:COMMAND or docker:NAME",
        "arguments: docker:: expected a container's name after docker:",
        "arguments: cmd: : expected a command after cmd:",
        "arguments: expected a path, '-', cmd:COMMAND or docker:NAME, got nothing",
        "arguments: logs: is a directory; its files are 'logs/*'",
        "arguments: chekc: no such file or command; did you mean 'check'?",
        (
            "arguments: flubber: no such file or command; "
            "a file that is still to come is written './flubber'"
        ),
    ]


def test_a_host_has_its_logs_and_what_is_piped_in() -> None:
    """Stdin is a source only where something writes into it."""
    logs = {
        "files": {
            "type": "file",
            "path": ["/var/log/*.log", "/var/log/[s]yslog", "/var/log/[m]essages"],
            "start": 100,
        },
        "directories": {
            "type": "file",
            "path": ["/var/log/*/*.log"],
            "channel": "{dir}-{stem}",
            "start": 100,
        },
    }
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        assert host_sources(reading) == {**logs, "stdin": {"type": "stdin"}}
        assert host_sources(nothing) == logs
    finally:
        for descriptor in (reading, writing, nothing):
            os.close(descriptor)
    assert host_sources(reading) == logs


def test_files_and_sockets_are_piped_in_and_terminals_are_not(directory: Path) -> None:
    """As pipes are; a terminal is there without anybody having meant it."""
    (directory / "x").touch()
    with (directory / "x").open() as file:
        assert is_piped(file.fileno())
    one, other = socket.socketpair()
    with one, other:
        assert is_piped(one.fileno())
    leader, follower = os.openpty()
    try:
        assert not is_piped(follower)
    finally:
        os.close(leader)
        os.close(follower)


def test_directories_beside_files_are_passed_over(tmp_path: Path) -> None:
    """As a shell gives them for /var/log/*; alone a directory is an error."""
    (tmp_path / "nested").mkdir()
    file = tmp_path / "a.log"
    file.touch()
    tables = sources([str(tmp_path / "nested"), str(file)], 10)
    assert tables == {"files": {"type": "file", "path": [str(file)], "start": 10}}
    with pytest.raises(ConfigError):
        sources([str(tmp_path / "nested")], 10)
