"""
A program that the relay runs: it prints numbered lines, and goes on in its next life.

    python -m tests.faults.program STREAM FOLDER

What it has printed is kept in FOLDER/STREAM.count, numbers in memory that it shares with
whoever reads the file: how many lines it has begun to print, how many it has printed, and its
process id. Where a kill came between, nobody can know whether the line is out: it goes to
STREAM.unsure, and the next life begins after it. While there is a file STREAM.stop it is silent.
"""

import mmap
import os
import random
import struct
import sys
import time
from pathlib import Path

from tests.faults.record import line

__all__ = ["COUNTS"]

PAUSE_SECONDS = 0.01
MAX_BURST = 8

COUNTS = struct.Struct("=qqq")


def run(stream: str, folder: Path) -> None:
    """Print lines for ever."""
    with (folder / f"{stream}.count").open("r+b") as file:
        counts = mmap.mmap(file.fileno(), COUNTS.size)
    begun, printed, _ = COUNTS.unpack_from(counts)
    if begun > printed:
        with (folder / f"{stream}.unsure").open("a") as unsure:
            unsure.write(f"{printed}\n")
    pid = os.getpid()
    COUNTS.pack_into(counts, 0, begun, begun, pid)
    number, stop, rng = begun, folder / f"{stream}.stop", random.Random(begun)
    while True:
        time.sleep(PAUSE_SECONDS)
        if stop.exists():
            continue
        for _ in range(rng.randint(1, MAX_BURST)):
            COUNTS.pack_into(counts, 0, number + 1, number, pid)
            os.write(sys.stdout.fileno(), (line(stream, number) + "\n").encode())
            number += 1
            COUNTS.pack_into(counts, 0, number, number, pid)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
