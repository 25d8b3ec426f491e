"""
The guard: a small process that ends the relay's commands when the relay is killed.

A killed relay can clean up nothing, so somebody else must. The guard holds one end of a socket
whose other ends are the relay's, and those of its children until they have become their command.
A child tells its process group before that; so when the socket ends, every group is known,
whenever the relay died. One message is one packet:

    +123    a process group to watch over
    ?       some group may have ended: forget those that have no process any more

Run as a file by an interpreter without site packages: standard library only, 9 MB of memory.
"""

import os
import signal
import time
from collections.abc import Iterable

__all__ = ["end_groups", "hear", "is_alive", "main", "signal_group"]

GRACE_SECONDS = 1.0
"""From TERM to KILL."""

POLL_SECONDS = 0.02
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(descriptor: int = 0) -> None:
    """
    Watch until the socket ends, then end what is left.

    Args:
        descriptor: of the guard's end of the socket.
    """
    # The relay ends its commands itself when it is asked to stop; the guard must still be
    # there if it is killed while it does.
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    while message := os.read(descriptor, 64):
        groups = hear(groups, message)
    end_groups(groups)


def hear(groups: set[int], message: bytes) -> set[int]:
    """Return the groups to watch over after a message."""
    if message.startswith(b"+"):
        return groups | {int(message[1:])}
    return set(filter(is_alive, groups))


def end_groups(groups: Iterable[int]) -> None:
    """End process groups: TERM, and KILL after GRACE_SECONDS."""
    left = [group for group in groups if signal_group(group, signal.SIGTERM)]
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = list(filter(is_alive, left))
    for group in left:
        signal_group(group, signal.SIGKILL)


def is_alive(group: int) -> bool:
    """
    Tell whether a process group has a process that has not ended.

    Looks beyond what the system says at once, since that counts processes that have ended and
    that nobody has reaped: there are containers whose first process does so late or never.
    Costs a listing of all processes while there are any of the group.
    """
    if not signal_group(group, 0):
        return False
    processes = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    # Most likely just above the leader's.
    processes.sort(key=lambda process: (process < group, process))
    return any(_lives_in(group, process) for process in processes)


def _lives_in(group: int, process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    state, _parent, its_group = fields[:3]
    return int(its_group) == group and state not in (b"Z", b"X")


def signal_group(group: int, number: int) -> bool:
    """
    Send a signal to a process group.

    Returns:
        Whether the group has a process; it may be one that may not be signalled (``sudo``).
    """
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    main()
