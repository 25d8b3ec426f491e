"""
Which file is which, whatever its name is at the moment.

A file is the same file by device, inode and its head: its first n ≤ 1,024 bytes. A copy is
another file with the same head that reaches as far. Rule of this file: it looks, and changes
nothing; what it opens belongs to the caller.
"""

import ctypes
import json
import os
import stat
import struct
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Self

import orjson

__all__ = [
    "A_GLOB",
    "HEAD_BYTES",
    "NO_FILE",
    "TAIL_BYTES",
    "Content",
    "FileKey",
    "FilePosition",
    "OpenFile",
    "born_ns",
    "directories_of",
    "find_copy",
    "find_key",
    "head_hash",
    "is_beginning",
    "is_copy",
    "is_same_start",
    "key_of",
    "open_file",
    "open_key",
    "open_quietly",
    "regular_files",
]

HEAD_BYTES = 1024
TAIL_BYTES = 64
"""How many of the bytes before an offset are compared, where they are known."""

COMPARED_BYTES = 64 * 1024

LISTINGS = 3
"""How often a directory is listed at most while files in it are renamed."""

MAX_CANDIDATES = 1000
"""A directory may hold any number of files; only the newest are compared."""

STATX_BYTES, STATX_EMPTY_PATH, STATX_BTIME, STATX_BTIME_AT = 256, 0x1000, 0x800, 80

FileKey = tuple[int, int]
"""Device and inode."""

A_GLOB: FileKey = (0, (1 << 63) - 2)
"""That of a glob's position: what the glob takes in is known from then on."""

NO_FILE: FileKey = (0, (1 << 63) - 1)
"""That of a path that leads nowhere, and of a reader that has nothing left to read from."""


