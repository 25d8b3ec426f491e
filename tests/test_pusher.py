"""Where a run is pushed to; pushing itself is in tests/e2e/test_run.py."""

from relay.pusher import RunRequest


def test_addresses() -> None:
    """HTTP, or a unix socket."""
    assert RunRequest("http://h:1/logs", "c", "r", ["x"]).is_valid
    assert RunRequest("unix:/run/relay.sock", "c", "r", ["x"]).socket == "/run/relay.sock"
    assert not RunRequest("nonsense", "c", "r", ["x"]).is_valid
    assert not RunRequest("http://[", "c", "r", ["x"]).is_valid
