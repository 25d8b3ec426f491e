"""Downloads by the real curl from the real relay."""

import gzip
import subprocess
from pathlib import Path

from tests.e2e.conftest import StartRelay


def curl(directory: Path, url: str) -> None:
    subprocess.run(
        ["curl", "-sSfOJ", "--max-time", "60", url], cwd=directory, check=True, timeout=90
    )


def test_curl_saves_files_under_their_names(start_relay: StartRelay, tmp_path: Path) -> None:
    """``curl -OJ`` takes the name that the relay gives, and the file is what the source has."""
    lines = "".join(f"line {number} of a file\n" for number in range(9_000))
    (tmp_path / "web.log").write_text(lines)
    relay = start_relay("", "--start", "beginning", str(tmp_path / "web.log"))
    relay.wait(lambda: "web" in str(relay.get("api/v1/channels")))
    relay.wait(lambda: relay.get("api/v1/channels/web")["last_seq"] == 9_000)
    target = tmp_path / "saved"
    target.mkdir()
    curl(target, relay.url + "api/v1/channels/web/logs/download?since=1h")
    (saved,) = target.iterdir()
    assert saved.name.startswith("web-20")
    assert saved.name.endswith("Z.log")
    assert saved.read_text() == lines
    saved.unlink()
    curl(target, relay.url + "api/v1/logs/download?channel=web&compress=gzip&date=2000-01-01")
    (saved,) = target.iterdir()
    assert saved.name == "web-2000-01-01.log.gz"
    assert gzip.decompress(saved.read_bytes()) == b""
