"""One relay at a time uses a state directory."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from relay.errors import StoreError

__all__ = ["Lock", "take_lock"]


class Lock:
    """
    A state directory that is this process's until it is closed, also by a crash.

    The file in it is locked, which holds over a network too, and the directory itself, which
    holds where somebody has removed the file.

    Args:
        file: descriptor of the file.
        directory: descriptor of the directory.
    """

    def __init__(self, file: int, directory: int) -> None:
        self._file = file
        self._directory = directory

    def holds(self, directory: Path) -> bool:
        """
        Tell whether it is that of the directory which has this path now.

        Raises:
            OSError: it cannot be told.
        """
        try:
            found = (directory / "lock").stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._file))

    def held_again(self, directory: Path) -> "int | None":
        """Return another descriptor of the directory, if it is what has this path."""
        if os.path.samestat(directory.stat(), os.fstat(self._directory)):
            return os.dup(self._directory)
        return None

    def close(self) -> None:
        """Let others have the directory."""
        os.close(self._file)
        os.close(self._directory)


def take_lock(directory: Path, before: Lock | None = None) -> Lock:
    """
    Lock a state directory for this process.

    Args:
        directory: which.
        before: a lock of this process, which may be of the same directory, and stays.

    Raises:
        StoreError: another relay has it.
        OSError: the lock's file cannot be made.
    """
    held = before.held_again(directory) if before is not None else None
    held = _lock_directory(directory) if held is None else held
    try:
        return Lock(_lock_file(directory), held)
    except BaseException:
        os.close(held)
        raise


def _lock_directory(directory: Path) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, directory)
    except StoreError:
        os.close(descriptor)
        raise
    except OSError:
        pass  # Some file systems know locks of files alone.
    return descriptor


def _lock_file(directory: Path) -> int:
    descriptor = _open(directory / "lock")
    try:
        _lock(descriptor, directory)
    except BaseException:
        os.close(descriptor)
        raise
    # For people only: a full disk must not keep a relay from starting.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _used(directory) from None


def _used(directory: Path) -> StoreError:
    owner = ""
    with suppress(OSError):
        owner = (directory / "lock").read_bytes()[:20].decode("ascii", "replace").strip()
    known = f", pid {owner}" if owner else ""
    return StoreError(str(directory), f"is used by another relay{known}")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        # What is there can be read meanwhile; it is locked as well as any other.
        return os.open(path, os.O_RDONLY)
