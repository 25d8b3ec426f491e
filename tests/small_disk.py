"""A small file system of its own, which a test fills; see the fixture ``disk``."""

import subprocess
from pathlib import Path

__all__ = ["fill", "remount"]


def fill(disk: Path) -> None:
    """Leave no room: what has it lies in the file ``ballast``."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        step = 1 << 20
        while step:
            try:
                ballast.write(bytes(step))
            except OSError:
                step //= 2


def remount(disk: Path, option: str) -> None:
    """Let a disk be read-only, or not."""
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)
