from relay.sources.file_tenants import Tenants
from relay.sources.file_watch import NameChange, NameEvent

CREATED, DELETED = NameChange.CREATED, NameChange.DELETED
MOVED_FROM, MOVED_TO = NameChange.MOVED_FROM, NameChange.MOVED_TO

OURS = ("a.log", "b.log")


def told(*changes: tuple[NameChange, str]) -> dict[str, list[tuple[str | None, bool]]]:
    """Return, for each path, the names that its files have now, and whether they are new."""
    tenants = Tenants(OURS.__contains__, lambda path, home: path.startswith(home), lambda _: None)
    for number, (change, path) in enumerate(changes):
        tenants.note(NameEvent(path, change, 1), number)
    return {path: [(one.path, one.is_new) for one in of] for path, of in tenants.of.items()}


def test_files_that_are_renamed_one_after_the_other() -> None:
    """Each is followed to the name that it has now, in their order."""
    assert told(
        (MOVED_FROM, "a.log"),
        (MOVED_TO, "a.log.1"),
        (CREATED, "a.log"),
        (MOVED_FROM, "a.log.1"),
        (MOVED_TO, "a.log.2"),
        (MOVED_FROM, "a.log"),
        (MOVED_TO, "a.log.1"),
        (CREATED, "a.log"),
    ) == {"a.log": [("a.log.2", False), ("a.log.1", True), ("a.log", True)]}


def test_files_that_are_deleted() -> None:
    """They have no name, and stand among the others."""
    changes = [(DELETED, "a.log"), (CREATED, "a.log"), (DELETED, "a.log"), (CREATED, "a.log")]
    assert told(*changes) == {"a.log": [(None, False), (None, True), ("a.log", True)]}


def test_a_file_that_is_written_beside_and_renamed() -> None:
    """It is new at our path, and what it replaces has no name."""
    changes = [(CREATED, "tmp"), (MOVED_FROM, "tmp"), (MOVED_TO, "a.log")]
    assert told(*changes) == {"a.log": [(None, False), ("a.log", True)]}


def test_a_file_that_is_moved_from_one_of_our_paths_to_another() -> None:
    """It is that one's from then on."""
    changes = [(CREATED, "a.log"), (MOVED_FROM, "a.log"), (MOVED_TO, "b.log")]
    assert told(*changes) == {"a.log": [], "b.log": [(None, False), ("b.log", True)]}


def test_a_file_that_was_there_and_is_moved_to_another_path() -> None:
    """It is not new there."""
    changes = [(MOVED_FROM, "a.log"), (MOVED_TO, "b.log"), (DELETED, "b.log")]
    assert told(*changes) == {"a.log": [], "b.log": [(None, False), (None, False)]}


def test_a_file_that_is_moved_out_of_sight() -> None:
    """It has no name any more; its path is free."""
    changes = [(CREATED, "a.log"), (MOVED_FROM, "a.log"), (CREATED, "a.log")]
    assert told(*changes) == {"a.log": [(None, True), ("a.log", True)]}


def test_names_that_are_not_ours() -> None:
    """Nothing is kept of them."""
    assert told((CREATED, "c.log"), (MOVED_FROM, "c.log"), (MOVED_TO, "d.log")) == {}
