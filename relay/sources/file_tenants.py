"""
Which files had a path, one after the other, by what the kernel tells of names.

Rule of this file: it is told, and looks at nothing. Events carry no inode: which file it was is
for others to find, under the name that it has now.
"""

from collections.abc import Callable
from dataclasses import dataclass

from relay.sources.file_identity import OpenFile
from relay.sources.file_reader import FileReader
from relay.sources.file_watch import NameChange, NameEvent

__all__ = ["Tenant", "Tenants"]


@dataclass(slots=True, eq=False)
class Tenant:
    """
    One file that has, or had, a path of the source.

    Args:
        home: the path among whose lines its own stand.
        path: its name now; ``None``: it was deleted, or is out of sight.
        is_new: whether it came to a path of ours by these events; else it was at one before.
        was: who read it before these events, or until it was deleted.
        came: number of the change by which it came to its home; 0: before these events.
        left: number of the change by which it lost its last name.
        moved: number of the change by which it lost its home.
        reader: who reads it, once that is known.
        is_doubtful: whether that may be the reader of another.
        file: the file itself, where it was opened for that.
    """

    home: str
    path: str | None
    is_new: bool = True
    was: FileReader | None = None
    came: int = 0
    left: int = 0
    moved: int = 0
    reader: FileReader | None = None
    is_doubtful: bool = False
    file: OpenFile | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it came and went, and nobody reads it."""
        return self.is_new and self.reader is None and self.path != self.home

    def say_when(self) -> None:
        """Let its reader know when it had its home."""
        if self.reader is not None:
            self.reader.came_told = self.came or self.reader.came_told
            if self.path != self.home:
                self.reader.left_told = self.moved

    def close(self) -> None:
        """Close the file where it was opened, and nobody reads it."""
        if self.file is not None:
            self.file.close()
            self.file = None


class Tenants:
    """
    Follow files from name to name.

    Args:
        is_ours: whether a path is one of the source's.
        is_rotated: whether a file that has the first path now still belongs to the second.
        who_read: who read the file that a path led to before anything was told.
    """

    def __init__(
        self,
        is_ours: Callable[[str], bool],
        is_rotated: Callable[[str, str], bool],
        who_read: Callable[[str], FileReader | None],
    ) -> None:
        self.of: dict[str, list[Tenant]] = {}
        """Of each path that anything happened to, its files in their order."""
        self.unlooked: dict[Tenant, None] = {}
        """Those whose name has changed since they were last looked at."""
        self._at: dict[str, Tenant] = {}
        self._moving: dict[int, Tenant] = {}
        self._number = 0
        self._is_ours = is_ours
        self._is_rotated = is_rotated
        self._who_read = who_read

    def note(self, event: NameEvent, number: int) -> None:
        """Follow one change; changes are numbered upwards."""
        self._number = number
        match event.change:
            case NameChange.CREATED:
                self._come(event.path)
            case NameChange.DELETED:
                tenant = self._leave(event.path)
                if tenant is not None and event.reader is not None:
                    tenant.was = event.reader
            case NameChange.MOVED_FROM:
                if (tenant := self._leave(event.path)) is not None:
                    self._moving = {event.cookie: tenant}
            case NameChange.MOVED_TO:
                # What had the name has it no more.
                self._leave(event.path)
                self._arrive(event.path, self._moving.pop(event.cookie, None))

    def home(self, path: str) -> str:
        """Return among whose lines those of the file stand that has a path now."""
        tenant = self._at.get(path)
        return tenant.home if tenant is not None else path

    def clear(self) -> None:
        """Forget all that was told, once it is known what it means."""
        for tenants in self.of.values():
            for tenant in tenants:
                tenant.close()
        self.of.clear()
        self.unlooked.clear()
        self._at.clear()
        self._moving.clear()

    def keep(self, tenant: Tenant) -> None:
        """Remember one file that could not be opened where it is."""
        self.of[tenant.home] = [tenant]
        self._at[tenant.home] = tenant

    def _come(self, path: str) -> None:
        if self._is_ours(path):
            self._put(Tenant(path, path, came=self._number))

    def _leave(self, path: str) -> Tenant | None:
        tenant = self._at.pop(path, None)
        if tenant is None and path not in self.of and self._is_ours(path):
            tenant = Tenant(path, path, is_new=False, was=self._who_read(path))
            self.of[path] = [tenant]
        if tenant is not None:
            tenant.path, tenant.left = None, self._number
            self.unlooked[tenant] = None
            if path == tenant.home:
                tenant.moved = self._number
        return tenant

    def _arrive(self, path: str, tenant: Tenant | None) -> None:
        if tenant is None:
            self._come(path)
            return
        tenant.path = path
        self._at[path] = tenant
        self.unlooked[tenant] = None
        is_other = path != tenant.home and not self._is_rotated(path, tenant.home)
        if is_other and self._is_ours(path):
            # It was another path's only on the way to this one.
            self.of[tenant.home].remove(tenant)
            tenant.home, tenant.came = path, self._number
            self._put(tenant)

    def _put(self, tenant: Tenant) -> None:
        self.of.setdefault(tenant.home, []).append(tenant)
        self._at[tenant.home] = tenant
