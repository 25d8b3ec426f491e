"""
What inotify's events mean for a set of files.

Mostly: look at that path. A name that comes and goes faster than it can be looked at needs
more: a file that was renamed before it was opened is found by following its moves, one that was
deleted before it was opened is a loss.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from relay.sources.file_generations import added_by_rotation
from relay.sources.file_identity import FileKey, key_of, open_quietly
from relay.sources.file_lives import Lives
from relay.sources.file_reader import FileReader
from relay.sources.file_set import Birth, FileSet, Place
from relay.sources.file_watch import NameChange, NameEvent

__all__ = ["Names"]

MOVE_SECONDS = 0.5
"""For how long a file that was never opened is followed from name to name; less than a rotated
file's grace, so that a file that was read and forgotten is never taken for it."""

BORN_SECONDS = 10.0
"""For how long it is remembered that a file was created; longer than any stall of the loop."""


class Names:
    """
    Follow the names of a set's files.

    Args:
        files: whose paths are looked at.
        lives: of these files.
    """

    def __init__(self, files: FileSet, lives: Lives) -> None:
        self._files = files
        self._lives = lives
        self._moving: dict[int, tuple[str, float]] = {}
        self._moved: dict[str, tuple[str, float]] = {}
        self._bearing: dict[int, Birth] = {}
        self._early: list[NameEvent] = []

    def file_changed(self, reader: FileReader) -> None:
        """Its file was written, or truncated."""
        if reader.fd >= 0:
            with suppress(OSError):
                self._keep_up(reader)
        self._files.turns.mark(reader)

    def _keep_up(self, reader: FileReader) -> None:
        # At once, though it may not be its turn for long, where what was read is not yet
        # published: by then the file may have been truncated twice. Its head is learned too,
        # without which it could not be found again.
        if reader.is_intact():
            reader.looked_at = time.monotonic()
            reader.note_size(os.fstat(reader.fd).st_size, reader.looked_at)
            self._lives.look_before(reader)
        else:
            self._lives.renew(reader)

    def file_moved(self, reader: FileReader) -> None:
        """Its file has another name, or fewer names."""
        if self._files.running and reader.path in self._files.places:
            self._files.look(reader.path)

    def start(self) -> None:
        """Take in what happened while the first look was taken."""
        early, self._early = self._early, []
        self.names_changed(early)

    def names_changed(self, events: Sequence[NameEvent]) -> None:
        """Open what has appeared, and find what went by between two looks."""
        if not self._files.running:
            self._early += events
            return
        self._forget_old(time.monotonic())
        # Each at a time of its own, so that times tell the order.
        paths = [event.path for event in events if self._note(event, time.monotonic())]
        generations: dict[str, list[str]] = {}
        for path, (origin, _) in self._moved.items():
            generations.setdefault(origin, []).append(path)
        for origin, moved in generations.items():
            self._adopt(origin, moved)
        for path in dict.fromkeys(paths):
            self._files.look(path)
        self._lives.look_at_new()

    def _forget_old(self, now: float) -> None:
        self._moved = {
            path: (origin, when)
            for path, (origin, when) in self._moved.items()
            if now - when < MOVE_SECONDS
        }
        born = self._files.born
        for path in [path for path, one in born.items() if now - one.when > BORN_SECONDS]:
            del born[path]

    def _note(self, event: NameEvent, now: float) -> bool:
        """Follow one change; return whether its path is one of ours."""
        path = event.path
        ours = path in self._files.places or self._files.patterns.matches(path)
        self._note_birth(event, now)
        match event.change:
            case NameChange.CREATED if ours:
                self._files.created.add(path)
            case NameChange.DELETED if path in self._files.created:
                # It came and went between two looks.
                self._files.created.discard(path)
                self._lose(path)
            case NameChange.MOVED_FROM:
                origin, when = self._moved.pop(path, (path, now))
                if ours or origin != path:
                    self._moving = {event.cookie: (origin, when)}
                    self._files.created.discard(path)
            case NameChange.MOVED_TO if event.cookie in self._moving:
                self._moved[path] = self._moving.pop(event.cookie)
        return ours

    def _note_birth(self, event: NameEvent, now: float) -> None:
        """Remember when files were created, whatever their names are now."""
        born, path = self._files.born, event.path
        if event.change is not NameChange.ATTRIBUTES:
            one = born.pop(path, None)
        match event.change:
            case NameChange.CREATED:
                born[path] = Birth(now, (path,))
            case NameChange.MOVED_FROM if one is not None:
                self._bearing = {event.cookie: one}
            case NameChange.MOVED_TO if event.cookie in self._bearing:
                one = self._bearing.pop(event.cookie)
                born[path] = Birth(one.when, (*one.paths, path))

    def _adopt(self, origin: str, moved: Sequence[str]) -> None:
        """
        Read files that had a path of ours and lost it before they were ever opened.

        Args:
            origin: the path that they had.
            moved: where they are now, oldest first.
        """
        place = self._files.places.get(origin)
        keys = [_key_at(path) for path in moved]
        for number, (path, key) in enumerate(zip(moved, keys, strict=True)):
            if key is None or key in self._files.known or not self._is_rotated(path, origin):
                continue
            place = place or self._files.place(origin)
            younger = self._younger(place, keys[:number], keys[number + 1 :])
            with suppress(OSError):
                file = open_quietly(path)
                if file is not None:
                    self._files.insert(place, file, younger).left_at = time.monotonic()

    def _is_rotated(self, path: str, origin: str) -> bool:
        """Tell whether a file that was moved is still its old path's, not its new one's."""
        patterns = self._files.patterns
        if not patterns.matches(origin):
            return False
        is_own = patterns.matches(path) and added_by_rotation(patterns, path, origin) is None
        return not (is_own or patterns.is_plain(path))

    def _younger(
        self, place: Place, older: Sequence[FileKey | None], newer: Sequence[FileKey | None]
    ) -> FileReader | None:
        """Return the reader of the next generation, where that was opened first."""
        for key in newer:
            reader = self._files.known.get(key) if key is not None else None
            if reader is not None and reader.path == place.path:
                return reader
        current = place.current
        # One that was deleted meanwhile had the path before.
        if current is None or current.key in older or _key_at(place.path) != current.key:
            return None
        return current

    def _lose(self, path: str) -> None:
        place = self._files.places.get(path)
        if place is not None and place.last is not None:
            place.last.lossy = True
            self._files.turns.restate(place.last)
        else:
            self._files.turns.put(self._files.loss(path))

    def events_lost(self) -> None:
        """Look at everything."""
        for reader in self._files.known.values():
            self._files.turns.mark(reader)
        for path in list(self._files.places):
            if self._files.running:
                self._files.look(path)


def _key_at(path: str) -> FileKey | None:
    try:
        return key_of(os.stat(path))
    except OSError:
        return None
