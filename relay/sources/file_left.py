"""
The last positions of paths that lead nowhere now.

Without them nobody would know after a start that what has appeared there since is to be read
whole, and since when.
"""

from collections.abc import Callable

from relay.sources.file_identity import FilePosition, OpenFile
from relay.sources.file_scan import Patterns

__all__ = ["Left"]

MOST_LEFT = 64
"""Positions of files that are gone and came from a glob: their names may never come again."""


class Left:
    """
    Keep positions until a path leads somewhere again.

    Args:
        patterns: of the source; positions of plain paths are all kept.
        forget: told of each position that is kept no more, by path and reader's name.
    """

    def __init__(self, patterns: Patterns, forget: Callable[[str, str], None]) -> None:
        self._patterns = patterns
        self._forget = forget
        self._names: dict[str, str] = {}
        self._stands: dict[str, FilePosition] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._names

    def keep(self, path: str, name: str, stands: FilePosition | None = None) -> None:
        """
        Keep the position of a path that leads nowhere now.

        Args:
            path: of the source.
            name: of the reader that it is of.
            stands: what it says, where a file was read to its end.
        """
        if self._names.get(path) != name:
            self.drop(path)
        self._names[path] = name
        if stands is not None:
            self._stands[path] = stands
        gone = [path for path in self._names if not self._patterns.is_plain(path)]
        for path in gone[:-MOST_LEFT]:
            self.drop(path)

    def drop(self, path: str) -> None:
        """Forget the position that was kept for a path."""
        name = self._names.pop(path, None)
        self._stands.pop(path, None)
        if name is not None:
            self._forget(path, name)

    def take(self, path: str, file: OpenFile) -> tuple[str, FilePosition] | None:
        """Return whose position it was, and where it stands, if this is the file that left."""
        stands = self._stands.get(path)
        if stands is None or stands.key != file.key or not stands.content.is_held(file.fd):
            return None
        del self._stands[path]
        return self._names.pop(path), stands
