"""Who may ask, and how errors are told."""

import asyncio
from typing import Any

import pytest

from tests.building import batch


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:80", "127.0.0.1", "127.8.9.1:1", "[::1]:9", "app.localhost"]
)
async def test_names_of_this_host(serve: Any, host: str) -> None:
    """Loopback, by any of its names."""
    served = await serve()
    status, _ = await served.get("/healthz", headers={"Host": host})
    assert status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/status", "/web/raw", "/api/v1/logs"])
async def test_a_foreign_host_is_refused_everywhere(serve: Any, path: str) -> None:
    """DNS rebinding: a page's own name that leads to our address."""
    served = await serve()
    await served.publish(batch("web", "secret"))
    status, body = await served.get(path, headers={"Host": "evil.example:8514"})
    assert status == 403
    assert body["error"] == {
        "code": "foreign_host",
        "message": "host: expected localhost, a loopback address or one of [server] hosts, "
        "got 'evil.example:8514'",
    }


async def test_hosts_that_are_allowed(serve: Any) -> None:
    """A proxy's name; and any where the relay does not listen on loopback."""
    served = await serve(hosts=("logs.example",))
    assert (await served.get("/healthz", headers={"Host": "logs.example"}))[0] == 200
    served = await serve(loopback=False)
    assert (await served.get("/healthz", headers={"Host": "any.example"}))[0] == 200


async def test_foreign_origins_are_refused_where_they_could_harm(serve: Any) -> None:
    """A WebSocket, or any method but GET and HEAD."""
    served = await serve()
    foreign = {"Origin": "https://evil.example"}
    for method, headers in (("POST", foreign), ("PUT", foreign), ("DELETE", foreign)):
        async with served.session.request(
            method, served.base + "/healthz", headers=headers
        ) as response:
            assert response.status == 403
            assert (await response.json())["error"]["code"] == "foreign_origin"
    upgrade = foreign | {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert (await served.get("/healthz", headers=upgrade))[0] == 403
    status, _ = await served.get("/healthz", headers=foreign)
    assert status == 200


async def test_own_and_known_origins(serve: Any) -> None:
    """The page's own host, what the browser vouches for, and what is configured."""
    served = await serve(cors_origins=("https://app.example",))
    for headers in (
        {"Origin": served.base},
        {"Origin": "https://x.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://app.example"},
    ):
        async with served.session.post(served.base + "/healthz", headers=headers) as response:
            assert response.status == 405


async def test_pages_of_configured_origins_may_read(serve: Any) -> None:
    """By CORS; others get no permission from us."""
    served = await serve(cors_origins=("https://app.example",))
    url = served.base + "/healthz"
    async with served.session.get(url, headers={"Origin": "https://app.example"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    async with served.session.get(url, headers={"Origin": "https://other.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    async with served.session.options(url, headers={"Origin": "https://app.example"}) as response:
        assert response.status == 204
        assert "Last-Event-ID" in response.headers["Access-Control-Allow-Headers"]


async def test_unknown_paths_and_methods(serve: Any) -> None:
    """JSON errors with stable codes."""
    served = await serve()
    status, body = await served.get("/nothing/here")
    assert (status, body["error"]["code"]) == (404, "unknown_path")
    await served.publish(batch("web", "a"))
    _, body = await served.get("/web")
    assert body["error"]["message"] == (
        "no page '/web'; the channel web is at /web/raw, /json and /sse"
    )
    async with served.session.delete(served.base + "/healthz") as response:
        assert response.status == 405
        assert (await response.json())["error"] == {
            "code": "method_not_allowed",
            "message": "DELETE: expected one of GET, HEAD",
        }


async def test_garbage_instead_of_a_request(serve: Any) -> None:
    """Nonsense is answered, and touches nobody."""
    served = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"\x16\x03\x01\x00garbage\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.0 400")
    writer.close()
    assert (await served.get("/healthz"))[0] == 200


@pytest.mark.parametrize("host", ["[::1", "[foo]", "a\u2100b"])
async def test_hosts_that_are_no_hosts(serve: Any, host: str) -> None:
    """Refused like any that is not ours."""
    served = await serve()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.0 403")
    writer.close()


async def test_an_origin_that_is_none(serve: Any) -> None:
    """It harms nobody by reading."""
    served = await serve()
    assert (await served.get("/healthz", headers={"Origin": "http://["}))[0] == 200
    async with served.session.post(
        served.base + "/healthz", headers={"Origin": "http://["}
    ) as response:
        assert response.status == 403
