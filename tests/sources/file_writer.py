"""
A program that writes numbered lines, as fast as it may, in a process of its own.

    python -m tests.sources.file_writer PATH HOW ROTATIONS EVERY_SECONDS

Each line is one write of ``NNNNNNNN`` and some text. HOW is what happens to the file meanwhile:

- ``rename``: it is renamed to PATH.1, PATH.2 … and created again;
- ``delete``: it is deleted and created again;
- ``copytruncate``: a thread copies it to PATH.1, PATH.2 … and truncates it; the writer, which
  appends, takes no notice.

At the end it prints how many lines it has written.
"""

import os
import shutil
import sys
import threading
import time

LINE = "%08d a line like any other, of some sixty bytes, by a program\n"
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def write(path: str, how: str, rotations: int, every_seconds: float) -> int:
    """Write and rotate; return the number of lines."""
    fd = os.open(path, APPEND)
    done = 0
    rotator = threading.Thread(target=copy_and_truncate, args=(path, rotations, every_seconds))
    if how == "copytruncate":
        rotator.start()
    number, next_rotation = 0, time.monotonic() + every_seconds
    while rotator.is_alive() or (how != "copytruncate" and done < rotations):
        for _ in range(10):
            os.write(fd, (LINE % number).encode())
            number += 1
        time.sleep(0.0005)
        if how != "copytruncate" and time.monotonic() >= next_rotation:
            done += 1
            next_rotation += every_seconds
            if how == "rename":
                os.rename(path, f"{path}.{done}")
            else:
                os.unlink(path)
            os.close(fd)
            fd = os.open(path, APPEND)
    os.write(fd, (LINE % number).encode())
    return number + 1


def copy_and_truncate(path: str, rotations: int, every_seconds: float) -> None:
    """Do what logrotate does with ``copytruncate``."""
    for done in range(rotations):
        time.sleep(every_seconds)
        shutil.copyfile(path, f"{path}.{done + 1}")
        os.truncate(path, 0)


if __name__ == "__main__":
    _, path, how, rotations, every = sys.argv
    print(write(path, how, int(rotations), float(every)))  # noqa: T201 its record
