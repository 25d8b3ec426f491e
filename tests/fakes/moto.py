"""
An AWS-compatible server as a process of its own: moto, on loopback.

What it does not do like AWS (throttling, expired tokens, pages without events) the fake in
``tests/fakes/aws_logs.py`` does.
"""

import base64
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["ACCESS_KEY", "ACCOUNT", "Moto"]

PATIENCE_SECONDS = 30.0

ACCOUNT = "123456789012"
"""Whose moto's groups are."""

ACCESS_KEY = "AKIA" + base64.b32encode((int(ACCOUNT) << 7).to_bytes(6) + bytes(4)).decode()
"""Of that account, as AWS writes it into its keys."""


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Moto:
    """A server that runs until it is closed."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, "moto does not start"
                assert self._process.poll() is None, "moto ended"
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def ask(self, action: str, **body: Any) -> Any:
        """Return what it answers."""
        headers = {
            "X-Amz-Target": f"Logs_20140328.{action}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20261121/eu-central-1/"
            "logs/aws4_request, SignedHeaders=host, Signature=0",
        }
        self._connection.request("POST", "/", json.dumps(body), headers)
        response = self._connection.getresponse()
        answered = response.read()
        assert response.status == 200, answered
        return json.loads(answered) if answered.strip() else {}

    def create(self, group: str, *streams: str) -> None:
        """Make a log group and streams of it."""
        self.ask("CreateLogGroup", logGroupName=group)
        for stream in streams:
            self.ask("CreateLogStream", logGroupName=group, logStreamName=stream)

    def put(self, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Write events, each with its time in ms."""
        self.ask(
            "PutLogEvents",
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": time_ms, "message": text} for time_ms, text in events],
        )