def born_ns(fd: int) -> int:
    """
    Return when an open file was created, by its file system's clock; 0 where that is unknown.

    Source: statx(2), ``stx_btime``; Python has no call for it.
    """
    found = ctypes.create_string_buffer(STATX_BYTES)
    statx = _statx()
    if statx is None or statx(fd, b"", STATX_EMPTY_PATH, STATX_BTIME, found):
        return 0
    (mask,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = struct.unpack_from("=qI", found, STATX_BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds) if mask & STATX_BTIME else 0


@cache
def _statx() -> Callable[..., int] | None:
    try:
        call: Callable[..., int] = ctypes.CDLL("libc.so.6").statx
    except (OSError, AttributeError):
        return None
    return call


def key_of(found: os.stat_result) -> FileKey:
    """Return device and inode."""
    return found.st_dev, found.st_ino


def head_hash(head: bytes) -> str:
    """Return what stands for some of a file's bytes in its position."""
    return blake2b(head, digest_size=8).hexdigest()


def is_same_start(first: bytes, second: bytes) -> bool:
    """Tell whether one of two heads, neither empty, goes on the other."""
    least = min(len(first), len(second))
    return least > 0 and first[:least] == second[:least]


def is_beginning(first: int, second: int) -> bool:
    """Tell whether a file, which is not empty, holds nothing but the beginning of another."""
    size = os.fstat(first).st_size
    for start in range(0, size, COMPARED_BYTES):
        most = min(COMPARED_BYTES, size - start)
        if os.pread(first, most, start) != os.pread(second, most, start):
            return False
    return size > 0


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A regular file that was opened for reading, as it was then; the caller closes ``fd``."""

    path: str
    fd: int
    key: FileKey
    size: int
    modified_ns: int

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


def open_file(path: str) -> OpenFile | None:
    """
    Open a regular file; ``None`` for anything else.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    # Looked at before it is opened: opening a device may do something to it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        return None
    return OpenFile(path, fd, key_of(found), found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Content:
    """
    What a file must hold to be a copy of one that was read before.

    Args:
        head_bytes: how many first bytes are compared; 0: nothing is known, nothing is a copy.
        head_hash: of these bytes.
        offset: how far the file was read.
        tail_bytes: how many bytes before ``offset`` are known.
        tail_hash: of these bytes.
    """

    head_bytes: int
    head_hash: str
    offset: int = 0
    tail_bytes: int = 0
    tail_hash: str = ""

    def starts(self, fd: int) -> bool:
        """Tell whether the file begins with this head."""
        head = os.pread(fd, self.head_bytes, 0)
        return len(head) == self.head_bytes and head_hash(head) == self.head_hash

    def reaches(self, fd: int) -> bool:
        """Tell whether the file holds all that was read."""
        if os.fstat(fd).st_size < self.offset:
            return False
        tail = os.pread(fd, self.tail_bytes, self.offset - self.tail_bytes)
        return not self.tail_bytes or head_hash(tail) == self.tail_hash

    def is_held(self, fd: int) -> bool:
        """Tell whether the file begins with this head, and holds all that was read."""
        return self.starts(fd) and self.reaches(fd)


@dataclass(frozen=True, slots=True)
class FilePosition:
    """
    Where a reader of a file stands, as it is kept.

    Args:
        path: the name under which the file was first read.
        dev: its device.
        ino: its inode.
        n: length of its head.
        hash: hash of its head.
        offset: bytes from the file's beginning that are published.
        in_part: whether ``offset`` lies within a line whose beginning is published.
        done: whether it was read to its end after its name had gone: nobody needs to be told
            when it disappears.
        lossy: whether a loss is to be declared after its last byte.
        modified_ns: when it was last written, by its file system's clock, as far as is known:
            what came into its place since was written later.
        tail_bytes: how many bytes before ``offset`` are known.
        tail_hash: hash of these.
        seen_ns: a copy of all that was read was written no earlier.
        born_ns: when it was created; 0: unknown. Another file may have its inode next.
    """

    path: str
    dev: int
    ino: int
    n: int
    hash: str
    offset: int
    in_part: bool = False
    done: bool = False
    lossy: bool = False
    modified_ns: int = 0
    tail_bytes: int = 0
    tail_hash: str = ""
    seen_ns: int = 0
    born_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what :meth:`text` wrote; ``None`` for the empty text and anything foreign."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def text(self) -> str:
        """Write it as JSON; names that are no UTF-8 survive."""
        members = {name: getattr(self, name) for name in self.__slots__}
        try:
            return orjson.dumps(members).decode()
        except TypeError:
            return json.dumps(members)

    @property
    def key(self) -> FileKey:
        """Device and inode."""
        return self.dev, self.ino

    def may_be(self, fd: int) -> bool:
        """Tell whether an open file that has its inode may be it, as far as their births tell."""
        born = born_ns(fd) if self.born_ns else 0
        return not born or born == self.born_ns

    @property
    def content(self) -> Content:
        """What the file or its copy must hold."""
        return Content(self.n, self.hash, self.offset, self.tail_bytes, self.tail_hash)


def directories_of(path: str) -> list[str]:
    """Return the directory of a path and, where it is a symlink, that of its target."""
    named = os.path.dirname(path)
    real = os.path.dirname(os.path.realpath(path))
    return [named] if os.path.realpath(named) == real else [named, real]


def open_key(path: str, key: FileKey) -> OpenFile | None:
    """Open the file that ``key`` stands for by this name; ``None`` where another is there."""
    file = open_quietly(path)
    if file is not None and file.key != key:
        file.close()
        return None
    return file


def find_key(directories: list[str], key: FileKey) -> OpenFile | None:
    """Find a file by device and inode; ``None`` where it is not, or cannot be read."""
    for _ in range(LISTINGS):
        paths = [path for path, found in regular_files(directories) if key_of(found) == key]
        for path in paths:
            if (file := open_key(path, key)) is not None:
                return file
        if not paths:
            break
        # It was there, and has been renamed since.
    return None


def find_copy(
    directories: list[str], content: Content, skip: Container[FileKey], since_ns: int = 0
) -> OpenFile | None:
    """
    Find the newest file that holds what was read, else the newest that begins with its head.

    Args:
        directories: where to look; at most 1,000 files are compared.
        content: what it must hold.
        skip: files that are known to be others.
        since_ns: when, by its time of modification, a copy of all that was read was written at
            the earliest: what is older and as long is the copy of a life that began alike.

    Returns:
        An open file; its size may be below ``content.offset``: then the copy was made before
        the last bytes were read, and holds nothing new.
    """
    if not content.head_bytes:
        return None
    files = [
        (found.st_mtime_ns, path)
        for path, found in regular_files(directories)
        if found.st_size >= content.head_bytes and key_of(found) not in skip
    ]
    shorter: OpenFile | None = None
    for modified_ns, path in sorted(files, reverse=True)[:MAX_CANDIDATES]:
        file = open_quietly(path)
        if file is None:
            continue
        is_alike, is_whole = _compare(file, content)
        if not is_alike or file.key in skip:
            file.close()
        elif is_whole and _is_since(modified_ns, since_ns):
            if shorter is not None:
                shorter.close()
            return file
        elif shorter is None and file.size < content.offset:
            shorter = file
        else:
            file.close()
    return shorter


def is_copy(file: OpenFile, content: Content, since_ns: int = 0) -> bool:
    """Tell whether a file holds all that was read, since when it may; see :func:`find_copy`."""
    _, is_whole = _compare(file, content)
    return content.head_bytes > 0 and is_whole and _is_since(file.modified_ns, since_ns)


def _compare(file: OpenFile, content: Content) -> tuple[bool, bool]:
    """Tell whether a file begins alike, and holds all; what cannot be read does neither."""
    try:
        is_alike = content.starts(file.fd)
        return is_alike, is_alike and content.reaches(file.fd)
    except OSError:
        return False, False


def _is_since(modified_ns: int, since_ns: int) -> bool:
    """Compare times; what keeps times when it copies may keep whole seconds only."""
    second = 1_000_000_000
    return modified_ns >= (since_ns if modified_ns % second else since_ns - since_ns % second)


def open_quietly(path: str) -> OpenFile | None:
    """Open a regular file; ``None`` for anything else and for what cannot be read."""
    try:
        return open_file(path)
    except OSError:
        return None


def regular_files(directories: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """
    Yield the regular files of directories, with what is known of them.

    A file that is renamed while its directory is listed is not missed: then it is listed anew.
    """
    for directory in directories:
        is_whole, tries = False, 0
        while not is_whole and tries < LISTINGS:
            tries += 1
            found, is_whole = _listed(directory)
        yield from found


def _listed(directory: str) -> tuple[list[tuple[str, os.stat_result]], bool]:
    """Return a directory's regular files, and whether every name led to a file."""
    files, is_whole = [], True
    try:
        entries = list(os.scandir(directory or os.curdir))
    except OSError:
        return [], True
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            is_whole = False
        else:
            if stat.S_ISREG(found.st_mode):
                files.append((os.path.join(directory, entry.name), found))
    return files, is_whole
