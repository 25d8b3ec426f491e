"""A relay's address as users give it, and one question to it."""

import asyncio
import socket
from pathlib import Path

import pytest

from relay.remote import Remote, ServerError
from tests.fakes.ndjson import Answer, serve


async def asked(url: str, path: str = "api/v1/status") -> object:
    """Ask, without holding up the one who answers."""
    return await asyncio.to_thread(Remote.parse(url).get, path)


async def refusal(url: str) -> str:
    """Ask, and return why there is no answer."""
    with pytest.raises(ServerError) as caught:
        await asked(url)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("http://a:1/logs//", Remote("http://a:1/logs//", "http://a:1/logs")),
        ("https://[::1]", Remote("https://[::1]", "https://[::1]")),
        ("unix:no.sock", Remote("unix:no.sock", "http://localhost", "no.sock")),
    ],
)
def test_an_address_is_read(url: str, remote: Remote) -> None:
    """A slash at its end does not matter."""
    assert Remote.parse(url) == remote


@pytest.mark.parametrize(
    "url", ["", "unix:", "127.0.0.1:8514", "ftp://x", "http://", "http://a:b", "http://a/?x=1"]
)
def test_what_is_no_address_is_told(url: str) -> None:
    """With what would be one."""
    with pytest.raises(ServerError) as caught:
        Remote.parse(url)
    assert str(caught.value) == (
        f"expected a URL such as http://127.0.0.1:8514, or unix:PATH, got {url!r}"
    )


def test_behind_a_socket_there_may_be_a_base_path(tmp_path: Path) -> None:
    """What is no directory is the socket, also before it is there."""
    path = tmp_path / "relay.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        plain, behind = Remote.parse(f"unix:{path}"), Remote.parse(f"unix:{path}/logs/a/")
    path.unlink()
    assert Remote.parse(f"unix:{path}/logs/a") == Remote(
        f"unix:{path}/logs/a", "http://localhost/logs/a", str(path)
    )
    nothing = Remote.parse(f"unix:{tmp_path}")
    assert nothing.socket == str(tmp_path)
    assert (plain.socket, plain.base) == (str(path), "http://localhost")
    assert (behind.socket, behind.base) == (str(path), "http://localhost/logs/a")


async def test_json_is_answered(tmp_path: Path) -> None:
    """Over TCP and over a unix socket, below the base path."""
    answer = Answer((b'{"a": [1]}',), content_type="application/json")
    async with serve(answer) as relay:
        assert await asked(f"{relay.url}/logs/") == {"a": [1]}
    assert relay.asked == ["/logs/api/v1/status"]
    async with serve(answer, path=str(tmp_path / "s")) as relay:
        assert await asked(f"{relay.url}/logs", "healthz") == {"a": [1]}
    assert relay.asked == ["/logs/healthz"]


async def test_what_goes_wrong_is_a_sentence(unused_tcp_port: int, tmp_path: Path) -> None:
    """Nobody there, a refusal with and without a reason, something else that answers."""
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    assert await refusal(nobody) == f"cannot reach {nobody}: connection refused"
    missing = f"unix:{tmp_path}/none"
    assert await refusal(missing) == f"cannot reach {missing}: no such file or directory"
    refused = b'{"error":{"code":"x","message":"not for you"}}'
    async with serve(Answer((refused,), status=403)) as relay:
        assert await refusal(relay.url) == "not for you"
    async with serve(Answer((b"oops",), status=502)) as relay:
        assert await refusal(relay.url) == f"{relay.url}/api/v1/status answered 502 Bad Gateway"
    async with serve(Answer((b"<html>",), content_type="text/html")) as relay:
        assert await refusal(relay.url) == f"{relay.url} is no relay: it answered with no JSON"
    unknown = "http://no-such-host.invalid"
    assert (await refusal(unknown)).startswith(f"cannot reach {unknown}: ")
