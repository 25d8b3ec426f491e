"""
Taking up files where an earlier life of the relay, or of the source, left them.
"""

import os
import time
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import replace

from relay.entry import Batch, Position
from relay.sources.file_generations import (
    COMPRESSED,
    Generation,
    Siblings,
    added_by_rotation,
    age_of,
    generations,
)
from relay.sources.file_identity import (
    A_GLOB,
    NO_FILE,
    FileKey,
    FilePosition,
    OpenFile,
    born_ns,
    directories_of,
    find_copy,
    find_key,
    head_hash,
    is_beginning,
    key_of,
    open_key,
    open_quietly,
)
from relay.sources.file_reader import SOURCE_LOSS, FileReader
from relay.sources.file_set import FileSet, Place

__all__ = ["note_globs", "note_missing", "resume"]


def resume(files: FileSet, kept: Mapping[str, FilePosition]) -> None:
    """
    Take up the files that were read before, oldest first, and what came and went since.

    Call it before anything else is looked at. A file that has another name now is finished
    before the one that has its name; one that was truncated goes on in its copy; where neither
    is found a loss is declared, since nobody looked while it went. Files that had a path and
    lost it meanwhile are read between the last that is known and the one that has it now.

    Args:
        files: empty so far.
        kept: reader's name to position; those of paths that are not configured any more are
            left alone.
    """
    files.born_ns = max([FileReader.made_ns(name) for name in kept], default=0)
    newest: dict[str, FilePosition] = {}
    siblings = Siblings()
    names = sorted(kept, key=lambda name: (FileReader.made_ns(name), name))
    last = {kept[name].path: name for name in names}
    later = {name: kept[name].key for name in names}
    for name in names:
        position = kept[name]
        del later[name]
        if not files.patterns.matches(position.path):
            continue
        is_truncated = _was_truncated(files, siblings, position, later.values())
        if is_truncated and not position.n:
            # Its lives are found as files are that nobody has seen, where nothing came after.
            position = replace(position, done=name == last[position.path])
            _give_up(files, name, position)
        elif not _take_up(files, siblings, name, position, is_same=not is_truncated):
            _give_up(files, name, position)
        elif is_truncated is None:
            _declare_before(files.places[position.path].last, files)
        newest[position.path] = position
    for path, position in newest.items():
        _catch_up(files, files.place(path), position)
        if files.place(path).last is not None:
            files.left.drop(path)


def note_missing(files: FileSet) -> None:
    """
    Give paths that lead nowhere at first sight a position too.

    What appears there is to be read whole, also if nobody looks when it does.
    """
    missing = [place for place in files.places.values() if place.row.state == "missing"]
    for place in missing:
        if place.last is None and place.path not in files.left:
            name = files.new_name(NO_FILE)
            stands = FilePosition(place.path, *NO_FILE, 0, head_hash(b""), 0, done=True)
            with suppress(OSError):
                # By the file system's clock: nothing has come to the directory since.
                found = os.stat(os.path.dirname(place.path) or os.curdir)
                stands = replace(stands, modified_ns=found.st_mtime_ns)
            files.left.keep(place.path, name)
            batch = files.loss(place.path, name, Position(stands.text()))
            files.turns.put(replace(batch, loss=None))


def note_globs(files: FileSet, known: Container[str]) -> None:
    """
    Give globs a position of their own, once.

    What they take in without having one has appeared since, also in a directory that is new,
    and is to be read whole. It comes behind the positions of all that is there at first sight.

    Args:
        files: as they are at first sight.
        known: globs that have one.
    """
    for glob in files.patterns.globs:
        if glob not in known:
            stands = FilePosition(glob, *A_GLOB, 0, head_hash(b""), 0, done=True)
            name, position = files.new_name(A_GLOB), Position(stands.text())
            files.turns.put_behind(
                Batch(files.settings.source, "", reader=name, position=position)
            )


