"""Traces and other encodings through the real relay: real interpreters, files and HTTP."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.e2e.conftest import Relay, StartRelay

PROGRAM = """
import sys, time
def read(number):
    raise KeyError(number)
for number in range(3):
    print(f"INFO order {number}", file=sys.stderr)
    try:
        read(number)
    except KeyError as error:
        try:
            raise RuntimeError("no order") from error
        except RuntimeError:
            sys.excepthook(*sys.exc_info())
print("INFO done", file=sys.stderr)
"""


def messages(running: Relay, channel: str) -> list[str]:
    page = running.get(f"api/v1/channels/{channel}/logs")
    return [log["message"] for log in page["logs"]]


def test_traces_of_a_command_and_in_a_file(tmp_path: Path, start_relay: StartRelay) -> None:
    """Each is one entry, and all text is there."""
    program, log = tmp_path / "program.py", tmp_path / "app.log"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program)]
    written = subprocess.run(command, capture_output=True, check=True).stderr.decode()
    log.write_text(written, encoding="utf-16")
    running = start_relay(
        f'[sources.worker]\ntype = "process"\ncommand = {command}\nmultiline = "python"\n'
        f'[sources.app]\ntype = "file"\npath = "{log}"\nstart = "beginning"\n'
        'encoding = "utf-16"\nmultiline = { rule = "python", timeout = "300ms" }\n'
    )
    for channel in ("worker", "app"):
        running.wait(partial(_is_done, running, channel))
        came = messages(running, channel)
        assert [text.split(":")[0] for text in came] == [
            "INFO order 0",
            "Traceback (most recent call last)",
            "INFO order 1",
            "Traceback (most recent call last)",
            "INFO order 2",
            "Traceback (most recent call last)",
            "INFO done",
        ]
        assert "\n".join(came) + "\n" == written
        assert all(text.endswith("RuntimeError: no order") for text in came[1::2])


def _is_done(running: Relay, channel: str) -> bool:
    known = [one["name"] for one in running.get("api/v1/channels")["channels"]]
    return channel in known and "INFO done" in messages(running, channel)
