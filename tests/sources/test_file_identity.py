import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.sources.file_identity import (
    Content,
    FilePosition,
    directories_of,
    find_copy,
    find_key,
    head_hash,
    is_same_start,
    key_of,
    open_file,
)


def content(head: bytes, offset: int = 0, tail: bytes = b"") -> Content:
    return Content(len(head), head_hash(head), offset, len(tail), head_hash(tail))


def found(
    directory: Path,
    wanted: Content,
    skip: set[tuple[int, int]] | None = None,
    since_ns: int = 0,
) -> str | None:
    """Return the name of the copy that is found."""
    file = find_copy([str(directory)], wanted, skip or set(), since_ns)
    if file is None:
        return None
    file.close()
    return os.path.basename(file.path)


def write(path: Path, data: bytes, when: int) -> None:
    path.write_bytes(data)
    os.utime(path, (when, when))


UNREADABLE = Path("/sys/devices/software/power")
"""Among its files is one that can be opened, and not be read: an input/output error."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="there is no such directory here")
def test_a_file_that_cannot_be_read_is_no_copy(tmp_path: Path) -> None:
    """It keeps no other from being found."""
    write(tmp_path / "a.log.1", b"one\ntwo\n", 1)
    directories = [str(UNREADABLE), str(tmp_path)]
    file = find_copy(directories, content(b"one\n", 4), set())
    assert file is not None
    assert file.path == str(tmp_path / "a.log.1")
    file.close()


@given(
    st.text(min_size=1).map(lambda text: os.fsdecode(text.encode(errors="surrogatepass"))),
    st.integers(0, 1 << 62),
    st.booleans(),
)
def test_a_position_survives(path: str, offset: int, in_part: bool) -> None:
    """Any file name, any offset."""
    position = FilePosition(path, 1, 2, 3, "00ff", offset, in_part)
    assert FilePosition.parse(position.text()) == position


def test_what_is_no_position() -> None:
    """The empty text and anything foreign are nothing."""
    assert [FilePosition.parse(text) for text in ("", "1", "[]", "{}", '{"a": 1}')] == [None] * 5


def test_heads_that_go_on_each_other() -> None:
    """The shorter is the beginning of the longer; an empty head says nothing."""
    assert is_same_start(b"ab", b"abc")
    assert is_same_start(b"abc", b"ab")
    assert not is_same_start(b"abd", b"abc")
    assert not is_same_start(b"", b"abc")


def test_the_newest_copy_that_reaches_far_enough_is_found(tmp_path: Path) -> None:
    """By head, by length, by the bytes before the offset, by age."""
    write(tmp_path / "short", b"head", 5)
    write(tmp_path / "other", b"other and so on", 4)
    write(tmp_path / "differs", b"head, and not", 3)
    write(tmp_path / "newer", b"head and so on", 2)
    write(tmp_path / "older", b"head and so on", 1)
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("newer")
    assert found(tmp_path, content(b"head", 8, b" and")) == "newer"
    stat = os.stat(tmp_path / "newer")
    assert found(tmp_path, content(b"head", 8, b" and"), {(stat.st_dev, stat.st_ino)}) == "older"


def test_what_is_older_than_the_original_is_no_copy(tmp_path: Path) -> None:
    """Copies may keep its time, or only the seconds of it."""
    write(tmp_path / "a", b"head and so on", 3)
    assert found(tmp_path, content(b"head", 8, b" and"), since_ns=3_999_999_999) == "a"
    assert found(tmp_path, content(b"head", 8, b" and"), since_ns=4_000_000_000) is None
    os.utime(tmp_path / "a", ns=(0, 3_500_000_000))
    assert found(tmp_path, content(b"head", 8, b" and"), since_ns=3_500_000_000) == "a"
    assert found(tmp_path, content(b"head", 8, b" and"), since_ns=3_500_000_001) is None


def test_a_copy_that_is_too_short_is_better_than_none(tmp_path: Path) -> None:
    """It was made before the last bytes were read."""
    write(tmp_path / "short", b"head an", 1)
    assert found(tmp_path, content(b"head", 8, b" and")) == "short"


def test_no_copy(tmp_path: Path) -> None:
    """Nothing is a copy of a file of which nothing is known, or of another."""
    write(tmp_path / "a", b"head and so on", 1)
    assert found(tmp_path, content(b"", 0)) is None
    assert found(tmp_path, content(b"heat", 0)) is None
    assert found(tmp_path / "none", content(b"head", 0)) is None


def test_a_file_is_found_by_its_inode(tmp_path: Path) -> None:
    """Whatever its name is now."""
    (tmp_path / "a").write_text("x")
    file = open_file(str(tmp_path / "a"))
    assert file is not None
    file.close()
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a").write_text("y")
    again = find_key([str(tmp_path)], file.key)
    assert again is not None
    again.close()
    assert again.path == str(tmp_path / "b")
    assert find_key([str(tmp_path)], (file.key[0], 1)) is None


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A pipe would keep who opens it waiting."""
    os.mkfifo(tmp_path / "pipe")
    assert open_file(str(tmp_path / "pipe")) is None
    assert open_file(str(tmp_path)) is None


def test_directories_of_a_symlink(tmp_path: Path) -> None:
    """That of its name and that of its target."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").touch()
    (tmp_path / "link").symlink_to("d/a")
    assert directories_of(f"{tmp_path}/link") == [str(tmp_path), f"{tmp_path}/d"]
    assert directories_of(f"{tmp_path}/d/a") == [f"{tmp_path}/d"]


RENAME_SECONDS = 0.001
"""Longer than a small directory takes to be listed."""


def test_a_file_that_is_renamed_all_the_time(tmp_path: Path) -> None:
    """It is found whatever its name is at the moment, though directories are listed by name."""
    old, new = tmp_path / "a.log.1", tmp_path / "a.log.2"
    for number in range(50):
        (tmp_path / f"{number}").touch()
    old.touch()
    key = key_of(old.stat())
    over = threading.Event()

    def rename() -> None:
        while not over.is_set():
            old.rename(new)
            time.sleep(RENAME_SECONDS)
            new.rename(old)
            time.sleep(RENAME_SECONDS)

    program = threading.Thread(target=rename)
    program.start()
    try:
        files = [find_key([str(tmp_path)], key) for _ in range(500)]
    finally:
        over.set()
        program.join()
    assert None not in files
    for file in files:
        assert file is not None
        file.close()
