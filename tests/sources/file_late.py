"""A set of files that is told of what happened when everything has, for tests."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

from relay.entry import Batch, Origin
from relay.sources.base import SourceStatus
from relay.sources.file_names import Names
from relay.sources.file_reader import FileReader, ReaderSettings
from relay.sources.file_reading import Reading
from relay.sources.file_scan import Patterns
from relay.sources.file_set import FileSet
from relay.sources.file_watch import NameChange, NameEvent, Watch

__all__ = ["Late", "Told", "moved", "rotated"]

Told = tuple[NameChange, Path, int]
"""A change of a name, and the cookie that its other half has too."""


def moved(path: Path, to: Path, cookie: int) -> list[Told]:
    """Return what is told when a file is renamed."""
    return [(NameChange.MOVED_FROM, path, cookie), (NameChange.MOVED_TO, to, cookie)]


def rotated(path: Path, to: Path, cookie: int) -> list[Told]:
    """Return what is told when a file is renamed, and another is created in its place."""
    return [*moved(path, to, cookie), (NameChange.CREATED, path, 0)]


def _events(told: Sequence[Told]) -> list[NameEvent]:
    return [NameEvent(str(path), change, cookie) for change, path, cookie in told]


class _Kernel:
    """What the real one cannot be made to do: to tell of changes just when it is asked."""

    def __init__(self) -> None:
        self.names: Names | None = None
        self.then: Callable[[], Sequence[Told]] | None = None

    def read(self) -> None:
        if self.names is not None:
            self.names.names_changed(self.gather())

    def gather(self) -> list[NameEvent]:
        then, self.then = self.then, None
        return _events(then()) if then is not None else []

    def follow(self, reader: FileReader) -> None:
        """Watch no file."""

    def expecting(self, path: str) -> AbstractContextManager[None]:
        """Watch none that is about to be opened."""
        return nullcontext()

    def drop(self, reader: FileReader) -> None:
        """Watch none still."""

    def close(self) -> None:
        """Tell nothing more."""


class Late:
    """A set of files whose events come when everything has happened already."""

    def __init__(self, path: Path) -> None:
        settings = ReaderSettings("app", SourceStatus("app", "file"))
        patterns = Patterns([str(path)], ["*.gz"])
        self.files = FileSet(settings, patterns, lambda _: ("app", Origin("app")))
        self.reading = Reading(self.files)
        self.names = Names(self.files, self.reading.lives)
        for found in patterns.scan().files:
            self.files.look(found)
        self.files.running = True
        self.names.start()
        self._kernel = self._begin_to_tell()
        self.given: list[str | None] = []
        """Lines, and ``None`` for each loss."""
        self.read()

    def _begin_to_tell(self) -> _Kernel:
        kernel = _Kernel()
        kernel.names = self.names
        self.files.watch = cast(Watch, kernel)
        return kernel

    def tell(
        self,
        *events: Told,
        then: Callable[[], Sequence[Told]] | None = None,
    ) -> None:
        """Tell some events; once names were looked at let ``then`` happen, and tell its own."""
        self._kernel.then = then
        self.names.names_changed(_events(events))

    def when_asked(self, then: Callable[[], Sequence[Told]]) -> None:
        """Let something happen as soon as the kernel is asked what has, and tell it."""
        self._kernel.then = then

    @property
    def lines(self) -> list[str]:
        """All lines so far."""
        return [line for line in self.given if line is not None]

    @property
    def losses(self) -> int:
        """How many losses were declared."""
        return self.given.count(None)

    @property
    def reader(self) -> FileReader:
        """The reader of the file that ``a.log`` leads to."""
        (place,) = [place for path, place in self.files.places.items() if path.endswith("/a.log")]
        assert place.current is not None
        return place.current

    def write(self, text: str) -> None:
        """Append to the file, and let it be told."""
        self.write_unseen(text)
        self.names.file_changed(self.reader)

    def write_unseen(self, text: str) -> None:
        """Append to the file, and let nobody know."""
        with Path(self.reader.path).open("a") as file:
            file.write(text)

    def read(self) -> None:
        """Take all turns, and let all deadlines pass."""
        while True:
            if self.files.is_behind:
                self.files.listen()
            self.take(self.reading.turn())
            for reader in self.files.known.values():
                reader.grace_seconds = 0.0
            self.files.turns.mark_due(1e12)
            if self.files.turns.is_idle and not self.files.is_behind:
                return

    def take(self, batches: Sequence[Batch]) -> None:
        """Note what a turn has given."""
        for batch in batches:
            self.given += [*batch.lines.strings(), *([None] if batch.loss else [])]
