"""Pushing to the real relay, by curl and by sockets that are cut."""

import json
import random
import socket
import struct
import subprocess
import time
import urllib.error
from typing import Any

from tests.e2e.conftest import PATIENCE_SECONDS, Relay, StartRelay

CONFIG = (
    '[channel]\nlines = 100_000\n[sources.push]\ntype = "push"\nchannels = ["build", "ci-*"]\n'
)


def shell(relay: Relay, command: str) -> str:
    """Run a command line in which ``$U`` is the relay; return what it prints."""
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        env={"U": relay.url.rstrip("/"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return done.stdout


def messages(relay: Relay, channel: str = "build") -> list[str]:
    """Return all messages of a channel."""
    return shell(relay, f"curl -sN $U/{channel}/raw'?follow=0&after=0'").splitlines()


def run_of(relay: Relay, run: str) -> Any:
    """Return a run, or nothing while there is none."""
    try:
        return relay.get(f"/api/v1/runs/{run}")
    except urllib.error.HTTPError:
        return None


def test_a_pipeline_that_is_pushed_while_it_runs(start_relay: StartRelay) -> None:
    """Its lines are there at once, and the answer comes at its end."""
    relay = start_relay(CONFIG)
    pipeline = subprocess.Popen(
        [
            "/bin/bash",
            "-c",
            f"(echo one; read; echo two >&2; printf three) 2>&1 | curl -sT - {relay.url}build",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    relay.wait(lambda: "build" in [c["name"] for c in relay.get("/api/v1/channels")["channels"]])
    relay.wait(lambda: messages(relay) == ["one"])
    assert pipeline.poll() is None
    out, _ = pipeline.communicate("\n", timeout=PATIENCE_SECONDS)
    answer = json.loads(out)
    assert (answer["accepted"], answer["rejected"], answer["run"]) == (3, 0, None)
    assert messages(relay) == ["one", "two", "three"]


def test_what_curl_says_of_a_run(start_relay: StartRelay) -> None:
    """By query and header, as text and NDJSON, compressed, awaited; and its end."""
    relay = start_relay(CONFIG)
    shell(relay, "printf 'a\\nb\\n' | curl -s --data-binary @- $U/build'?run=r&stream=stderr'")
    shell(
        relay,
        'echo \'{"message":"c","level":"warn","fields":{"k":1}}\' | gzip | '
        "curl -s -H 'Relay-Run: r' -H 'Relay-Offset: 2' -H 'Content-Encoding: gzip' "
        "-H 'Content-Type: application/x-ndjson' -H 'Expect: 100-continue' -T - $U/build",
    )
    shell(relay, "curl -s -X POST -d '{\"exit_code\": 2}' $U/api/v1/runs/r/complete")
    got = shell(relay, "curl -sN $U/build/json'?follow=0&run=r'").splitlines()
    logs = [json.loads(line) for line in got if '"type":"log"' in line]
    assert [(log["message"], log["stream"], log["level"]) for log in logs] == [
        ("a", "stderr", "error"),
        ("b", "stderr", "error"),
        ("c", "stdout", "warn"),
    ]
    assert logs[2]["fields"] == {"k": 1}
    run = run_of(relay, "r")
    assert (run["status"], run["exit_code"], run["offset"]) == ("failed", 2, 3)


def test_refusals_reach_curl_while_it_sends(start_relay: StartRelay) -> None:
    """Also where the body would have been endless."""
    relay = start_relay(CONFIG)
    out = shell(relay, "yes | head -c 10000000 | curl -sT - $U/other")
    assert json.loads(out)["error"]["code"] == "channel_not_allowed"


def test_a_flood_is_held_back_and_whole(start_relay: StartRelay) -> None:
    """A client is read no faster than its lines are published."""
    relay = start_relay(CONFIG.replace("100_000", "1000"))
    before = relay.rss_bytes
    out = shell(relay, "seq 2000000 | curl -sT - $U/build'?run=f'")
    assert json.loads(out)["accepted"] == 2_000_000
    assert run_of(relay, "f")["offset"] == 2_000_000
    assert messages(relay)[-1] == "2000000"
    assert relay.rss_bytes - before < 80_000_000


def cut_push(relay: Relay, run: str, offset: int, body: bytes, rng: random.Random) -> None:
    """Send a part of a push and cut the connection: in order, or as a crash does."""
    with socket.create_connection(("127.0.0.1", relay.port)) as client:
        head = f"POST /build?run={run}&offset={offset} HTTP/1.1\r\nHost: localhost\r\n"
        if rng.random() < 0.5:
            payload = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        else:
            chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
            payload = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk
        client.sendall(payload[: rng.randrange(1, len(payload))])
        if rng.random() < 0.7:
            time.sleep(rng.random() * 0.02)
        if rng.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_run_that_is_cut_100_times_arrives_whole_and_once(start_relay: StartRelay) -> None:
    """At random bytes: inside heads, lines and characters; the pusher goes on at once."""
    relay = start_relay(CONFIG)
    rng = random.Random(5)
    lines = [f"line {n} é" + "ü" * rng.randrange(80) for n in range(20_000)]
    data = [line.encode() + b"\n" for line in lines]
    offset = cuts = 0
    while cuts < 100:
        if rng.random() < 0.5 and (run := run_of(relay, "job")):
            offset = run["offset"]
        # What is sent again without having asked is skipped.
        start = max(0, offset - rng.randrange(200))
        body = b"".join(data[start : start + rng.randrange(1, 400)])
        cut_push(relay, "job", start, body, rng)
        cuts += 1
    offset = run_of(relay, "job")["offset"]
    assert 0 < offset < len(lines)
    out = subprocess.run(
        ["curl", "-sT", "-", f"{relay.url}build?run=job", "-H", f"Relay-Offset: {offset}"],
        input=b"".join(data[offset:]),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert json.loads(out.stdout)["offset"] == len(lines)
    assert messages(relay) == lines
    page = relay.get("/api/v1/channels/build/logs?after=0&limit=10000")
    assert [gap for gap in page["gaps"] if gap["reason"] == "source"] == []


def test_stopping_ends_an_endless_push(start_relay: StartRelay) -> None:
    """Its client is told, and the relay does not wait for it."""
    relay = start_relay(CONFIG)
    curl = ["curl", "-sT", "-", f"{relay.url}build"]
    with subprocess.Popen(curl, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pusher:
        assert pusher.stdin is not None
        pusher.stdin.write(b"one\n")
        pusher.stdin.flush()
        relay.wait(lambda: messages(relay) == ["one"])
        started = time.monotonic()
        assert relay.stop() == 0
        assert time.monotonic() - started < 4
        out, _ = pusher.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out)["error"]["code"] == "stopping"
