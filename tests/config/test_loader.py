"""A file becomes typed values, or all of its errors at once."""

from pathlib import Path

import pytest

from relay.config.address import TcpAddress, UnixAddress
from relay.config.document import parse
from relay.config.loader import build, load
from relay.config.model import ChannelOptions, Config, ServerOptions
from relay.errors import ConfigError
from tests.config.models import MODELS, FileOptions, ProcessOptions

NAME_RULE = (
    "expected 1 to 128 ASCII letters, digits, '.', '_', ':', '-', the first a letter, a digit "
    "or '_', and none of the words api, client.js, embed.js, favicon.ico, healthz, json, "
    "metrics, raw, readyz, sse, static, ws"
)


def config(text: str, **environ: str) -> Config:
    """Read ``text`` as if it stood in relay.toml."""
    return build(parse(text.encode(), "relay.toml"), "relay.toml", MODELS, environ)


def complaint(text: str, **environ: str) -> str:
    """Return what is said about ``text``, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        config(text, **environ)
    return str(caught.value).replace("relay.toml: ", "")


def test_an_empty_file_is_all_defaults() -> None:
    """Nothing has to be configured."""
    assert config("").model_dump() == Config().model_dump()
    assert config("").server == ServerOptions()
    assert str(config("").server.listen) == "127.0.0.1:8514"
    assert config("").channel == ChannelOptions.model_validate({"lines": 10_000, "bytes": "16MiB"})


def test_every_key_becomes_a_typed_value() -> None:
    """Durations are seconds, sizes bytes, addresses values; names are folded."""
    read = config(
        """
        [server]
        listen = "0.0.0.0:80"
        anonymous = true
        base_path = "/logs/"
        stop_timeout = "250ms"
        hosts = ["Logs.Example.com", "[::1]"]
        cors_origins = ["https://Example.com", "http://localhost:3000"]
        heartbeat = "1m"
        write_timeout = "2m"
        max_channels = 20
        [state]
        directory = "${STATE}/relay"
        fsync = "250ms"
        commit_timeout = "2s"
        min_free = "0B"
        [channel]
        lines = 5
        bytes = "1MiB"
        archive = true
        keep_days = 0.5
        keep_bytes = "1GiB"
        forget_after = "1h"
        [sources.app]
        type = "file"
        path = "${LOGS}/*.log"
        [sources.job]
        type = "process"
        command = "make"
        stop_timeout = "1m"
        """,
        LOGS="/var/log",
        STATE="/var/lib",
    )
    assert read.server.model_dump() == {
        "anonymous": True,
        "listen": "0.0.0.0:80",
        "base_path": "/logs",
        "stop_timeout": 0.25,
        "hosts": ("logs.example.com", "::1"),
        "cors_origins": ("https://example.com", "http://localhost:3000"),
        "heartbeat": 60.0,
        "write_timeout": 120.0,
        "max_channels": 20,
    }
    assert read.server.listen == TcpAddress("0.0.0.0", 80)
    assert read.state.model_dump() == {
        "directory": "/var/lib/relay",
        "fsync": 0.25,
        "commit_timeout": 2.0,
        "min_free": 0,
    }
    assert read.channel.model_dump() == {
        "lines": 5,
        "bytes": 1 << 20,
        "archive": True,
        "keep_days": 0.5,
        "keep_bytes": 1 << 30,
        "forget_after": 3600.0,
    }
    assert read.sources == {
        "app": FileOptions(type="file", path="/var/log/*.log"),
        "job": ProcessOptions.model_validate(
            {"type": "process", "command": "make", "stop_timeout": "60s"}
        ),
    }


def test_a_channel_overrides_what_it_names() -> None:
    """What a channel's own table leaves out is as for every channel."""
    read = config(
        """
        state.directory = "state"
        channel.lines = 100
        channel.bytes = "1MiB"
        channel.archive = true
        channel.forget_after = "1h"
        channels.web.lines = 5
        channels."api:1".bytes = "2MiB"
        channels.quiet = { archive = false, keep_days = 2, keep_bytes = "1KiB" }
        """
    )
    every = {
        "lines": 100,
        "bytes": 1 << 20,
        "archive": True,
        "keep_days": 7.0,
        "keep_bytes": 10 << 30,
        "forget_after": 3600.0,
    }
    own: dict[str, dict[str, object]] = {
        "web": {"lines": 5},
        "api:1": {"bytes": 2 << 20},
        "quiet": {"archive": False, "keep_days": 2.0, "keep_bytes": 1 << 10},
        "x": {},
    }
    for name, changes in own.items():
        assert read.channel_options(name).model_dump() == every | changes


