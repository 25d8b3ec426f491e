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
    os.close(take_lock(tmp_path))
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_holder_that_could_not_be_named(tmp_path: Path) -> None:
    """On a full disk its pid is not there."""
    held = take_lock(tmp_path)
    os.truncate(tmp_path / "lock", 0)
    with pytest.raises(StoreError) as caught:
        take_lock(tmp_path)
    assert str(caught.value) == f"state.directory {tmp_path} is used by another relay"
    os.close(held)


def test_a_read_only_disk_is_locked_too(tmp_path: Path) -> None:
    """It may become writable while two read from it."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        os.close(take_lock(tmp_path))
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        held = take_lock(tmp_path)
        with pytest.raises(StoreError):
            take_lock(tmp_path)
        os.close(held)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
