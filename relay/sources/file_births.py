"""
Which files were lately created, whatever their names are now.

Rule of this file: it is told, and looks at nothing.
"""

from dataclasses import dataclass

from relay.sources.file_watch import NameChange, NameEvent

__all__ = ["Birth", "Births"]

BORN_SECONDS = 10.0
"""For how long it is remembered that a file was created; longer than any stall of the loop."""


@dataclass(frozen=True, slots=True)
class Birth:
    """
    That a file was created.

    Args:
        when: by the monotonic clock, as far as was noticed.
        told: number of the change of names that told of it.
        paths: the names that it has had since; the last is the one that it has now.
    """

    when: float
    told: int
    paths: tuple[str, ...]


class Births:
    """Remember when files were created."""

    def __init__(self) -> None:
        self._at: dict[str, Birth] = {}
        self._moving: dict[int, Birth] = {}

    def note(self, event: NameEvent, told: int, now: float) -> None:
        """
        Follow one change of a name.

        Args:
            event: the change; not of a directory.
            told: its number.
            now: by the monotonic clock; later than that of any before.
        """
        path = event.path
        if event.change is NameChange.ATTRIBUTES:
            return
        birth = self._at.pop(path, None)
        match event.change:
            case NameChange.CREATED:
                self._at[path] = Birth(now, told, (path,))
            case NameChange.MOVED_FROM if birth is not None:
                self._moving = {event.cookie: birth}
            case NameChange.MOVED_TO if event.cookie in self._moving:
                birth = self._moving.pop(event.cookie)
                self._at[path] = Birth(birth.when, birth.told, (*birth.paths, path))

    def forget_old(self, now: float) -> None:
        """Forget what is long past."""
        for path in [path for path, one in self._at.items() if now - one.when > BORN_SECONDS]:
            del self._at[path]

    def get(self, path: str) -> Birth | None:
        """Return that of the file that has a path now, if it was lately created."""
        return self._at.get(path)

    def beginning(self, stem: str) -> list[Birth]:
        """Return those of all files whose path begins so, in their order."""
        # Thousands of files may come at once: most are told apart by their first letters.
        found = [birth for path, birth in self._at.items() if path.startswith(stem)]
        return sorted(found, key=lambda birth: birth.when)
