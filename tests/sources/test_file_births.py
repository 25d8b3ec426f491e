from relay.sources.file_births import BORN_SECONDS, Births
from relay.sources.file_watch import NameChange, NameEvent

CREATED, DELETED, ATTRIBUTES = NameChange.CREATED, NameChange.DELETED, NameChange.ATTRIBUTES
MOVED_FROM, MOVED_TO = NameChange.MOVED_FROM, NameChange.MOVED_TO


def after(*changes: tuple[NameChange, str]) -> Births:
    """Return what is remembered after these changes, the first of which was at 1 s."""
    births = Births()
    for number, (change, path) in enumerate(changes, 1):
        births.note(NameEvent(path, change, 7), number, float(number))
    return births


def test_a_file_that_is_renamed_after_it_was_created() -> None:
    """It is known by the name that it has now, with those that it had."""
    births = after((CREATED, "a"), (ATTRIBUTES, "a"), (MOVED_FROM, "a"), (MOVED_TO, "b"))
    birth = births.get("b")
    assert birth is not None
    assert (birth.when, birth.told, birth.paths) == (1.0, 1, ("a", "b"))
    assert births.get("a") is None


def test_names_that_another_file_has_now() -> None:
    """What was deleted, or moved over, is forgotten; so is what came from elsewhere."""
    assert after((CREATED, "a"), (DELETED, "a")).get("a") is None
    assert after((CREATED, "a"), (MOVED_TO, "a")).get("a") is None


def test_files_that_begin_alike() -> None:
    """They come in the order in which they were created."""
    births = after((CREATED, "a.2"), (CREATED, "b"), (CREATED, "a.1"))
    assert [birth.paths for birth in births.beginning("a")] == [("a.2",), ("a.1",)]


def test_what_is_long_past() -> None:
    """It is forgotten."""
    births = after((CREATED, "a"), (CREATED, "b"))
    births.forget_old(1.5 + BORN_SECONDS)
    assert (births.get("a"), births.get("b") is not None) == (None, True)
