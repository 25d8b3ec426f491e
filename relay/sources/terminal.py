"""
Pseudo terminals: for programs that buffer, or leave out their colours, where they see a pipe.

What a program writes comes with ``\\r\\n`` for its newlines, which decoders fold. At its end
reading fails with EIO, once all is read; :class:`~relay.sources.pipe.Pipe` takes that as an end.
"""

import fcntl
import os
import struct
import termios

__all__ = ["COLUMNS", "ROWS", "TERM", "open_terminal"]

ROWS = 40
COLUMNS = 120
"""Of a new terminal. It would have none, and programs break their lines by it."""

TERM = "xterm-256color"
"""What programs are told to be in; it has colours."""


def open_terminal() -> tuple[int, int]:
    """
    Return a new terminal's ends as descriptors: ours to read from, and the program's.

    It does not become the controlling terminal of anybody.

    Raises:
        OSError: there are too many.
    """
    ours, theirs = os.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    except OSError:
        os.close(ours)
        os.close(theirs)
        raise
    return ours, theirs
