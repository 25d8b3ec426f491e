"""A configuration for what a host has: it can be used, and reads what there is."""

import re
import socket
from pathlib import Path

import pytest

from relay.config.loader import load
from relay.init_file import ROOT, Logs, find_engine, find_logs, write_file
from relay.sources import SOURCES
from relay.sources.file import FileOptions

MODELS = {kind: source.Options for kind, source in SOURCES.items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a directory as hosts have it under /var/log."""
    root = tmp_path / "log"
    for name in (
        *("syslog", "kern.log", "dpkg.log", "wtmp", "syslog.1", "kern.log.1", ".hidden.log"),
        *("nginx/access.log", "nginx/error.log", "nginx/error.log.2.gz", "relay/a.log"),
        *("private/secret.log", "empty/none.txt", "a.b [x]/y.log", "app/syslog", "app/z.log"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n")
    (root / "directory.log").mkdir()
    return root


def is_public(path: Path) -> bool:
    """Tell what may be read here, whoever runs the tests."""
    return "secret" not in path.name and path.name != "error.log"


def test_what_can_be_read_is_found(root: Path) -> None:
    """Logs, not what was rotated, is hidden or is no text; what cannot be read is counted."""
    assert find_logs(root, is_public) == [
        Logs(root, True, ("*.log", "syslog"), 3, 0),
        Logs(root / "a.b [x]", False, ("*.log",), 1, 0),
        Logs(root / "app", False, ("*.log",), 1, 0),
        Logs(root / "nginx", False, ("*.log",), 1, 1),
        Logs(root / "private", False, (), 0, 1),
        Logs(root / "relay", False, ("*.log",), 1, 0),
    ]
    assert find_logs(root / "none") == []


def test_the_file_reads_what_was_found(root: Path, tmp_path: Path) -> None:
    """Names are free; the paths are those of the files, whatever characters they have."""
    file = tmp_path / "relay.toml"
    file.write_text(write_file(find_logs(root, is_public)))
    sources = load(file, MODELS, {}).sources
    shown = {
        name: (source.path, source.channel)
        for name, source in sources.items()
        if isinstance(source, FileOptions)
    }
    assert shown == {
        "system": ([f"{root}/*.log", f"{root}/syslog"], "{stem}"),
        "a.b--x-": ([f"{root}/a.b [[]x]/*.log"], "{dir}-{stem}"),
        "app-2": ([f"{root}/app/*.log"], "{dir}-{stem}"),
        "nginx": ([f"{root}/nginx/*.log"], "{dir}-{stem}"),
        "relay-2": ([f"{root}/relay/*.log"], "{dir}-{stem}"),
    }
    text = file.read_text()
    assert re.findall(r"^# 1 log in \S+ cannot be read by \S+; on Debian", text, re.MULTILINE)


def test_containers_are_read_where_their_engine_can_be_asked(tmp_path: Path) -> None:
    """Where it cannot, the file says who may; where there is none, nothing."""
    path = tmp_path / "docker.sock"
    assert find_engine(path) is None
    path.touch()
    assert find_engine(path) is None
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert find_engine(path, lambda _: True) is True
        assert find_engine(path, lambda _: False) is False
    file = tmp_path / "relay.toml"
    file.write_text(write_file([], has_engine=True))
    assert [*load(file, MODELS, {}).sources] == ["containers"]
    file.write_text(write_file([], has_engine=False))
    assert not load(file, MODELS, {}).sources
    assert re.search(r"\n# The Docker engine cannot be asked by \S+; on D", file.read_text())


def test_its_examples_can_be_used(root: Path, tmp_path: Path) -> None:
    """Beside what was found, with every "#" before a key taken away; defaults are defaults."""
    file = tmp_path / "relay.toml"
    text = write_file(find_logs(root, is_public), has_engine=True)
    file.write_text(re.sub(r"^#(?=[^ ])", "", text, flags=re.MULTILINE))
    whole = load(file, MODELS, {})
    assert [*whole.sources][-3:] == ["app", "worker", "push"]
    file.write_text(text)
    plain = load(file, MODELS, {})
    assert (whole.server, whole.channel) == (plain.server, plain.channel)


@pytest.mark.parametrize("found", [[], find_logs(ROOT)])
def test_any_host_gets_a_file_that_can_be_used(found: list[Logs], tmp_path: Path) -> None:
    """Also one without logs, and this one."""
    file = tmp_path / "relay.toml"
    file.write_text(write_file(found))
    assert len(load(file, MODELS, {}).sources) == sum(1 for logs in found if logs.readable)
    assert ("# No logs were found under /var/log." in file.read_text()) is not bool(found)
