"""
Append lines to a file at a steady rate, each with the time of its writing.

    python -m bench.writer PATH RATE COUNT
"""

import os
import sys
import time

from bench.workspace import LINE_BYTES


def write(path: str, rate: int, count: int) -> None:
    """
    Append ``count`` lines, one write each.

    A line that is late is written at once, so that the rate holds.

    Args:
        path: of the file, which may exist.
        rate: lines a second.
        count: how many.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    started_ns = time.monotonic_ns()
    for number in range(count):
        due_ns = started_ns + number * 1_000_000_000 // rate
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        text = f"2026-11-21T09:47:00 INFO request {number} stamp={time.monotonic_ns()} "
        os.write(file, text.ljust(LINE_BYTES, "x").encode() + b"\n")
    os.close(file)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
