"""
Where readers stand, as far as the store is concerned: what it has, and what it is yet to get.
"""

from dataclasses import replace

from relay.entry import RECORD_KEY_BYTES, Position
from relay.storage import Positions
from relay.store.record_keys import MAX_KEYS, RecentKeys

__all__ = ["KnownPositions"]


class KnownPositions:
    """Positions that are recorded, and those that wait until what belongs to them is stored."""

    def __init__(self) -> None:
        self._saved: Positions = {}
        """Those that are recorded, without record keys."""
        self._recent_keys: dict[tuple[str, str], RecentKeys] = {}
        """The newest of those that are recorded."""
        self._unsaved: Positions = {}

    def note_saved(self, positions: Positions) -> None:
        """Take note that these are recorded."""
        for key, position in positions.items():
            if not position.value:
                self._saved.pop(key, None)
                self._recent_keys.pop(key, None)
                continue
            self._saved[key] = Position(position.value) if position.record_keys else position
            if position.record_keys or key in self._recent_keys:
                recent = self._recent_keys.setdefault(key, RecentKeys())
                recent.add(position.record_keys, position.keys_from)

    def record_again(self) -> None:
        """Let all wait, with the keys that are known still: their index is lost."""
        unsaved, self._unsaved = self._unsaved, {}
        recent, self._recent_keys = self._recent_keys, {}
        for key, position in self._saved.items():
            keys = recent[key].joined() if key in recent else b""
            self._unsaved[key] = replace(position, record_keys=keys)
        self.keep(unsaved)

    def keep(self, positions: Positions) -> None:
        """Remember positions until what belongs to them is stored; they replace the last."""
        for key, position in positions.items():
            before = self._unsaved.get(key)
            if before is not None and before.record_keys and position.value:
                keys = (before.record_keys + position.record_keys)[-RECORD_KEY_BYTES * MAX_KEYS :]
                position = Position(position.value, keys, position.keys_from)
            self._unsaved[key] = position

    def take_unsaved(self) -> Positions:
        """Return those that wait; none does any more."""
        unsaved, self._unsaved = self._unsaved, {}
        return unsaved

    def give_back(self, unsaved: Positions) -> None:
        """Let what was taken wait again, before what came since."""
        newer, self._unsaved = self._unsaved, unsaved
        self.keep(newer)