def _take_up(
    files: FileSet, siblings: Siblings, name: str, position: FilePosition, *, is_same: bool
) -> bool:
    directories = directories_of(position.path)
    file = _find(files, position)
    if file is not None:
        if is_same and position.content.is_held(file.fd) and file.key not in files.known:
            _go_on(files, file, name, position)
            return True
        file.close()
    skip = {*files.known, position.key}
    copy = find_copy(directories, position.content, skip, position.seen_ns)
    if copy is None:
        return False
    is_in_place = copy.path == position.path
    is_next = is_in_place and (
        copy.size < position.offset
        or (siblings.is_any_newer(position) and _was_rotated(files, position, copy))
    )
    if position.done or is_next:
        copy.close()
        return False
    reader = _go_on(files, copy, name, position)
    if is_in_place:
        # Written anew by an editor; or another file that begins as the one that is gone.
        _declare_before(reader, files)
    else:
        # Truncated while nobody looked.
        reader.lossy, reader.grace_seconds = True, 0.0
    return True


def _find(files: FileSet, position: FilePosition) -> OpenFile | None:
    """Find a file under any name; one of which nothing is known under a name of its own."""
    file = open_key(position.path, position.key)
    is_moved = file is None
    if file is None:
        file = find_key(directories_of(position.path), position.key)
    if file is not None and not position.may_be(file.fd):
        file.close()
        return None
    if file is None or position.n or not is_moved or (position.born_ns and born_ns(file.fd)):
        return file
    # An inode alone is no file's for long: another program's may have it next, where nothing
    # tells its birth.
    if added_by_rotation(files.patterns, file.path, position.path) is None:
        file.close()
        return None
    return file


def _was_truncated(
    files: FileSet, siblings: Siblings, position: FilePosition, later: Container[FileKey]
) -> bool | None:
    """
    Tell whether a file that looks as if it had only grown was copied and truncated since.

    Returns:
        ``None``: it may have been: what is beside it may be a copy of an earlier life, or one
        that was made to keep.
    """
    if position.done:
        return False
    if not position.n:
        return _had_earlier_lives(files, siblings, position, later)
    file = open_key(position.path, position.key)
    if file is None:
        return False
    is_same = (
        file.modified_ns != position.modified_ns
        and position.may_be(file.fd)
        and position.content.is_held(file.fd)
    )
    file.close()
    if not is_same or not siblings.is_any_newer(position):
        return False
    found = _look_beside(files, position, position.key)
    copies = [one for one in found if _may_be_copy(one.path, position)]
    if any(one.file is not None and one.path[-1].isdigit() for one in copies):
        return True
    return None if copies else False


def _had_earlier_lives(
    files: FileSet, siblings: Siblings, position: FilePosition, later: Container[FileKey]
) -> bool:
    """
    Tell whether a file that was empty when it was last looked at has been truncated since.

    Args:
        files: so far.
        siblings: what is beside it.
        position: of the file.
        later: files that have a position of their own and came after it: they are no copies.
    """
    if not siblings.is_any_newer(position):
        return False
    file = _find(files, position)
    if file is None:
        return False
    is_moved = file.path != position.path
    found = _look_beside(files, position, position.key)
    age = age_of(os.fstat(file.fd))
    is_any = any(
        one.key not in later
        # What is younger than a file that has another name now came after it.
        and (one.age < age or not is_moved)
        and not _is_copy_of(one.path, file)
        for one in found
    )
    file.close()
    return is_any


def _is_copy_of(path: str, file: OpenFile) -> bool:
    copy = open_quietly(path)
    if copy is None:
        return False
    try:
        return is_beginning(copy.fd, file.fd)
    finally:
        copy.close()


def _was_rotated(files: FileSet, position: FilePosition, now: OpenFile) -> bool:
    """Tell whether a file that was renamed or compressed since had the path before this one."""
    found = _look_beside(files, position, now.key)
    return any(one.is_renamed or one.path.endswith(COMPRESSED) for one in found)


def _look_beside(files: FileSet, position: FilePosition, now: FileKey) -> list[Generation]:
    found = generations(files, files.place(position.path), position, now)
    for generation in found:
        if generation.file is not None:
            generation.file.close()
    return found


