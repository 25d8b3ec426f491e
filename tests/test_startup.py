"""What ``relay serve`` is to do: a file, arguments, both, or what the host has."""

from pathlib import Path

import pytest

from relay.config.model import Config
from relay.errors import ConfigError
from relay.sources import SOURCES
from relay.startup import Startup, configure

MODELS = {kind: source.Options for kind, source in SOURCES.items()}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(startup: Startup) -> tuple[Config, str]:
    """Put together what is asked for, with one variable in the environment."""
    return configure(startup, MODELS, {"LINES": "7"}, ["check"])


def written(config: Config) -> dict[str, dict[str, object]]:
    """Return the sources' keys that are not defaults."""
    return {
        name: options.model_dump(exclude_unset=True) for name, options in config.sources.items()
    }


def complaint(startup: Startup) -> str:
    """Return what is said about it."""
    with pytest.raises(ConfigError) as caught:
        configured(startup)
    return str(caught.value)


def test_arguments_are_sources_beside_the_own_log() -> None:
    """Without a file all else is as by default."""
    config, name = configured(Startup(arguments=["web=x.log", "cmd:echo ${HOME}"], start="5"))
    assert written(config) == {
        "web": {"type": "file", "path": ["x.log"], "start": 5, "channel": "web"},
        "echo": {"type": "process", "command": "echo ${HOME}", "restart": "never"},
        "relay": {"type": "relay"},
    }
    assert config.model_dump(exclude={"sources"}) == Config().model_dump(exclude={"sources"})
    assert name == "arguments"


def test_a_file_and_arguments_are_put_together(directory: Path) -> None:
    """Names that nobody chose step aside for those of the file."""
    (directory / "my.toml").write_text(
        """
        channel.lines = "${LINES}"
        [sources.stdin]
        type = "process"
        command = "true"
        [sources.relay]
        type = "relay"
        channel = "own"
        """
    )
    config, name = configured(Startup("my.toml", ["-"]))
    assert written(config) == {
        "stdin": {"type": "process", "command": "true"},
        "relay": {"type": "relay", "channel": "own"},
        "stdin-2": {"type": "stdin"},
    }
    assert config.channel.lines == 7
    assert name == "my.toml"


def test_a_file_in_the_directory_is_taken_where_nothing_is_asked_for(directory: Path) -> None:
    """With arguments it is not."""
    (directory / "relay.toml").write_text("channel.lines = 3")
    config, name = configured(Startup())
    assert (config.channel.lines, list(config.sources), name) == (3, ["relay"], "relay.toml")
    config, name = configured(Startup(arguments=["./x.log"]))
    assert (config.channel.lines, list(config.sources), name) == (
        10_000,
        ["files", "relay"],
        "arguments",
    )


def test_without_anything_the_relay_has_what_the_host_has() -> None:
    """Log files and its own log; stdin depends on where the relay is started."""
    config, name = configured(Startup())
    assert set(config.sources) - {"stdin"} == {"files", "directories", "relay"}
    assert name == "arguments"


def test_the_command_line_beats_the_file(directory: Path) -> None:
    """Also where the file's own value would be refused."""
    (directory / "relay.toml").write_text(
        'server = { listen = "0.0.0.0:1", heartbeat = "1s" }\nchannel.lines = 3'
    )
    config, _ = configured(Startup(listen="unix:/x.sock", lines=9))
    assert (str(config.server.listen), config.server.heartbeat) == ("unix:/x.sock", 1.0)
    assert config.channel.lines == 9
    config, _ = configured(Startup(anonymous=True, state="kept"))
    assert config.state.directory == "kept"
    assert (str(config.server.listen), config.server.anonymous) == ("0.0.0.0:1", True)


def test_what_cannot_be_used_names_where_it_came_from(directory: Path) -> None:
    """Arguments, or the file."""
    assert complaint(Startup(listen="x")) == (
        'arguments: server.listen: expected an address such as "127.0.0.1:8514", "[::1]:8514" '
        "or \"unix:/run/relay.sock\", got 'x'"
    )
    assert complaint(Startup(arguments=["chekc"])) == (
        "arguments: chekc: no such file or command; did you mean 'check'?"
    )
    assert complaint(Startup("no.toml")) == "no.toml: cannot be read: no such file or directory"
    (directory / "relay.toml").write_text("server = 5")
    assert (
        complaint(Startup(listen="127.0.0.1:1")) == "relay.toml: server: expected a table, got 5"
    )
