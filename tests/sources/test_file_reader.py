import os
from pathlib import Path

import pytest

from relay.entry import Origin
from relay.sources.base import ReaderStatus, SourceStatus
from relay.sources.file_identity import born_ns, open_file
from relay.sources.file_reader import FileReader, ReaderSettings


def reader_of(path: Path) -> FileReader:
    """Open a file."""
    file = open_file(str(path))
    assert file is not None
    settings = ReaderSettings("app", SourceStatus("app", "file"))
    row = ReaderStatus("reading")
    return FileReader(settings, "name", str(path), "app", Origin("app"), row, file)


def test_a_position_covers_what_was_given_out(tmp_path: Path) -> None:
    """Bytes of an unfinished line lie after it."""
    (tmp_path / "a").write_text("one\ntw")
    reader = reader_of(tmp_path / "a")
    data = reader.take(100)
    assert data == b"one\ntw"
    batch = reader.accept(data, 1.0)
    found = os.stat(tmp_path / "a")
    assert batch.lines.strings() == ["one"]
    assert batch.position is not None
    assert batch.position.value == (
        f'{{"path":"{tmp_path}/a","dev":{found.st_dev},"ino":{found.st_ino},"n":6,'
        '"hash":"9faadb0a2e7e55b4","offset":4,"in_part":false,"done":false,'
        f'"lossy":false,"modified_ns":{found.st_mtime_ns},'
        '"tail_bytes":4,"tail_hash":"2b93bf7282cb10ba",'
        f'"seen_ns":{found.st_mtime_ns},"born_ns":{born_ns(reader.fd)}}}'
    )
    reader.close()


@pytest.mark.parametrize("text", ["", "o", "onE\ntwo\n", "ONE\ntwo\nthree\n", "one\ntw0\nthree\n"])
def test_a_file_that_is_not_what_it_was(tmp_path: Path, text: str) -> None:
    """Shorter, or another beginning, or other last bytes: it was truncated."""
    path = tmp_path / "a"
    path.write_text("one\ntwo\n")
    reader = reader_of(path)
    data = reader.take(100)
    assert data is not None
    reader.accept(data, 1.0)
    path.write_text("one\ntwo\nthree\n")
    assert reader.take(100) == b"three\n"
    path.write_text(text)
    assert reader.take(100) is None
    reader.close()


def test_the_head_is_learned_as_the_file_grows(tmp_path: Path) -> None:
    """Up to 1,024 bytes of it; what does not go on the known head is not learned."""
    path = tmp_path / "a"
    path.write_text("")
    reader = reader_of(path)
    path.write_text("ab")
    reader.learn_head()
    path.write_text("abc" * 1000)
    reader.learn_head()
    assert reader.head == (b"abc" * 1000)[:1024]
    path.write_text("x" * 2000)
    assert not reader.is_intact()
    reader.close()


def test_a_hole_is_passed_over(tmp_path: Path) -> None:
    """The zeros before the first byte of text, of any size."""
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.seek(10_000_001)
        file.write(b"text\n")
    reader = reader_of(path)
    assert reader.skip_hole()
    assert reader.take(100) == b"text\n"
    os.truncate(path, 0)
    os.truncate(path, 5000)
    reader.jump(0)
    assert reader.skip_hole()
    assert reader.offset == 5000
    reader.close()
