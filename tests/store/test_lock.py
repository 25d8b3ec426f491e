"""One relay at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relay.errors import StoreError
from relay.store.lock import take_lock

HOLD = """
import sys
from pathlib import Path
from relay.store.lock import take_lock
take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_has_it_until_it_is_killed(tmp_path: Path) -> None:
    """Its pid is told; a crash leaves no lock behind."""
    (tmp_path / "lock").write_text("a longer text than any pid")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError) as caught:
            take_lock(tmp_path)
        holder.kill()
    assert str(caught.value) == (
        f"state.directory {tmp_path} is used by another relay, pid {holder.pid}"
    )
    take_lock(tmp_path).close()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_holder_that_could_not_be_named(tmp_path: Path) -> None:
    """On a full disk its pid is not there."""
    held = take_lock(tmp_path)
    os.truncate(tmp_path / "lock", 0)
    with pytest.raises(StoreError) as caught:
        take_lock(tmp_path)
    assert str(caught.value) == f"state.directory {tmp_path} is used by another relay"
    held.close()


def test_a_read_only_disk_is_locked_too(tmp_path: Path) -> None:
    """It may become writable while two read from it."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        take_lock(tmp_path).close()
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        held = take_lock(tmp_path)
        with pytest.raises(StoreError):
            take_lock(tmp_path)
        held.close()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_lock_whose_file_was_removed(tmp_path: Path) -> None:
    """Somebody took it for one that a crash had left; also by another way to the directory."""
    held = take_lock(tmp_path)
    assert held.holds(tmp_path)
    (tmp_path / "lock").unlink()
    assert not held.holds(tmp_path)
    (tmp_path / "way").symlink_to(tmp_path)
    for way in (tmp_path, tmp_path / "way"):
        with pytest.raises(StoreError) as caught:
            take_lock(way)
        assert str(caught.value) == f"state.directory {way} is used by another relay"
    held.close()
    take_lock(tmp_path).close()


def test_what_is_locked_already_is_locked_anew(tmp_path: Path) -> None:
    """The lock that was held before may go then, and leaves nobody in."""
    before = take_lock(tmp_path)
    (tmp_path / "lock").unlink()
    held = take_lock(tmp_path, before)
    before.close()
    assert held.holds(tmp_path)
    (tmp_path / "lock").unlink()
    with pytest.raises(StoreError):
        take_lock(tmp_path)
    held.close()


def test_a_directory_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Nothing of it stays open."""
    (tmp_path / "lock").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(IsADirectoryError):
        take_lock(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
