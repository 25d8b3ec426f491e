"""Lines of real sources, refined on their way."""

from pathlib import Path

from tests.e2e.conftest import StartRelay

CONFIG = r"""
[sources.jobs]
type = "file"
path = "%s/web.log"
start = "beginning"
channel = "{stem}-{tenant}"
redact = ["bearer", 'pin=(?P<secret>\d+)']
timestamp = "auto"
timezone = "Europe/Berlin"
fields = "logfmt"
level_pattern = '<(?P<level>\w+)>'
run_pattern = 'tenant=(?P<tenant>\w+) job=(?P<run>\S+)'
"""

LINES = [
    "2026-07-21 09:47:30,5 <warning> tenant=acme job=7 Authorization: Bearer abcdef.ghi",
    "  at some/place.c:1",
    "2026-07-21 09:47:31 <fatal> tenant=umbrella job=8 pin=1234 ok",
]


def test_a_file_is_refined_before_anyone_has_its_lines(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """Secrets, times, fields, levels, runs and channels."""
    (tmp_path / "web.log").write_text("\n".join(LINES) + "\n")
    relay = start_relay(CONFIG % tmp_path)
    relay.wait(lambda: relay.get("api/v1/status")["sources"][0]["lines"] == 3)
    names = {channel["name"] for channel in relay.get("api/v1/channels")["channels"]}
    assert {"jobs", "web-acme", "web-umbrella"} <= names
    [acme] = relay.get("api/v1/channels/web-acme/logs")["logs"]
    assert acme["message"] == LINES[0].replace("abcdef.ghi", "***")
    assert acme["timestamp"] == "2026-07-21T07:47:30.500000000Z"
    assert (acme["level"], acme["run"]) == ("warn", "7")
    assert acme["fields"] == {"tenant": "acme", "job": "7"}
    [trace] = relay.get("api/v1/channels/jobs/logs")["logs"]
    assert trace["message"] == LINES[1]
    assert trace["timestamp"] == acme["timestamp"]
    assert "run" not in trace
    [umbrella] = relay.get("api/v1/channels/web-umbrella/logs?field=pin:***")["logs"]
    assert (umbrella["level"], umbrella["run"]) == ("fatal", "8")
    assert relay.get("api/v1/channels/web-umbrella/logs?field=pin:1234")["logs"] == []
    assert relay.get("api/v1/runs/8")["lines"] == 1
