"""
Say lines one at a time, on stdout and stderr by turns.

    python -m bench.producer RATE COUNT
"""

import os
import sys
import time

from bench.workspace import line


def produce(rate: int, count: int) -> None:
    """
    Write lines to the two pipes, one write each.

    A line that is late is written at once, so that the rate holds.

    Args:
        rate: lines a second.
        count: how many.
    """
    started_ns = time.monotonic_ns()
    for number in range(count):
        wait_ns = started_ns + number * 1_000_000_000 // rate - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        os.write(1 + number % 2, line(number))


if __name__ == "__main__":
    produce(int(sys.argv[1]), int(sys.argv[2]))
