"""
Which files may be copies of which, as a rotation that copies and truncates makes them.

A copy is known by its name, which goes on that of its original, and by when it was created:
while its original had its path, after it was last looked at. What is found is opened: it is the
caller's to read or to close. What cannot be read is no copy, and keeps no other file from being
read.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.sources.file_births import Birth
from relay.sources.file_generations import added_by_rotation
from relay.sources.file_identity import (
    HEAD_BYTES,
    NO_FILE,
    FileKey,
    OpenFile,
    directories_of,
    find_copy,
    is_copy,
    is_same_start,
    open_quietly,
)
from relay.sources.file_reader import FileReader
from relay.sources.file_set import FileSet

__all__ = ["Candidate", "Copies"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    What may be a copy.

    Args:
        file: opened.
        head: its first bytes.
        when: it was created, by the monotonic clock.
    """

    file: OpenFile
    head: bytes
    when: float


class Copies:
    """
    Find copies among the files of a set, and beside them.

    Args:
        files: which there are.
    """

    def __init__(self, files: FileSet) -> None:
        self._files = files
        self._patterns = files.patterns

    def holding(self, reader: FileReader) -> OpenFile | None:
        """
        Find the copy in which a truncated file goes on; see :func:`find_copy`.

        A directory is listed only where no copy was lately created beside the file: a thousand
        files may be truncated at once.
        """
        content = reader.content()
        births = self._births(reader.path, 0.0, reader.came_told, reader.left_told)
        for found in self._opened(reversed(list(births)), reader.key):
            if is_copy(found.file, content, reader.seen_ns):
                return found.file
            found.file.close()
        known = self._files.known.items()
        others = {key for key, other in known if not _may_be_copy(other)}
        directories = directories_of(reader.path)
        return find_copy(directories, content, {*others, reader.key}, reader.seen_ns)

    def of(self, reader: FileReader, since: float) -> Iterator[Candidate]:
        """
        Open what may be copies of a file and is not read yet, in their order.

        Args:
            reader: of the file.
            since: when they were created at the earliest, by the monotonic clock.
        """
        births = self._births(reader.path, since, reader.came_told, reader.left_told)
        return self._opened(births, reader.key)

    def of_lost(self, path: str, came: int, left: int) -> Iterator[Candidate]:
        """Open those of a file that nobody reads, which had a path between two changes."""
        return self._opened(self._births(path, 0.0, came, left), NO_FILE)

    def _opened(self, births: Iterable[Birth], of: FileKey) -> Iterator[Candidate]:
        for birth in births:
            if (file := open_quietly(birth.paths[-1])) is None:
                continue
            other = self._files.known.get(file.key)
            is_known = other is not None and not _may_be_copy(other)
            head = _head_of(file)
            if is_known or file.key == of or not head or b"\0" in head:
                file.close()
            else:
                yield Candidate(file, head, birth.when)

    def _births(self, of: str, since: float, came: int, left: float) -> Iterator[Birth]:
        for birth in self._files.births.beginning(os.path.splitext(of)[0]):
            # What has had the path itself is no copy but a file that came after it; what came
            # while another file had the path is a copy of that.
            path, is_others = birth.paths[-1], of in birth.paths
            if is_others or birth.when < since or not came <= birth.told < left:
                continue
            is_beside = os.path.dirname(path) == os.path.dirname(of)
            if is_beside and self._is_rotated(path, of) and not self._patterns.excludes(path):
                yield birth

    def _is_rotated(self, path: str, of: str) -> bool:
        """Tell whether a path is the other one with a number, or a date."""
        rest = added_by_rotation(self._patterns, path, of)
        return rest is not None and any(one.isdigit() for one in rest)

    def originals(self, reader: FileReader) -> list[FileReader]:
        """Return the readers of the files of which one that has appeared may be a copy."""
        birth = self._files.births.get(reader.path)
        if birth is None or not reader.appeared:
            return []
        return [
            other
            for path in self._homes(reader.path)
            for other in self._files.queued(path)
            if other is not reader and other.came_told <= birth.told < other.left_told
        ]

    def _homes(self, path: str) -> list[str]:
        """Return the source's paths from which a rotation may have made this one."""
        directory, name = os.path.split(path)
        shorter = (os.path.join(directory, name[:end]) for end in range(1, len(name)))
        places = self._files.places
        return [home for home in shorter if home in places and self._is_rotated(path, home)]

    def may_be_in_the_making(self, reader: FileReader, data: bytes) -> bool:
        """
        Tell whether a file that appeared and begins with ``data`` may be a growing copy.

        Files of one program often begin alike: a copy is the same as far as it goes.
        """
        directory, head = os.path.dirname(reader.path), data[:HEAD_BYTES]
        for other in self._files.known.values():
            if (
                other is reader
                or other.left_at is not None
                or not is_same_start(other.head, head)
                or os.path.dirname(other.path) != directory
                or (other.fd < 0 and not self._files.descriptors.reopen(other))
            ):
                continue
            is_alike = os.pread(other.fd, len(data), 0) == data
            # After that: it may be truncated at any moment.
            if not other.is_intact():
                # This is found out, with the copy, before we are asked again.
                self._files.turns.mark(other)
                return True
            if is_alike:
                return True
        return False


def _may_be_copy(reader: FileReader) -> bool:
    """Tell whether a file that is known has come lately, and is not yet read."""
    return reader.appeared and not reader.offset


def _head_of(file: OpenFile) -> bytes:
    try:
        return os.pread(file.fd, HEAD_BYTES, 0)
    except OSError:
        return b""
