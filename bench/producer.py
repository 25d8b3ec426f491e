"""
Say lines one at a time, on stdout and stderr by turns, each when the one before was taken.

    python -m bench.producer COUNT
"""

import fcntl
import os
import struct
import sys
import termios

from bench.workspace import line


def produce(count: int) -> None:
    """
    Write ``count`` lines to the two pipes.

    Args:
        count: how many.
    """
    for number in range(count):
        pipe = 1 + number % 2
        os.write(pipe, line(number))
        while waiting(pipe):
            os.sched_yield()


def waiting(pipe: int) -> int:
    """Return how many bytes of a pipe nobody has read yet; also its writing end knows."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int(struct.unpack("i", answer)[0])


if __name__ == "__main__":
    produce(int(sys.argv[1]))
