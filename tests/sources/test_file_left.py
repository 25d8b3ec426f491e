from pathlib import Path

import pytest

from relay.sources.file_identity import FilePosition, OpenFile, head_hash, open_file
from relay.sources.file_left import MOST_LEFT, Left
from relay.sources.file_scan import Patterns


def opened(path: Path) -> OpenFile:
    """Return a file that is there."""
    file = open_file(str(path))
    assert file is not None
    return file


def standing(file: OpenFile, text: bytes) -> FilePosition:
    """Return the position behind what a file holds."""
    hashed = head_hash(text)
    return FilePosition(file.path, *file.key, len(text), hashed, len(text))


def test_a_file_that_comes_back(tmp_path: Path) -> None:
    """It is known by its inode and by what was read; once."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    file = opened(log)
    left = Left(Patterns([str(log)]), lambda path, name: pytest.fail(f"{path} {name}"))
    left.keep(str(log), "first", stands := standing(file, b"one\n"))
    assert str(log) in left
    assert left.take(str(log), file) == ("first", stands)
    assert left.take(str(log), file) is None
    file.close()


def test_another_file_that_comes_instead(tmp_path: Path) -> None:
    """What does not hold what was read is another; the position is kept until it is dropped."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    file = opened(log)
    forgotten: list[str] = []
    left = Left(Patterns([str(log)]), lambda _, name: forgotten.append(name))
    left.keep(str(log), "first", standing(file, b"two\n"))
    assert left.take(str(log), file) is None
    left.drop(str(log))
    left.drop(str(log))
    assert forgotten == ["first"]
    file.close()


def test_a_newer_position_of_one_path() -> None:
    """It takes the place of the older, which is forgotten."""
    forgotten: list[str] = []
    left = Left(Patterns(["/a.log"]), lambda _, name: forgotten.append(name))
    for name in ("first", "first", "second"):
        left.keep("/a.log", name)
    assert forgotten == ["first"]


def test_paths_of_a_glob_are_forgotten_in_time() -> None:
    """Of those that may never come again the newest are kept; what was named itself is kept."""
    forgotten: list[str] = []
    left = Left(Patterns(["/logs/a.log", "/logs/*"]), lambda path, _: forgotten.append(path))
    left.keep("/logs/a.log", "named")
    for number in range(MOST_LEFT + 2):
        left.keep(f"/logs/{number}", "one")
    assert forgotten == ["/logs/0", "/logs/1"]
    assert "/logs/a.log" in left
