"""The relay's clock, stepped by Debian's ``faketime`` for it alone."""

import os
import subprocess
from pathlib import Path

__all__ = ["RelayClock"]

CACHE_SECONDS = 1
"""How long the library goes on with an offset that it has read."""

SHARED = Path("/dev/shm")


class RelayClock:
    """
    An offset that the relay's clock has, also while it runs.

    Args:
        folder: for the file with the offset.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock"
        self.step(0)

    def step(self, hours: float) -> None:
        """Let the clock be so many hours off."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{hours * 3600:+.0f}\n")
        temporary.replace(self._path)

    def environment(self) -> dict[str, str]:
        """Return what lets a process have this clock; its monotonic clock stays as it is."""
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Its way around an old C library's fault lets threads spin that wait for each other.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    @staticmethod
    def clean(pid: int) -> None:
        """Remove what the library leaves behind of a process that was killed."""
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            (SHARED / name).unlink(missing_ok=True)


def _library() -> str:
    """Return the library that the command ``faketime`` preloads."""
    command = ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.strip()
