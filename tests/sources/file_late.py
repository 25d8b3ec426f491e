"""A set of files that is told of what happened when everything has, for tests."""

from pathlib import Path

from relay.entry import Origin
from relay.sources.base import SourceStatus
from relay.sources.file_names import Names
from relay.sources.file_reader import FileReader, ReaderSettings
from relay.sources.file_reading import Reading
from relay.sources.file_scan import Patterns
from relay.sources.file_set import FileSet
from relay.sources.file_watch import NameChange, NameEvent

__all__ = ["Late"]


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
        self.lines: list[str] = []
        self.losses = 0
        self.read()

    def tell(self, *events: tuple[NameChange, Path, int]) -> None:
        self.names.names_changed(
            [NameEvent(str(path), change, cookie) for change, path, cookie in events]
        )

    @property
    def reader(self) -> FileReader:
        """The reader of the file that ``a.log`` leads to."""
        (place,) = [place for path, place in self.files.places.items() if path.endswith("/a.log")]
        assert place.current is not None
        return place.current

    def write(self, text: str) -> None:
        """Append to the file, and let it be told."""
        with Path(self.reader.path).open("a") as file:
            file.write(text)
        self.names.file_changed(self.reader)

    def read(self) -> None:
        """Take all turns, and let all deadlines pass."""
        while True:
            for batch in self.reading.turn():
                self.lines += batch.lines.strings()
                self.losses += batch.loss is not None
            for reader in self.files.known.values():
                reader.grace_seconds = 0.0
            self.files.turns.mark_due(1e12)
            if self.files.turns.is_idle:
                return
