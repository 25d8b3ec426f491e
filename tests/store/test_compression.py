"""Compressed segments: whole by `zstdcat`, by the chunk here, and damaged."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.compression import CompressedText, FrameError, compress, read_text

CHUNKS = [
    b"".join(b'{"number":%d,"chunk":%d}\n' % (number, chunk) for number in range(500))
    for chunk in range(4)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "1.ndjson.zst"
    compress(CHUNKS, made)
    return made


def read(path: Path) -> list[bytes]:
    text = CompressedText(path)
    try:
        return [text.read(index) for index in range(text.count)]
    finally:
        text.close()


def test_a_command_gives_the_text(path: Path) -> None:
    """People read it with `zstdcat`, and nothing says that anything is wrong."""
    done = subprocess.run(["zstdcat", path], capture_output=True, check=True)
    assert done.stdout == b"".join(CHUNKS)
    assert done.stderr == b""
    assert json.loads(done.stdout.splitlines()[-1]) == {"number": 499, "chunk": 3}


def test_one_chunk_is_read_alone(path: Path) -> None:
    """The table says where it is, and how long it is; others are not looked at."""
    text = CompressedText(path)
    assert text.count == 4
    assert [text.length(index) for index in range(4)] == [len(chunk) for chunk in CHUNKS]
    with open(path, "r+b") as file:
        file.write(bytes(text.frames[2].offset))
    assert text.read(2) == CHUNKS[2]
    text.close()


def test_only_the_finished_file_is_there(tmp_path: Path) -> None:
    """It is written beside and renamed; what replaces another does it at once."""
    path = tmp_path / "1.ndjson.zst"
    path.write_bytes(b"old")
    assert compress(CHUNKS, path) == path.stat().st_size
    assert os.listdir(tmp_path) == ["1.ndjson.zst"]
    assert read_text(path) == b"".join(CHUNKS)


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    """As it is with the plain one."""
    path = tmp_path / "1.ndjson.zst"
    compress([b"a\n"], path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Of a failure half-way nothing is kept, and what was there stays."""
    path = tmp_path / "1.ndjson.zst"
    path.write_bytes(b"old")

    def chunks() -> Iterator[bytes]:
        yield CHUNKS[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        compress(chunks(), path)
    assert os.listdir(tmp_path) == ["1.ndjson.zst"]
    assert path.read_bytes() == b"old"


def test_nothing_is_a_file_too(tmp_path: Path) -> None:
    """A text without lines has a table without frames."""
    path = tmp_path / "1.ndjson.zst"
    compress([], path)
    assert read(path) == []
    assert subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("cut", [1, 9, 20, 48])
def test_without_its_table_frames_are_found(path: Path, cut: int) -> None:
    """Cut off or overwritten: what is whole is read."""
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    assert read(path) == CHUNKS
    path.write_bytes(data[:-cut] + b"\xff" * cut)
    assert read(path) == CHUNKS


def test_a_table_that_is_not_of_its_file(path: Path) -> None:
    """Where its sizes do not add up to the frames before it, they are found without it."""
    data = bytearray(path.read_bytes())
    assert data[-9] == 4
    data[-9] = 3
    path.write_bytes(data)
    assert read(path) == CHUNKS


def test_a_frame_that_claims_to_be_huge(tmp_path: Path) -> None:
    """No memory is taken for what a damaged header says."""
    path = tmp_path / "1.ndjson.zst"
    compress([CHUNKS[0] * 10], path)
    data = bytearray(path.read_bytes())
    assert data[5:9] == (len(CHUNKS[0]) * 10).to_bytes(4, "little")
    data[5:9] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(FrameError) as caught:
        read(path)
    assert str(caught.value) == (
        f"{path}: the frame at byte 0 is damaged: it claims to hold 4294967295 bytes"
    )


def test_a_damaged_frame_is_told(path: Path) -> None:
    """Where the file is, where the frame is, and what is wrong; the others are read."""
    text = CompressedText(path)
    offset = text.frames[1].offset
    data = bytearray(path.read_bytes())
    data[offset + 40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FrameError) as caught:
        text.read(1)
    assert str(caught.value).startswith(f"{path}: the frame at byte {offset} is damaged: ")
    assert text.read(2) == CHUNKS[2]
    text.close()
    assert read_text(path) == CHUNKS[0] + CHUNKS[2] + CHUNKS[3]


def test_a_damaged_frame_and_no_table(path: Path) -> None:
    """Frames behind the damage are found by how they begin, and it has its place before them."""
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data[:-9])
    text = CompressedText(path)
    with pytest.raises(FrameError):
        text.read(0)
    assert [text.read(index) for index in range(1, text.count)] == CHUNKS[1:]
    text.close()
    assert read_text(path) == b"".join(CHUNKS[1:])


@given(st.data())
def test_no_bytes_make_it_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is overwritten or cut: chunks as they were, or none, and in order."""
    path = tmp_path_factory.mktemp("damaged") / "1.ndjson.zst"
    compress(CHUNKS, path)
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    path.write_bytes(text)
    left = read_text(path)
    for chunk in CHUNKS:
        left = left.removeprefix(chunk)
    assert left == b""
