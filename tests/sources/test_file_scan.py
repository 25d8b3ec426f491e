import os
from pathlib import Path

import pytest

from relay.sources.file_scan import Patterns

TREE = ["a.log", ".hidden.log", "b.txt", "d/a.log", "d/e/a.log", "d/.h/a.log", "d/x.gz", "[a].log"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make some files, and stand among them."""
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.log", ["[a].log", "a.log"]),
        (".*.log", [".hidden.log"]),
        ("**/*.log", ["[a].log", "a.log", "d/a.log", "d/e/a.log"]),
        ("d/**/a.log", ["d/a.log", "d/e/a.log"]),
        ("d/*/a.log", ["d/e/a.log"]),
        ("?.[lt]*", ["a.log", "b.txt"]),
        ("[a].log", ["[a].log"]),
        ("[ab].log", ["a.log"]),
        ("none.log", ["none.log"]),
        ("none*.log", []),
    ],
)
def test_a_pattern_finds_what_it_matches(tree: Path, pattern: str, expected: list[str]) -> None:
    """Listing and matching agree, with relative and with absolute paths."""
    for prefix in ("", f"{tree}/", "./"):
        patterns = Patterns([prefix + pattern])
        assert patterns.scan().files == [prefix + path for path in expected]
        matching = {path for path in TREE if patterns.matches(prefix + path)}
        assert matching == set(expected) - {"none.log"}


def test_directories_do_match_at_the_end_of_a_tree(tree: Path) -> None:
    """``**`` at the end stands for everything below; a listing may hold directories."""
    patterns = Patterns(["d/**"])
    assert patterns.scan().files == ["d/", "d/a.log", "d/e", "d/e/a.log", "d/x.gz"]
    assert patterns.matches("d/e/a.log")
    assert not patterns.matches("d/.h/a.log")


def test_what_is_excluded(tree: Path) -> None:
    """Names and paths can be left out of globs, and not what is named itself."""
    patterns = Patterns(["d/**/*", "d/x.gz"], ["*.gz", "d/e/*"])
    assert patterns.scan().files == ["d/a.log", "d/e", "d/x.gz"]
    assert patterns.matches("d/x.gz")
    assert not patterns.matches("d/y.gz")
    assert not patterns.matches("d/e/a.log")


def test_directories_in_which_files_may_appear(tree: Path) -> None:
    """Those of a plain path, of a glob, and all below ``**``, as far as they exist."""
    patterns = Patterns(["a.log", "d/*/x.log", f"{tree}/d/**/*.log", "none/*.log"])
    directories = patterns.scan().directories
    assert sorted(directories) == sorted(["", "d/e", f"{tree}/d", f"{tree}/d/e"])
    found = os.stat(tree)
    assert directories[""] == (found.st_dev, found.st_ino)


def test_home_is_expanded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the home directory."""
    monkeypatch.setenv("HOME", str(tree / "d"))
    assert Patterns(["~/*.log"]).scan().files == [f"{tree}/d/a.log"]
