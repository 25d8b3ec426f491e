"""
Taking up files where an earlier life of the relay, or of the source, left them.
"""

import time
from collections.abc import Mapping
from dataclasses import replace

from relay.sources.file_identity import (
    FilePosition,
    OpenFile,
    directories_of,
    find_copy,
    find_key,
    open_key,
)
from relay.sources.file_reader import FORGOTTEN, FileReader
from relay.sources.file_set import FileSet

__all__ = ["resume"]


def resume(files: FileSet, kept: Mapping[str, FilePosition]) -> None:
    """
    Take up the files that were read before, oldest first.

    Call it before anything else is looked at. A file that has another name now is finished
    before the one that has its name; one that was truncated goes on in its copy; where neither
    is found a loss is declared, since nobody looked while it went.

    Args:
        files: empty so far.
        kept: reader's name to position; those of paths that are not configured any more are
            left alone.
    """
    for name in sorted(kept, key=_born):
        if files.patterns.matches(kept[name].path) and not _take_up(files, name, kept[name]):
            batch = files.loss(kept[name].path, name, FORGOTTEN)
            files.turns.put(replace(batch, loss=None) if kept[name].done else batch)


def _take_up(files: FileSet, name: str, position: FilePosition) -> bool:
    directories = directories_of(position.path)
    file = open_key(position.path, position.key) or find_key(directories, position.key)
    if file is not None and _is_same(file, position) and file.key not in files.known:
        _go_on(files, file, name, position)
        return True
    if file is not None:
        file.close()
    copy = find_copy(directories, position.content, {*files.known, position.key})
    if copy is None:
        return False
    is_in_place = copy.path == position.path
    if position.done or (is_in_place and copy.size < position.offset):
        copy.close()
        return False
    reader = _go_on(files, copy, name, position)
    if not is_in_place:
        # Truncated while nobody looked.
        reader.lossy, reader.grace_seconds = True, 0.0
    return True


def _is_same(file: OpenFile, position: FilePosition) -> bool:
    return file.size >= position.offset and position.content.starts(file.fd)


def _go_on(files: FileSet, file: OpenFile, name: str, position: FilePosition) -> FileReader:
    place = files.place(position.path)
    reader = files.reader(place, file, name)
    reader.go_on(min(position.offset, file.size), in_part=position.in_part)
    files.queue(place, reader)
    files.keep(reader)
    if file.path != position.path:
        reader.left_at = time.monotonic()
    files.turns.mark(reader)
    return reader


def _born(name: str) -> tuple[int, str]:
    try:
        return int(name.rpartition(":")[2], 16), name
    except ValueError:
        return 0, name
