"""
Sealed segments, compressed: zstd frames of one chunk each, and a table of them.

The table is that of zstd's seekable format, in a frame that others skip: ``zstdcat`` gives the
text, and here one chunk is read alone. Each frame has a checksum; where the table is damaged,
frames are found without it.

Source: zstd, contrib/seekable_format/zstd_seekable_compression_format.md.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from relay.errors import RelayError
from relay.store.files import sync_directory

__all__ = ["SUFFIX", "CompressedText", "FrameError", "compress", "read_text"]

SUFFIX = ".zst"

LEVEL = 3
"""Logs shrink to a tenth, at 200 MB/s; higher levels gain little and cost much."""

FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
TABLE_MAGIC = b"\x5e\x2a\x4d\x18"
FOOTER_MAGIC = b"\xb1\xea\x92\x8f"

_HEADER = struct.Struct("<4sI")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IB4s")

MAX_FRAME_BYTES = 1 << 28
"""Text of one frame: what a damaged header may claim must not fill the memory."""


class FrameError(RelayError):
    """
    A frame that cannot be read; others of its file may be.

    Args:
        path: of the file.
        offset: where the frame starts in it.
        reason: what the decompressor says.
    """

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: the frame at byte {self.offset} is damaged: {self.reason}"


UNKNOWN_BYTES = 1
"""The least of a frame that cannot be read: it is not empty."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One chunk.

    Args:
        offset: where it starts in the file.
        size: bytes in the file.
        length: bytes of its text, as the table says.
    """

    offset: int
    size: int
    length: int


def compress(chunks: Iterable[bytes], path: Path) -> int:
    """
    Write a compressed file: beside it first, synced, then renamed.

    Args:
        chunks: text, none of it empty; each becomes a frame.
        path: of the compressed file; one that is there is replaced.

    Returns:
        Bytes of the file.

    Raises:
        OSError: it could not be written; nothing is left of it.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb", opener=_private) as file:
            file.writelines(_pieces(chunks))
            file.flush()
            size = file.tell()
            os.fdatasync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    return size


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read, as the plain one."""
    return os.open(path, flags, 0o600)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(LEVEL, write_checksum=True)
    entries = b""
    for chunk in chunks:
        frame = compressor.compress(chunk)
        entries += _ENTRY.pack(len(frame), len(chunk))
        yield frame
    yield _HEADER.pack(TABLE_MAGIC, len(entries) + _FOOTER.size)
    yield entries + _FOOTER.pack(len(entries) // _ENTRY.size, 0, FOOTER_MAGIC)


class CompressedText:
    """
    A compressed segment, open for reading; several threads may read.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(self._descriptor).st_size
            told = self._table(size)
            self._has_table = bool(told)
            self.frames = told or list(self._found(size))
        except BaseException:
            self.close()
            raise
        self.count = len(self.frames)
        """How many chunks it has."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def may_lack(self, length: int) -> bool:
        """
        Tell whether some of its text may not be there: without its table, nobody knows.

        Args:
            length: of the text that was compressed, which may have been in another form.
        """
        return not self._has_table

    def length(self, index: int) -> int:
        """Return the bytes of a chunk's text, as the table says."""
        return self.frames[index].length

    def read(self, index: int) -> bytes:
        """
        Return the text of a chunk.

        Raises:
            OSError: it cannot be read.
            FrameError: it is damaged.
        """
        frame = self.frames[index]
        data = os.pread(self._descriptor, frame.size, frame.offset)
        try:
            claimed = zstandard.frame_content_size(data)
            if not 0 <= claimed <= MAX_FRAME_BYTES:
                raise zstandard.ZstdError(f"it claims to hold {claimed} bytes")
            return zstandard.ZstdDecompressor().decompress(data)
        except zstandard.ZstdError as error:
            raise FrameError(self.path, frame.offset, str(error)) from None

    def _table(self, size: int) -> list[Frame]:
        """Return the frames that the table names; nothing where it is not sound."""
        footer_at = size - _FOOTER.size
        if footer_at < _HEADER.size:
            return []
        count, flags, magic = _FOOTER.unpack(os.pread(self._descriptor, _FOOTER.size, footer_at))
        table_at = footer_at - count * _ENTRY.size
        if magic != FOOTER_MAGIC or flags or table_at < _HEADER.size:
            return []
        entries = os.pread(self._descriptor, count * _ENTRY.size, table_at)
        frames, offset = [], 0
        for frame_size, length in _ENTRY.iter_unpack(entries):
            frames.append(Frame(offset, frame_size, length))
            offset += frame_size
        return frames if offset == table_at - _HEADER.size else []

    def _found(self, size: int) -> Iterator[Frame]:
        """
        Give the frames that are whole, frame by frame; reads all of the file.

        What cannot be read between them is a frame too, which cannot be read.
        """
        data = memoryview(os.pread(self._descriptor, size, 0))
        whole = data.obj
        assert isinstance(whole, bytes)
        start, whole_until = whole.find(FRAME_MAGIC), 0
        while start >= 0:
            reader = zstandard.ZstdDecompressor().decompressobj()
            try:
                length = len(reader.decompress(data[start:]))
            except zstandard.ZstdError:
                length = 0
            end = start + 1
            if reader.eof and length:
                if start > whole_until:
                    yield Frame(whole_until, start - whole_until, UNKNOWN_BYTES)
                end = whole_until = size - len(reader.unused_data)
                yield Frame(start, end - start, length)
            start = whole.find(FRAME_MAGIC, end)


def read_text(path: Path) -> bytes:
    """
    Return all of the text that can be read.

    Raises:
        OSError: it cannot be opened or read.
    """
    text = CompressedText(path)
    try:
        return b"".join(_readable(text))
    finally:
        text.close()


def _readable(text: CompressedText) -> Iterator[bytes]:
    for index in range(text.count):
        try:
            yield text.read(index)
        except FrameError:
            continue
