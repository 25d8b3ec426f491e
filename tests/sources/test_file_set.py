from pathlib import Path

from relay.entry import Origin
from relay.sources.base import SourceStatus
from relay.sources.file_identity import FilePosition
from relay.sources.file_reader import ReaderSettings
from relay.sources.file_reading import Reading
from relay.sources.file_resume import resume
from relay.sources.file_scan import Patterns
from relay.sources.file_set import FileSet
from tests.sources.file_follower import Follower, append


def new_files(path: Path) -> FileSet:
    """Return an empty set of files that has this path."""
    settings = ReaderSettings("app", SourceStatus("app", "file"))
    return FileSet(settings, Patterns([str(path)]), lambda _: ("app", Origin("app")))


def lines(reading: Reading, files: FileSet) -> list[str]:
    """Take all turns, and let all deadlines pass."""
    found: list[str] = []
    while not files.turns.is_idle:
        found += [line for batch in reading.turn() for line in batch.lines.strings()]
        for reader in files.known.values():
            reader.grace_seconds = 0.0
        files.turns.mark_due(1e12)
    return found


async def test_a_file_that_goes_between_being_taken_up_and_looked_at(tmp_path: Path) -> None:
    """It is finished as if its path had led to it; what comes after it does not wait for ever."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
    append(log, "two\n")
    parsed = {name: FilePosition.parse(kept.value) for name, kept in follower.positions.items()}
    files = new_files(log)
    resume(files, {name: kept for name, kept in parsed.items() if kept is not None})
    log.unlink()
    files.look(str(log))
    files.running = True
    append(log, "three\n")
    files.look(str(log))
    assert lines(Reading(files), files) == ["two", "three"]
    files.close()
