"""
Which files a source's patterns name, and in which directories new ones may appear.

Listing a large tree takes long: :meth:`Patterns.scan` is for a thread.
"""

import glob
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from relay.sources.file_identity import FileKey, key_of

__all__ = ["Patterns", "Scan"]


@dataclass(frozen=True, slots=True)
class Scan:
    """
    What was found.

    Args:
        files: paths that match, sorted, each once; plain paths also where nothing is there.
        directories: where a file that appears would match, and which directory each is now.
        seconds: how long it took.
    """

    files: list[str]
    directories: dict[str, FileKey] = field(default_factory=dict)
    seconds: float = 0.0


class Patterns:
    """
    The paths and globs of a source; ``**`` stands for any number of directories.

    As in a shell, ``*`` and ``?`` leave out hidden names. A path that exists as it is written
    is no pattern, whatever characters it holds.

    Args:
        paths: as configured; ``~`` is the home directory.
        exclude: globs over the name or the whole path; they do not concern plain paths.
    """

    def __init__(self, paths: Sequence[str], exclude: Sequence[str] = ()) -> None:
        expanded = [os.path.expanduser(path) for path in paths]
        self._plain = {path for path in expanded if not _has_magic(path) or os.path.exists(path)}
        self._globs = [path for path in expanded if path not in self._plain]
        self._parts = [path.split("/") for path in self._globs]
        self._exclude = tuple(exclude)

    @property
    def globs(self) -> list[str]:
        """Those that are no plain paths, as they are spelled in a scan."""
        return self._globs

    def is_plain(self, path: str) -> bool:
        """Tell whether ``path`` was named itself, not only by a glob."""
        return path in self._plain

    def matches(self, path: str) -> bool:
        """Tell whether ``path``, spelled as a scan would, is one of the source's."""
        if path in self._plain:
            return True
        names = path.split("/")
        return any(_match(parts, names) for parts in self._parts) and not self.excludes(path)

    def excludes(self, path: str) -> bool:
        """Tell whether ``path`` is left out of globs."""
        name = os.path.basename(path)
        return any(fnmatchcase(name, glob) or fnmatchcase(path, glob) for glob in self._exclude)

    def scan(self) -> Scan:
        """List everything there is now."""
        started = time.monotonic()
        files = set(self._plain)
        for pattern in self._globs:
            found = glob.iglob(pattern, recursive=True)
            files.update(path for path in found if not self.excludes(path))
        return Scan(sorted(files), dict(self._directories()), time.monotonic() - started)

    def _directories(self) -> Iterator[tuple[str, FileKey]]:
        for pattern in [*self._plain, *self._globs]:
            above = os.path.dirname(pattern)
            if _has_magic(above) and pattern not in self._plain:
                # With "/" behind it a glob gives directories only.
                found = [path.rstrip("/") or "/" for path in _glob(above + "/")]
            else:
                found = [above]
            for path in found:
                try:
                    yield path, key_of(os.stat(path or os.curdir))
                except OSError:
                    continue


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)


def _has_magic(path: str) -> bool:
    return any(character in path for character in "*?[")


def _match(parts: list[str], names: list[str]) -> bool:
    if not parts or not names:
        return not parts and not names
    part, rest = parts[0], parts[1:]
    if part == "**":
        shown = next((n for n, name in enumerate(names) if name.startswith(".")), len(names))
        if not rest:
            return shown == len(names)
        return any(_match(rest, names[skipped:]) for skipped in range(shown + 1))
    if names[0].startswith(".") and not part.startswith("."):
        return False
    return fnmatchcase(names[0], part) and _match(rest, names[1:])
