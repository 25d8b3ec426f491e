"""One relay at a time uses a state directory."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from relay.errors import StoreError

__all__ = ["holds_lock", "take_lock"]


def take_lock(directory: Path) -> int:
    """
    Lock a state directory for this process, until the descriptor is closed.

    Returns:
        The descriptor.

    Raises:
        StoreError: another relay has it.
        OSError: the lock's file cannot be made.
    """
    descriptor = _open(directory / "lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        known = f", pid {owner}" if owner else ""
        raise StoreError(str(directory), f"is used by another relay{known}") from None
    # For people only: a full disk must not keep a relay from starting.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def holds_lock(descriptor: int, directory: Path) -> bool:
    """
    Tell whether a lock is that of the directory which has this path now.

    Raises:
        OSError: it cannot be told.
    """
    try:
        found = (directory / "lock").stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # What is there can be read meanwhile; it is locked as well as any other.
        return os.open(path, os.O_RDONLY)
