"""
A small disk of its own for the state directory: it can be filled, removed and made to hang.

An ext4 file system in a file, mounted for the run; that takes root. It is reached through a
second mount, so that it can be taken away while the relay has files open, and come back with
all that was on it.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

__all__ = ["Disk"]

PATIENCE_SECONDS = 5.0
"""How long a disk may be busy."""

BLOCK_BYTES = 4096


class Disk:
    """
    A disk while the context lasts.

    Args:
        folder: where it is made.
        size_bytes: of it.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._image = folder / "disk.img"
        self._bay = folder / "bay"
        self._size_bytes = size_bytes
        self._ballast = self._bay / "ballast"
        self.path = folder / "disk"
        """Where it is mounted."""
        self._locked: list[Path] = []
        self._stack = ExitStack()

    def __enter__(self) -> "Disk":
        with ExitStack() as stack:
            self._bay.mkdir()
            self.path.mkdir()
            with self._image.open("wb") as file:
                file.truncate(self._size_bytes)
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
            _run("mount", "-o", "loop", str(self._image), str(self._bay))
            stack.callback(_unmount, self._bay)
            self.mount()
            stack.callback(_unmount, self.path)
            stack.callback(self.unlock)
            stack.callback(self.thaw)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def fill(self) -> None:
        """Leave no room on it."""
        with self._ballast.open("wb") as file:
            size = _free_bytes(self._bay)
            while size >= BLOCK_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Take it away, as if it were unplugged from its place: an empty folder is left."""
        _run("umount", "--lazy", str(self.path))

    def mount(self) -> None:
        """Put it in its place."""
        _run("mount", "--bind", str(self._bay), str(self.path))

    def protect(self) -> None:
        """
        Have it mounted read-only; nothing on it may be open for writing.

        A child that a killed relay has just made may have its files for a moment.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                _run("mount", "-o", "remount,bind,ro", str(self.path))
            except subprocess.CalledProcessError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def unprotect(self) -> None:
        """Undo that."""
        _run("mount", "-o", "remount,bind,rw", str(self.path))

    def freeze(self) -> None:
        """Let all that is written to it wait."""
        _run("fsfreeze", "--freeze", str(self._bay))

    def thaw(self) -> None:
        """Let it go on, if it does not."""
        with suppress(subprocess.CalledProcessError):
            _run("fsfreeze", "--unfreeze", str(self._bay))

    def lock(self, paths: Sequence[Path]) -> None:
        """Let nobody change these files and folders, nor what they hold, also if it is open."""
        self._locked = [path for path in paths if path.exists()]
        _run("chattr", "-R", "+i", *map(str, self._locked))

    def unlock(self) -> None:
        """Undo that."""
        locked, self._locked = self._locked, []
        if locked:
            _run("chattr", "-R", "-i", *map(str, locked))


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _unmount(path: Path) -> None:
    while os.path.ismount(path):
        _run("umount", "--lazy", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