def test_lines_are_archived_only_where_there_is_a_place_for_them() -> None:
    """Each table that says so is named; what says no needs none."""
    said = complaint(
        """
        channel.archive = true
        channels.web.archive = true
        channels.quiet.archive = false
        """
    )
    wanted = "expected false, or state.directory to say where lines are kept, got true"
    assert said.splitlines() == [
        f"channel.archive: {wanted}",
        f"channels.web.archive: {wanted}",
    ]


def test_how_often_the_disk_is_written_is_a_word_or_a_duration() -> None:
    """Of what is neither, all that is allowed is told."""
    values = {word: config(f'state.fsync = "{word}"').state.fsync for word in ("always", "never")}
    assert values == {"always": "always", "never": "never"}
    assert config("").state.fsync == 1.0
    assert complaint('state.fsync = "often"') == (
        "state.fsync: expected 'always' or 'never' or a duration such as "
        '"250ms", "10s", "5m", "1h" or "7d", got \'often\''
    )
    assert complaint('state.fsync = "0s"') == (
        "state.fsync: expected 'always' or 'never' or more than 0s, got '0s'"
    )


def test_what_is_kept_on_disk_has_bounds() -> None:
    """Each is told with its limit, in the unit that it was written in."""
    said = complaint(
        """
        [state]
        directory = ""
        commit_timeout = "0s"
        min_free = 5
        [channel]
        keep_days = 0
        keep_bytes = "0B"
        [channels.web]
        archive = "perhaps"
        keep_days = inf
        """
    )
    assert said.splitlines() == [
        "state.directory: expected the path of a directory, such as \"/var/lib/relay\", got ''",
        "state.commit_timeout: expected more than 0s, got '0s'",
        'state.min_free: expected a size such as "64KiB", "16MiB" or "1GiB", got 5',
        "channel.keep_days: expected more than 0, got 0",
        "channel.keep_bytes: expected at least 1B, got '0B'",
        "channels.web.archive: expected true or false, got 'perhaps'",
        "channels.web.keep_days: expected at most 36500, got inf",
    ]


def test_a_unix_socket_needs_no_permission() -> None:
    """Only addresses that other hosts reach do."""
    read = config('server.listen = "unix:/run/relay.sock"')
    assert read.server.listen == UnixAddress("/run/relay.sock")


def test_an_open_address_needs_permission() -> None:
    """Whoever opens the relay to other hosts says so."""
    assert complaint('server.listen = "0.0.0.0:8514"') == (
        "server.listen: expected a loopback address or a unix socket, "
        "or server.anonymous = true to let all in, got '0.0.0.0:8514'"
    )


