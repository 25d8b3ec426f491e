"""
Files that had a path and lost it while nobody looked.

They are known by their names, since rotation goes on the path's own name, and by their age:
they were written after the last file that is known, and are neither that file nor the one at
the path now. What holds nothing but the beginning of another may be a copy of it, or a file of
its own: programs begin with the same lines each time. It is read where it was renamed since it
was written, which copies are not; else it is a loss, so that nothing comes twice and nothing
goes unsaid.
"""

import os
import re
from bisect import bisect_left
from dataclasses import dataclass, replace

from relay.sources.file_identity import (
    FileKey,
    FilePosition,
    OpenFile,
    directories_of,
    is_beginning,
    key_of,
    open_quietly,
    regular_files,
)
from relay.sources.file_scan import Patterns
from relay.sources.file_set import FileSet, Place

__all__ = ["COMPRESSED", "Generation", "Siblings", "added_by_rotation", "age_of", "generations"]

COMPRESSED = (".gz", ".xz", ".zst", ".bz2", ".lz4", ".zip", ".Z")

FOREIGN = (".swp", ".tmp", ".lock", ".lck", ".pos", ".offset", ".pid", "~")
"""What other programs put beside a log."""

_NUMBER = re.compile(r"[-._]?\d[\d._:T-]*")


@dataclass(frozen=True, slots=True)
class Generation:
    """
    A file that had a path.

    Args:
        path: its name now.
        key: which file it is.
        age: orders generations, the oldest first: when it was written, when it was changed in
            any way, its inode.
        file: where to read it; ``None``: it is compressed, or may be a copy.
    """

    path: str
    key: FileKey
    age: tuple[int, int, int]
    file: OpenFile | None = None

    @property
    def is_renamed(self) -> bool:
        """Whether its name, or its mode, changed since it was written."""
        modified_ns, changed_ns, _ = self.age
        return changed_ns > modified_ns


def age_of(found: os.stat_result) -> tuple[int, int, int]:
    """Return what orders files by their age."""
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class Siblings:
    """
    What stands beside many paths, looked at without listing a directory for each.

    Directories are listed once, so that what comes later is not seen.
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def is_any_newer(self, position: FilePosition) -> bool:
        """Tell whether a file whose name begins as a path's was written since it was read."""
        base = os.path.basename(position.path)
        stem = os.path.splitext(base)[0]
        for directory in directories_of(position.path):
            names = self._listed(directory)
            for name in names[bisect_left(names, stem) :]:
                if not name.startswith(stem):
                    break
                if name != base and _is_newer(os.path.join(directory, name), position):
                    return True
        return False

    def _listed(self, directory: str) -> list[str]:
        if directory not in self._names:
            try:
                self._names[directory] = sorted(os.listdir(directory or os.curdir))
            except OSError:
                self._names[directory] = []
        return self._names[directory]


def _is_newer(path: str, position: FilePosition) -> bool:
    try:
        return os.lstat(path).st_mtime_ns >= position.modified_ns
    except OSError:
        return False


def generations(
    files: FileSet, place: Place, last: FilePosition, now: FileKey | None
) -> list[Generation]:
    """
    Return what a path led to since it was last looked at, oldest first.

    Args:
        files: that are known; others are returned.
        place: of the path.
        last: of the newest file of it that is known.
        now: the file that it leads to.
    """
    current = open_quietly(place.path)
    compared = [reader.fd for reader in [place.last] if reader is not None and reader.fd >= 0]
    compared += [current.fd] if current is not None else []
    found: list[Generation] = []
    for one in sorted(_candidates(files, place, last, now, current), key=lambda one: one.age):
        if one.path.endswith(COMPRESSED):
            found.append(one)
        elif (file := open_quietly(one.path)) is not None:
            is_own = now != last.key and one.is_renamed
            if not is_own and any(is_beginning(file.fd, other) for other in compared):
                file.close()
                found.append(one)
            else:
                compared.append(file.fd)
                found.append(replace(one, file=file))
    if current is not None:
        current.close()
    return found


def _candidates(
    files: FileSet,
    place: Place,
    last: FilePosition,
    now: FileKey | None,
    current: OpenFile | None,
) -> list[Generation]:
    bases = {os.path.basename(place.path), os.path.basename(os.path.realpath(place.path))}
    found = []
    for path, file in regular_files(directories_of(place.path)):
        key = key_of(file)
        if key in files.known or key == now or files.patterns.is_plain(path):
            continue
        added = [added_by_rotation(files.patterns, path, base) for base in bases]
        rest = next((rest for rest in added if rest), None)
        if rest is None or file.st_mtime_ns < last.modified_ns:
            continue
        if file.st_mtime_ns == last.modified_ns and (
            file.st_ino <= last.ino or now == last.key or path.endswith(COMPRESSED)
        ):
            # Older; or the last one itself, compressed, or copied when it was truncated.
            continue
        is_dated = any(character.isdigit() for character in rest)
        if not is_dated and current is not None and file.st_mtime_ns > current.modified_ns:
            # What is younger than the file at the path never had it.
            continue
        found.append(Generation(path, key, age_of(file)))
    return found


def added_by_rotation(patterns: Patterns, path: str, of: str) -> str | None:
    """
    Return what a rotation has added to a file's name; ``None`` for other names.

    Args:
        patterns: of the source.
        path: what the file is called now.
        of: the name, or path, that it had.
    """
    name, base = os.path.basename(path), os.path.basename(of)
    if name.endswith(FOREIGN):
        return None
    if name.startswith(base):
        rest = name.removeprefix(base)
        is_other = rest[:1].isalpha() or (rest[:1].isdigit() and base[-1:].isdigit())
        return None if is_other else rest or None
    # As logrotate's `extension` makes them, and Java's loggers: before the suffix.
    for end in COMPRESSED:
        name = name.removesuffix(end)
    stem, suffix = os.path.splitext(base)
    if not (suffix and name.startswith(stem) and name.endswith(suffix)):
        return None
    rest = name[len(stem) : -len(suffix)]
    is_own = patterns.matches(path)
    return rest if _NUMBER.fullmatch(rest) and not is_own else None
