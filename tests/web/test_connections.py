"""What is done for all open streams together."""

import asyncio

import pytest

from relay.web.connections import Connections


async def test_what_fails_for_one_connection_is_done_for_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The functions are called in order; those behind one that fails too."""
    connections, called = Connections(15), []

    def fail() -> None:
        raise ValueError("as it happens")

    for function in (lambda: called.append(1), fail, lambda: called.append(2)):
        connections.call_soon(function)
    assert called == []
    for _ in range(3):
        await asyncio.sleep(0)
    assert called == [1, 2]
    assert "as it happens" in caplog.text