def test_all_errors_are_told_at_once() -> None:
    """Each with its place, what was expected and what was read, in the order of the model."""
    said = complaint(
        """
        sorces = 1
        zzz = 1
        [server]
        listen = "8514"
        lsten = "x"
        base_path = "logs"
        stop_timeout = "0s"
        hosts = ["a:1"]
        cors_origins = ["example.com"]
        heartbeat = 5
        write_timeout = "${NOPE}"
        [channel]
        lines = 0
        bytes = true
        [channels.json]
        lines = 1
        [channels.web]
        lines = "x"
        byte = 1
        """
    )
    assert said.splitlines() == [
        "server.write_timeout: environment variable NOPE is not set, and there is no default",
        (
            'server.listen: expected an address such as "127.0.0.1:8514", "[::1]:8514" '
            "or \"unix:/run/relay.sock\", got '8514'"
        ),
        "server.base_path: expected a path such as \"/logs\", or an empty string, got 'logs'",
        "server.stop_timeout: expected more than 0s, got '0s'",
        (
            "server.hosts[0]: expected a host's name or address, without a scheme and a port, "
            "got 'a:1'"
        ),
        (
            'server.cors_origins[0]: expected an origin such as "https://example.com", '
            "got 'example.com'"
        ),
        'server.heartbeat: expected a duration such as "250ms", "10s", "5m", "1h" or "7d", got 5',
        "server: unknown key 'lsten'; did you mean 'listen'?",
        "channel.lines: expected at least 1, got 0",
        'channel.bytes: expected a size such as "64KiB", "16MiB" or "1GiB", got true',
        f"channels.json: {NAME_RULE}, got 'json'",
        "channels.web.lines: expected a whole number, got 'x'",
        "channels.web: unknown key 'byte'; did you mean 'bytes'?",
        "unknown key 'sorces'; did you mean 'sources'?",
        "unknown key 'zzz'; known are channel, channels, server, sources, state",
    ]


def test_errors_of_sources_name_the_key_and_not_the_type() -> None:
    """Where a value may be of several kinds, the kind that was meant is the one to mend."""
    said = complaint(
        """
        [sources]
        number = 5
        [sources.none]
        [sources.near]
        type = "fil"
        [sources.far]
        type = "kafka"
        [sources.a]
        type = "file"
        path = 5
        start = "middle"
        max_line_bytes = "2B"
        [sources.b]
        type = "file"
        pth = "x"
        [sources."c c"]
        type = "file"
        path = ["x", 1, 2]
        joining = { strt = 5 }
        [sources.d]
        type = "process"
        command = "x"
        restarts = 10
        """
    )
    assert said.splitlines() == [
        "sources.number: expected a table, got 5",
        "sources.none.type: this key is required: one of 'file', 'process'",
        "sources.near.type: expected one of 'file', 'process', got 'fil'; did you mean 'file'?",
        "sources.far.type: expected one of 'file', 'process', got 'kafka'",
        "sources.a.path: expected a list or a string, got 5",
        "sources.a.start: expected 'end' or 'beginning' or a whole number, got 'middle'",
        "sources.a.max_line_bytes: expected at least 256B, got '2B'",
        "sources.b.path: this key is required",
        "sources.b: unknown key 'pth'; did you mean 'path'?",
        f"sources.\"c c\": {NAME_RULE}, got 'c c'",
        'sources."c c".path[1]: expected a string, got 1',
        'sources."c c".path[2]: expected a string, got 2',
        'sources."c c".joining.start: this key is required',
        "sources.\"c c\".joining: unknown key 'strt'; did you mean 'start'?",
        "sources.d.restarts: expected at most 9, got 10",
    ]


def test_what_the_environment_holds_is_not_shown() -> None:
    """The value may be a secret; the file's own words are enough to find it."""
    assert complaint('channel.lines = "${TOKEN}"', TOKEN="hunter2") == (
        "channel.lines: expected a whole number, got '${TOKEN}'"
    )


def test_the_environment_gives_numbers_too() -> None:
    """What comes from the environment is text, whatever the key wants."""
    read = config('channel.lines = "${LINES}"\nserver.anonymous = "${OPEN:-true}"', LINES="7")
    assert (read.channel.lines, read.server.anonymous) == (7, True)


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    """Errors name the file as it was given."""
    path = tmp_path / "relay.toml"
    path.write_text("channel.lines = 3\n")
    assert load(path, MODELS, {}).channel.lines == 3
    path.write_text("channel.lines = -3\n")
    with pytest.raises(ConfigError) as caught:
        load(path, MODELS, {})
    assert str(caught.value) == f"{path}: channel.lines: expected at least 1, got -3"


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """A missing file and a directory in its place are told apart."""
    with pytest.raises(ConfigError) as caught:
        load("nowhere/relay.toml", MODELS, {})
    assert str(caught.value) == "nowhere/relay.toml: cannot be read: no such file or directory"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MODELS, {})
    assert str(caught.value) == f"{tmp_path}: cannot be read: is a directory"
