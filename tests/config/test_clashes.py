"""What two sources cannot both have."""

from pathlib import Path

import pytest

from relay.config.document import parse
from relay.config.loader import build
from relay.errors import ConfigError
from relay.sources import SOURCES
from relay.startup import Startup, configure

MODELS = {kind: source.Options for kind, source in SOURCES.items()}


def check(text: str) -> None:
    """Read ``text`` as if it stood in relay.toml."""
    build(parse(text.encode(), "relay.toml"), "relay.toml", MODELS, {})


def complaint(text: str) -> list[str]:
    """Return what is said about ``text``, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        check(text)
    return str(caught.value).replace("relay.toml: ", "").splitlines()


def test_all_clashes_are_told_with_both_names() -> None:
    """The same path, however it is written; stdin; the same glob of pushes."""
    assert complaint(
        """
        [sources.a]
        type = "file"
        path = ["/var/log/app.log", "/var/log/*.txt"]
        [sources."b:c"]
        type = "file"
        path = ["/var/log/x/../app.log", "/var/log/*.txt"]
        exclude = ["secret.txt"]
        [sources.c]
        type = "file"
        path = "/var/log/*.txt"
        [sources.d]
        type = "stdin"
        [sources.e]
        type = "stdin"
        [sources.f]
        type = "push"
        channels = ["ci-*", "web"]
        [sources.g]
        type = "push"
        channels = ["ci-*", "web-*"]
        """
    ) == [
        "sources.\"b:c\".path: '/var/log/app.log' is read by sources.a already",
        "sources.c.path: '/var/log/*.txt' is read by sources.a already",
        "sources.e: stdin is read by sources.d already",
        "sources.g.channels: pushes to 'ci-*' are taken by sources.f already",
    ]


def test_what_is_no_clash() -> None:
    """The same channel, the same command, a path that is named twice by one source."""
    check(
        """
        [sources.a]
        type = "file"
        path = ["/var/log/app.log", "/var/log/app.log", "/var/log/*.log"]
        channel = "all"
        [sources.b]
        type = "process"
        command = "dmesg"
        channel = "all"
        [sources.c]
        type = "process"
        command = "dmesg"
        [sources.d]
        type = "file"
        path = "/var/log/*.log"
        exclude = ["app.log"]
        """
    )


def test_arguments_clash_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What both name is read once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.log").touch()
    (tmp_path / "my.toml").write_text('[sources.app]\ntype = "file"\npath = "app.log"\n')
    with pytest.raises(ConfigError) as caught:
        configure(Startup("my.toml", ["app.log"]), MODELS, {})
    assert str(caught.value) == (
        f"arguments: sources.files.path: '{tmp_path}/app.log' is read by sources.app already"
    )
