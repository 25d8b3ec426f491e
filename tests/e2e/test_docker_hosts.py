"""Real engines, one and two, near and behind TLS; and what is read of a container's past."""

import json
import signal
import ssl
import time
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import Authority, Certificate
from tests.docker_engine import Engine, running_engine
from tests.e2e.conftest import Relay, StartRelay
from tests.e2e.docker_writers import Lives, assert_exact, begin, gaps_in, lines_in, wait_for_lines
from tests.fakes.engine_proxy import EngineProxy

TRACES = 4000
"""Entries of three lines."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return who vouches for the engine and the relay."""
    return Authority(tmp_path / "tls")


def asking_for_certificates(authority: Authority) -> ssl.SSLContext:
    """Return TLS as an engine has it with ``--tlsverify``."""
    own = authority.vouch("engine")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.load_cert_chain(own.cert, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def keys(authority: Authority, own: Certificate | None) -> str:
    """Return the keys of a source that speaks TLS."""
    found = {"tls_ca": str(authority.ca)}
    if own is not None:
        found |= {"tls_cert": str(own.cert), "tls_key": str(own.key)}
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in found.items())


def test_an_engine_behind_tls(
    lives: Lives, engine: Engine, tmp_path: Path, authority: Authority
) -> None:
    """Both show who they are; cuts and kills are as ever."""
    own = keys(authority, authority.vouch("relay"))
    with EngineProxy(engine.socket, asking_for_certificates(authority)).running() as proxy:
        relay = lives(proxy.url, own)
        writer = begin(engine, tmp_path)
        wait_for_lines(relay, "numbers", 5000)
        assert proxy.cut("logs", reset=True) == 1
        wait_for_lines(relay, "numbers", 10_000)
        relay.stop(signal.SIGKILL)
        relay = lives(proxy.url, own)
        wait_for_lines(relay, "numbers", 20_000)
        writer.stop()
        assert_exact(relay, writer)


def last_error(relay: Relay) -> str:
    sources = relay.get("/api/v1/status")["sources"]
    return next(str(one["last_error"]) for one in sources if one["name"] == "containers")


def test_an_engine_that_nobody_vouches_for(
    lives: Lives, engine: Engine, tmp_path: Path, authority: Authority
) -> None:
    """It is not believed, and status says why."""
    other = Authority(tmp_path / "other", "another authority")
    with EngineProxy(engine.socket, asking_for_certificates(other)).running() as proxy:
        relay = lives(proxy.url, keys(authority, authority.vouch("relay")))
        relay.wait(lambda: last_error(relay) != "None")
        reason = "certificate verify failed: self-signed certificate in certificate chain"
        assert last_error(relay) == f"cannot reach {proxy.url}: {reason}"


def test_a_relay_that_does_not_say_who_it_is(
    lives: Lives, engine: Engine, authority: Authority
) -> None:
    """The engine asks for its certificate, and hangs up."""
    with EngineProxy(engine.socket, asking_for_certificates(authority)).running() as proxy:
        relay = lives(proxy.url, keys(authority, None))
        relay.wait(lambda: last_error(relay) != "None")
        # Whether its last words come before its hanging up is chance.
        reasons = ("server disconnected", "connection reset by peer")
        assert last_error(relay) in [f"cannot reach {proxy.url}: {reason}" for reason in reasons]


def test_two_engines_side_by_side(start_relay: StartRelay, engine: Engine, tmp_path: Path) -> None:
    """Each a source; equal names have a channel each, and one engine's end is its own."""
    table = (
        '[sources.{name}]\ntype = "docker"\nhost = "{url}"\nchannel = "{{source}}-{{service}}"\n'
    )
    with running_engine() as second:
        relay = start_relay(
            table.format(name="here", url=engine.url)
            + table.format(name="there", url=second.url)
            + '[channel]\nlines = 1_000_000\nbytes = "256MiB"\n'
        )
        (tmp_path / "there").mkdir()
        writers = {
            "here-numbers": begin(engine, tmp_path, lines=5000),
            "there-numbers": begin(second, tmp_path / "there", lines=5000),
        }
        for channel, writer in writers.items():
            writer.wait()
            assert_exact(relay, writer, channel)
        second.stop()
        engine.run("after", "echo after")
        wait_for_lines(relay, "here-after", 1)
        states = {one["name"]: one["state"] for one in relay.get("/api/v1/status")["sources"]}
        assert states["here"] == "running"
        relay.wait(lambda: _state(relay, "there") == "failing")


def _state(relay: Relay, source: str) -> str:
    sources = relay.get("/api/v1/status")["sources"]
    return next(str(one["state"]) for one in sources if one["name"] == source)


def test_containers_without_a_file(
    start_relay: StartRelay, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that an argument names, of the engine that the environment names."""
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    relay = start_relay("", "docker:web-*")
    engine.run("other", "echo no")
    engine.run("web-1", "echo yes")
    wait_for_lines(relay, "web-1", 1)
    known = {one["name"] for one in relay.get("/api/v1/channels")["channels"]}
    assert known == {"relay", "web-1"}


@pytest.mark.parametrize("tail", ['"all"', "3"], ids=["all", "tail"])
def test_since_when_a_container_s_past_is_read(lives: Lives, engine: Engine, tail: str) -> None:
    """From the line of this very time on, and none that is older; of these the last ones."""
    engine.run("old", "mkfifo /tmp/in; seq 0 9; while :; do cat /tmp/in; done")
    deadline = time.monotonic() + 30
    while len(said := engine.docker("logs", "--timestamps", "old").splitlines()) < 10:
        assert time.monotonic() < deadline
    # An engine's list has whole seconds only: what is a second old is old.
    time.sleep(1.1)
    relay = lives(more=f'since = "{said[5].split()[0]}"\ntail = {tail}')
    expected = ["5", "6", "7", "8", "9"] if tail == '"all"' else ["7", "8", "9"]
    wait_for_lines(relay, "old", len(expected))
    engine.docker("exec", "old", "sh", "-c", "echo more > /tmp/in")
    wait_for_lines(relay, "old", len(expected) + 1)
    assert lines_in(relay, "old") == [*expected, "more"]
    # What is new to the engine is read whole, whatever its time.
    engine.run("new", "seq 0 9")
    wait_for_lines(relay, "new", 10)
    assert gaps_in(relay, "old") == []


def test_lines_of_one_entry_over_kills_of_the_relay(lives: Lives, engine: Engine) -> None:
    """Each trace is one entry of its stream, also where the relay was killed inside it."""
    script = f"""
    n=0
    while [ $n -lt {TRACES} ]; do
        echo "out $n"; echo "err $n" >&2
        echo "  at one $n"; echo "  at two $n" >&2
        echo "  at three $n"
        n=$((n + 1)); [ $((n % 50)) = 0 ] && usleep 20000
    done
    """
    relay = lives(more='multiline = "indent"')
    engine.run("traces", script)
    for kill in range(3):
        wait_for_lines(relay, "traces", (kill + 1) * TRACES // 3)
        relay.stop(signal.SIGKILL)
        relay = lives(more='multiline = "indent"')
    relay.wait(partial(_has_ended, relay), 60)
    out, err = lines_in(relay, "traces", "out "), lines_in(relay, "traces", "err ")
    assert out == [f"out {n}\n  at one {n}\n  at three {n}" for n in range(TRACES)]
    assert err == [f"err {n}\n  at two {n}" for n in range(TRACES)]
    assert gaps_in(relay, "traces") == []


def _has_ended(relay: Relay) -> bool:
    runs = relay.get("/api/v1/runs")["runs"]
    return any(run["ended"] for run in runs if run["source"] == "containers")
