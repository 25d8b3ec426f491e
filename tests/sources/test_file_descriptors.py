import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sources.file_identity import open_file
from tests.sources.file_late import Late

MOST = 64


@pytest.fixture
def few_files() -> Iterator[None]:
    """Let this process have so few files that the least number applies."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4 * MOST, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_more_files_than_may_be_open(tmp_path: Path) -> None:
    """Those that are idle are closed, and read on when they grow, whatever their name is."""
    for number in range(3 * MOST):
        (tmp_path / f"{number}.log").write_text(f"{number}\n")
    late = Late(tmp_path / "*.log")
    assert sorted(late.lines, key=int) == [f"{number}" for number in range(3 * MOST)]
    readers = list(late.files.known.values())
    # One at least that is to be read now is none of the idle.
    assert sum(reader.fd >= 0 for reader in readers) <= MOST + MOST // 8
    closed = next(reader for reader in readers if reader.fd < 0)
    os.rename(closed.path, tmp_path / "moved")
    assert late.files.descriptors.reopen(closed)
    assert (late.reading.turn(), closed.fd >= 0) == ([], True)
    late.files.close()


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It cannot be opened again; another under its name is not it."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    reader = late.reader
    other = tmp_path / "other"
    other.write_text("two\n")
    late.files.descriptors.close(reader)
    other.rename(log)
    assert not late.files.descriptors.reopen(reader)
    file = open_file(str(log))
    assert file is not None
    late.files.descriptors.attach(reader, file)
    assert late.files.descriptors.detach(reader).key == file.key
    assert reader.fd == -1
    file.close()
