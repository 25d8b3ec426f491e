"""Channels that the real relay drops, and that come again."""

from pathlib import Path

from tests.e2e.conftest import Relay, StartRelay

CONFIG = """
[channel]
forget_after = "500ms"
[channels.kept]
forget_after = "0s"
[sources.files]
type = "file"
path = "logs/*.log"
start = "beginning"
[sources.silent]
type = "process"
command = "echo alive; exec sleep 1000"
[sources.over]
type = "process"
command = "echo over"
restart = "never"
[sources.kept]
type = "process"
command = "echo kept"
restart = "never"
"""


def channels(relay: Relay) -> set[str]:
    return {channel["name"] for channel in relay.get("api/v1/channels")["channels"]}


def test_only_what_nothing_is_read_for_is_dropped(start_relay: StartRelay, tmp_path: Path) -> None:
    """A file that is gone and a command that has ended; not silent ones, nor the own log."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "gone.log").write_text("one\ntwo\n")
    (logs / "there.log").write_text("one\n")
    relay = start_relay(CONFIG)
    relay.wait(lambda: channels(relay) >= {"gone", "there", "silent", "kept", "relay"})
    relay.wait(lambda: relay.get("api/v1/channels/gone")["last_seq"] == 2)
    (logs / "gone.log").unlink()
    relay.wait(lambda: channels(relay) == {"there", "silent", "kept", "relay"})
    (logs / "gone.log").write_text("three\n")
    relay.wait(lambda: "gone" in channels(relay))
    relay.wait(lambda: relay.get("api/v1/channels/gone")["last_seq"] == 3)
    log = relay.get("api/v1/channels/relay/logs?q=forgotten")["logs"]
    assert {entry["message"].partition(", ")[0] for entry in log} >= {
        "relay.forgetter: channel gone: forgotten",
        "relay.forgetter: channel over: forgotten",
    }


def test_what_is_archived_is_not_dropped(start_relay: StartRelay, tmp_path: Path) -> None:
    """Another channel is, with its files; after a restart it goes on counting all the same."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "gone.log").write_text("one\ntwo\n")
    (logs / "archived.log").write_text("one\n")
    stored = tmp_path / "state" / "channels"
    config = f'{CONFIG}[state]\ndirectory = "{tmp_path}/state"\n'
    config += "[channels.archived]\narchive = true\n"
    relay = start_relay(config)
    relay.wait(lambda: channels(relay) >= {"gone", "archived"})
    relay.wait(lambda: list(stored.glob("gone/*/*.ndjson")))
    for name in ("gone", "archived"):
        (logs / f"{name}.log").unlink()
    relay.wait(lambda: "gone" not in channels(relay))
    relay.wait(lambda: not list(stored.glob("gone/*/*")))
    assert "archived" in channels(relay)
    assert relay.stop() == 0
    again = start_relay(config)
    kept = again.get("api/v1/channels/archived/logs")["logs"]
    assert [one["message"] for one in kept] == ["one"]
    (logs / "gone.log").write_text("three\n")
    again.wait(lambda: "gone" in channels(again))
    again.wait(lambda: again.get("api/v1/channels/gone")["last_seq"] == 3)
