"""
The system's certificates, read beside everything else.

aiohttp makes a context for its clients when it is imported, and that reads all certificates that
the system trusts: 40 ms, a sixth of a start, for what a relay that only serves does not use. A
thread reads them into the same context, without the interpreter lock.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["read_beside", "wait"]

_threads: list[threading.Thread] = []


@contextmanager
def read_beside() -> Iterator[None]:
    """
    Have threads read the certificates of contexts that are made meanwhile.

    Not for two threads at once. Nobody may connect by such a context before :func:`wait` returns.
    """
    read = ssl.SSLContext.load_default_certs

    def begin(context: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        thread = threading.Thread(target=read, args=(context, purpose), daemon=True)
        _threads.append(thread)
        thread.start()

    ssl.SSLContext.load_default_certs = begin  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.load_default_certs = read  # type: ignore[method-assign]


def wait() -> None:
    """Return when all are read."""
    while _threads:
        _threads.pop().join()
