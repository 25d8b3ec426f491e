"""
The system's certificates, read beside everything else.

aiohttp makes a context for its clients when it is imported, and that reads all certificates that
the system trusts: 40 ms, a sixth of a start, for what a relay that only serves does not use. A
thread reads them into the same context, without the interpreter lock.
"""

import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

__all__ = ["read_beside", "wait"]

_reading: list["Future[None]"] = []


@contextmanager
def read_beside() -> Iterator[None]:
    """
    Have threads read the certificates of contexts that are made meanwhile.

    Not for two threads at once. Nobody may connect by such a context before :func:`wait` returns.
    """
    read = ssl.SSLContext.load_default_certs

    def begin(context: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        done: Future[None] = Future()
        _reading.append(done)
        threading.Thread(target=_read, args=(partial(read, context, purpose), done)).start()

    ssl.SSLContext.load_default_certs = begin  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        ssl.SSLContext.load_default_certs = read  # type: ignore[method-assign]


def _read(read: Callable[[], None], done: "Future[None]") -> None:
    try:
        read()
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits
        done.set_exception(error)
    else:
        done.set_result(None)


def wait() -> None:
    """
    Return when all are read.

    Raises:
        ssl.SSLError: some cannot be, as the context's maker would have been told.
    """
    while _reading:
        _reading.pop().result()