def _may_be_copy(path: str, position: FilePosition) -> bool:
    """Tell whether what was read may stand in another file too."""
    if path.endswith(COMPRESSED):
        return True
    file = open_quietly(path)
    if file is None:
        return False
    try:
        return position.content.is_held(file.fd)
    finally:
        file.close()


def _declare_before(reader: FileReader | None, files: FileSet) -> None:
    """Declare what may be missing before the next line of a file that goes on."""
    assert reader is not None
    # Once: what is beside it is older from now on.
    reader.modified_ns = reader.changed_ns
    if reader.before is not None:
        reader.before.lossy = True
        files.turns.put(reader.before.batch())
        files.turns.put(reader.batch())
    else:
        files.turns.put(reader.batch(loss=SOURCE_LOSS))


def _give_up(files: FileSet, name: str, position: FilePosition) -> None:
    """Declare the loss of a file that is nowhere; its position still says what came later."""
    files.left.keep(position.path, name)
    if position.done:
        return
    stands = replace(position, done=True, lossy=False)
    loss = files.loss(position.path, name, Position(stands.text()))
    before = files.place(position.path).last
    if before is not None:
        # The file before it is not finished: the loss lies behind that one's last line.
        before.lossy = True
        files.turns.put(before.batch())
        loss = replace(loss, loss=None)
    files.turns.put(loss)


def _go_on(files: FileSet, file: OpenFile, name: str, position: FilePosition) -> FileReader:
    place = files.place(position.path)
    reader = files.reader(place, file, name)
    reader.go_on(min(position.offset, file.size), in_part=position.in_part)
    reader.lossy, reader.modified_ns = position.lossy, position.modified_ns
    reader.seen_ns = position.seen_ns
    files.queue(place, reader)
    files.keep(reader)
    if file.path != position.path:
        reader.left_at = _left_at(file)
    if position.done:
        # It was waited for in an earlier life: who is killed again and again must get on.
        reader.grace_seconds = 0.0
    files.turns.mark(reader)
    return reader


def _left_at(file: OpenFile) -> float:
    """Return when a file lost its name at the latest, by the monotonic clock."""
    return time.monotonic() - max(0.0, time.time() - os.fstat(file.fd).st_ctime)


def _catch_up(files: FileSet, place: Place, position: FilePosition) -> None:
    """Read the files that had a path and lost it while nobody looked."""
    try:
        now = key_of(os.stat(place.path))
    except OSError:
        now = None
    if now is not None and now in files.known:
        return
    found = generations(files, place, position, now)
    itself_now = open_key(place.path, position.key)
    is_itself = itself_now is not None and position.may_be(itself_now.fd)
    if itself_now is not None:
        itself_now.close()
    # What comes before the known file itself, which is still there, are copies of it. So may all
    # be where it was truncated, since it went on in a copy, and is gone: with its last lines.
    itself = [n for n, one in enumerate(found) if one.key == position.key]
    is_gone = place.last is not None and place.last.key != position.key
    copies = len(found) if is_itself else (itself or [len(found) * is_gone])[0]
    is_declared = place.last is None and not position.done
    for number, generation in enumerate(found):
        if generation.file is None:
            if not is_declared:
                _declare(files, place)
            is_declared = True
        else:
            is_declared = False
            _read_whole(files, place, generation, is_copy=number < copies)


def _declare(files: FileSet, place: Place) -> None:
    """Declare a file that cannot be read, after what comes before it."""
    if place.last is None:
        files.turns.put(files.loss(place.path))
        return
    place.last.lossy = True
    if place.last.announced:
        # With the first positions of what comes later: after them it would not be found again.
        files.turns.put(place.last.batch())


def _read_whole(files: FileSet, place: Place, generation: Generation, *, is_copy: bool) -> None:
    assert generation.file is not None
    try:
        reader = files.new_life(place, generation.file)
    except OSError:
        generation.file.close()
        return
    reader.left_at = _left_at(generation.file)
    if is_copy:
        # What was written between the copying and the truncating is gone.
        reader.lossy, reader.grace_seconds = True, 0.0
