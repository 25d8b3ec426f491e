"""
What inotify's events mean for a set of files.

Mostly: look at that path. A name that comes and goes faster than it can be looked at needs
more: a file that was renamed before it was opened is found under its new name, one that was
deleted before it was opened is a loss, and both stand at their place among the files of their
path. Rule of this file: what a name leads to is the file that events speak of only if no more
has happened by the time that it was looked at.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from relay.sources.file_generations import added_by_rotation
from relay.sources.file_identity import OpenFile, open_quietly
from relay.sources.file_lives import Lives
from relay.sources.file_reader import FileReader
from relay.sources.file_set import FileSet
from relay.sources.file_tenants import Tenant, Tenants
from relay.sources.file_watch import NameEvent

__all__ = ["Names"]

LOOK_SECONDS = 0.02
"""For how long names are looked at, because ever more happens, before the loop has its turn."""


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
        self._tenants = Tenants(self._is_ours, self._is_rotated, self._who_read)
        self._early: list[NameEvent] = []
        self._changed: dict[str, None] = {}
        """Paths of ours that something happened to since all was settled."""
        self._unlooked: dict[str, None] = {}
        """Those of them that something happened to since they were looked at."""

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
        was_behind = self._files.is_behind
        if not (events or was_behind or self._files.ahead):
            return
        self._note(events)
        self._files.is_behind = not self._keep_pace()
        if self._files.is_behind:
            # What was found until now is kept. Whoever tends the files asks again.
            self._files.turns.wake.set()
            return
        self._take_stock()
        if was_behind:
            self._files.turns.mark_all(self._files.unseen)

    def _keep_pace(self) -> bool:
        """Look until nothing has happened since to what was looked at; ``False``: not yet."""
        until = time.monotonic() + LOOK_SECONDS
        while self._unlooked or self._tenants.unlooked:
            self._look(until)
            self._note(self._files.gather())
            if time.monotonic() > until:
                return not (self._unlooked or self._tenants.unlooked)
        return True

    def _take_stock(self) -> None:
        changed, self._changed = self._changed, {}
        self._settle()
        for path in changed:
            self._files.look(path)
        self._lives.look_at_new()

    def _note(self, events: Sequence[NameEvent]) -> None:
        """Follow changes, and remember which of our paths they are of."""
        births = self._files.births
        births.forget_old(time.monotonic())
        for event in events:
            # Each at a time of its own, so that times tell the order.
            self._files.told += 1
            if not event.is_directory:
                births.note(event, self._files.told, time.monotonic())
                self._tenants.note(event, self._files.told)
            if self._is_ours(event.path):
                self._changed[event.path] = self._unlooked[event.path] = None

    def _is_ours(self, path: str) -> bool:
        return path in self._files.places or self._files.patterns.matches(path)

    def _look(self, until: float) -> None:
        """Open what the changed paths lead to, and what had one of them and has another name."""
        for path in list(self._unlooked):
            del self._unlooked[path]
            # What was rotated to this name is read among the lines of its old one.
            if self._tenants.home(path) == path:
                self._files.look(path)
            if time.monotonic() > until:
                return
        for tenant in list(self._tenants.unlooked):
            del self._tenants.unlooked[tenant]
            tenant.close()
            if tenant.path not in (None, tenant.home):
                tenant.file = open_quietly(tenant.path)
            if time.monotonic() > until:
                return

    def _who_read(self, path: str) -> FileReader | None:
        place = self._files.places.get(path)
        return place.settled if place is not None else None

    def _is_rotated(self, path: str, home: str) -> bool:
        """Tell whether a file that was moved is still its old path's, not its new one's."""
        patterns = self._files.patterns
        if not patterns.matches(home):
            return False
        is_own = patterns.matches(path) and added_by_rotation(patterns, path, home) is None
        return not (is_own or patterns.is_plain(path))

    def _settle(self) -> None:
        """Find out which files it was that had the paths, and give each its place."""
        kept: list[Tenant] = []
        for path, tenants in self._tenants.of.items():
            self._recognise(path, tenants)
            self._adopt(path, tenants)
            self._declare(path, tenants)
            for tenant in tenants:
                tenant.say_when()
            # What cannot be opened is nobody's: if it goes it is lost.
            is_unread = (one for one in tenants if one.path == path and one.reader is None)
            kept += [one for one in is_unread if os.path.isfile(path)]
            self._files.settle(path)
        self._tenants.clear()
        for tenant in kept:
            self._tenants.keep(tenant)
        for reader in self._files.ahead:
            self._files.settle(reader.path)
        self._files.ahead.clear()

    def _recognise(self, path: str, tenants: Sequence[Tenant]) -> None:
        """Tell who reads them, as far as anyone does."""
        place = self._files.places.get(path)
        for tenant in tenants:
            if tenant.path == path:
                tenant.reader = place.current if place is not None else None
            elif tenant.file is not None:
                reader = self._files.known.get(tenant.file.key)
                tenant.reader = None if self._is_stray(reader, path) else reader
            tenant.reader = tenant.reader or tenant.was
        self._recognise_gone(path, tenants)

    def _recognise_gone(self, path: str, tenants: Sequence[Tenant]) -> None:
        """Find the readers of files that were opened before it was told that they came."""
        found = {tenant.reader for tenant in tenants}
        gone = [one for one in tenants if one.path is None and one.reader is None]
        if not gone:
            return
        ahead = [one for one in self._files.ahead if one.path == path and one not in found]
        is_doubtful = False
        for number, reader in enumerate(ahead):
            # What had left before is another.
            may_be = [one for one in gone if one.left > self._files.ahead[reader]]
            if not may_be:
                continue
            is_doubtful |= len(may_be) > len(ahead) - number
            if is_doubtful:
                # Nobody can tell which of them it was: others may be lost before and behind it.
                self._mark_lossy(reader)
            # Likely nothing has happened between what was told and its opening.
            tenant = may_be[0]
            tenant.reader, tenant.is_doubtful = reader, is_doubtful
            gone = gone[gone.index(tenant) + 1 :]

    def _mark_lossy(self, reader: FileReader) -> None:
        reader.lossy = True
        self._files.turns.restate(reader)

    def _is_stray(self, reader: FileReader | None, home: str) -> bool:
        """Tell whether a file was opened under its new name first, and is not read yet."""
        is_unread = reader is not None and not reader.offset and reader in self._files.ahead
        return is_unread and reader is not None and reader.path != home

    def _adopt(self, path: str, tenants: Sequence[Tenant]) -> None:
        """Read files that had a path of ours and lost it before they were opened, or copies."""
        younger: FileReader | None = None
        queued: set[FileReader | None] = set(self._files.queued(path))
        for tenant in reversed(tenants):
            file, tenant.file = tenant.file, None
            if tenant.reader is None and file is not None:
                tenant.reader = self._insert(path, file, younger)
                queued.add(tenant.reader)
            elif file is not None:
                file.close()
            if tenant.reader is not None and tenant.reader in queued:
                younger = tenant.reader
            elif tenant.is_lost and (copies := self._read_copies(tenant, younger)):
                tenant.reader, younger = copies[-1], copies[0]

    def _read_copies(self, tenant: Tenant, younger: FileReader | None) -> list[FileReader]:
        return self._lives.read_lost(tenant.home, tenant.came, tenant.moved, younger)

    def _insert(self, path: str, file: OpenFile, younger: FileReader | None) -> FileReader | None:
        stray = self._files.known.get(file.key)
        try:
            reader = self._files.insert(self._files.place(path), file, younger)
        except OSError:
            file.close()
            return None
        reader.left_at = time.monotonic()
        if stray is not None:
            self._lives.take_over(reader, stray)
        return reader

    def _declare(self, path: str, tenants: Sequence[Tenant]) -> None:
        """Declare those that nobody has read, and nobody can, where their lines would stand."""
        lost = {one for one in tenants if one.is_lost or one.is_doubtful}
        if not lost:
            return
        queued = self._files.queued(path)
        known: set[FileReader | None] = set(queued)
        first = next((one.reader for one in tenants if one.reader in known), None)
        before = queued if first is None else queued[: queued.index(first)]
        older = before[-1] if before else None
        for tenant in tenants:
            if tenant in lost and older is not None:
                self._mark_lossy(older)
            elif tenant in lost:
                self._files.turns.put(self._files.loss(path))
            if tenant.reader in known:
                older = tenant.reader

    def events_lost(self) -> None:
        """Settle what was told, and look at everything; between the two is a loss."""
        self._files.turns.mark_all(self._files.known.values())
        if not self._files.running:
            return
        before = [(place, place.current) for place in self._files.places.values()]
        self._files.is_behind, self._unlooked = False, {}
        self._take_stock()
        for place, reader in before:
            self._files.look(place.path)
            if reader not in (None, place.current) and reader.path == place.path:
                # Others may have come and gone behind it.
                self._mark_lossy(reader)
