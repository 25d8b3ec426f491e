"""
Commands: how a process group is started, watched over and ended.

Rule of this file: no child is ever started without the guard knowing its group, and a group is
signalled only while it is certain to be ours: until its leader is reaped and nobody is left.
"""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from relay.errors import SourceError
from relay.sources import guard

__all__ = ["GUARD", "Command", "Exit", "Group", "Guard"]

PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None)


def guard_command() -> list[str]:
    """
    Return the command that runs the guard.

    The one place that knows how; an executable without an interpreter beside it needs another.
    """
    return [sys.executable, "-I", "-S", guard.__file__]


class Guard:
    """
    The relay's hold on its guard: one for the whole relay, started with the first command.

    If somebody ended it, the next command starts another, which is told all groups again.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._groups: set[int] = set()

    def ensure(self) -> socket.socket:
        """
        Return the socket by which the guard is told; start the guard if it does not run.

        Raises:
            SourceError: it cannot be started.
        """
        if self._socket is not None and self.process is not None and self.process.poll() is None:
            return self._socket
        if self._socket is not None:
            self._socket.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = self._start(theirs)
        self._socket = ours
        for group in self._groups:
            tell(ours, b"+%d" % group)
        return ours

    def _start(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                guard_command(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal is not for the guard.
            )
        except OSError as error:
            raise SourceError(f"cannot start the guard of commands: {error.strerror}") from error

    def add(self, group: int) -> None:
        """Note a group, which has told the guard itself."""
        self._groups.add(group)

    def forget(self, group: int | None) -> None:
        """Drop a group that has ended; ``None``: a child that never became its command."""
        self._groups.discard(group or 0)
        if self._socket is not None:
            tell(self._socket, b"?")


GUARD = Guard()


def tell(to_guard: socket.socket, message: bytes) -> None:
    """Send the guard a message; a guard that was ended is replaced at the next start."""
    # Between fork and exec SIGPIPE is already back at its default, which would be deadly.
    with suppress(OSError):
        to_guard.send(message, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)


def _preparation(to_guard: socket.socket) -> Callable[[], None]:
    def prepare() -> None:
        # In the child, between fork and exec, where the group is already its own. The signal
        # of the dying parent is for the case that relay and guard are killed together. It goes
        # by the thread that starts commands, which is the loop's.
        tell(to_guard, b"+%d" % os.getpid())
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return prepare


@dataclass(frozen=True, slots=True)
class Command:
    """
    What to start.

    Args:
        words: the program and its arguments.
        cwd: where it starts; ``None``: where the relay did.
        env: added to the relay's own environment.
        user: as whom; ``None``: as the relay.
    """

    words: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None

    def start(self, stdout: int, stderr: int) -> "Group":
        """
        Start it as the leader of a process group, with nothing to read.

        Blocks for about 1 ms, and 10 ms more for 300 MB of the relay's memory: it must be
        forked, since the child has to speak to the guard before it becomes its command.

        Args:
            stdout: descriptor that becomes its standard output.
            stderr: descriptor that becomes its standard error.

        Raises:
            SourceError: the command, its directory or its user cannot be used.
        """
        account = None if self.user is None else _account(self.user)
        if self.cwd is not None and not os.path.isdir(self.cwd):
            raise SourceError(f"cwd {self.cwd!r}: no such directory")
        to_guard = GUARD.ensure()
        try:
            process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.cwd,
                env={**os.environ, **(account.env if account else {}), **self.env},
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
                start_new_session=True,
                preexec_fn=_preparation(to_guard),
            )
        except (OSError, ValueError) as error:
            GUARD.forget(None)
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(f"command {self.words[0]!r}: {str(reason).lower()}") from error
        return Group(process)


@dataclass(frozen=True, slots=True)
class _Account:
    uid: int
    gid: int
    groups: list[int]
    env: dict[str, str]


def _account(user: str) -> _Account | None:
    """Return whose rights the command gets; ``None`` where the relay has just these."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise SourceError(f"user {user!r}: no such user") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise SourceError(
            f"user {user!r}: only a relay that runs as root can run a command as another user"
        )
    groups = os.getgrouplist(user, entry.pw_gid)
    env = {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user}
    return _Account(entry.pw_uid, entry.pw_gid, groups, env)


@dataclass(frozen=True, slots=True)
class Exit:
    """
    How a process ended.

    Args:
        code: its exit code; 128 and the signal's number where a signal ended it; ``None``
            where nobody can tell.
        signal: name of the signal that ended it, such as ``SIGKILL``.
    """

    code: int | None
    signal: str | None = None


class Group:
    """
    A command's process group, led by the process that was started.

    Args:
        process: just started as the leader of a session.

    Raises:
        OSError: there are too many open files; the process is killed.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except OSError:
            process.kill()
            process.wait()
            raise
        """Readable once the leader has ended."""
        self.exit: Exit | None = None
        self._gone = False
        GUARD.add(self.pid)

    def poll(self) -> Exit | None:
        """Return how the leader ended, and reap it; ``None`` while it runs."""
        if self.exit is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                # SIGCHLD is ignored in this process, so the kernel has reaped it.
                self._note(Exit(None), 0)
            else:
                if pid:
                    code = os.waitstatus_to_exitcode(status)
                    self._note(Exit(code) if code >= 0 else _killed(-code), code)
        return self.exit

    def _note(self, result: Exit, code: int) -> None:
        self.exit = result
        self._process.returncode = code

    def close(self) -> None:
        """Give back the descriptor; signals nobody."""
        os.close(self.descriptor)

    def is_alive(self) -> bool:
        """Tell whether the leader or any other process of the group is left."""
        if self.poll() is None:
            return True
        if not self._gone:
            self._reap_orphans()
            self._gone = not guard.is_alive(self.pid)
            if self._gone:
                GUARD.forget(self.pid)
        return not self._gone

    def _reap_orphans(self) -> None:
        # The first process of a container is the parent of all orphans, and that may be us.
        with suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes, if there are any."""
        if self.is_alive():
            guard.signal_group(self.pid, number)


def _killed(number: int) -> Exit:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"SIGRTMIN+{number - signal.SIGRTMIN}"
    return Exit(128 + number, name)
