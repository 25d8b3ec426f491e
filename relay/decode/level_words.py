"""
The level of a line by a pattern from the configuration, for lines that say it in their own way.
"""

from relay.decode.captures import Captures
from relay.entry import UNSAID, Level
from relay.lines import Lines

__all__ = ["LevelWords"]

EXAMPLE = r"^\S+ <(?P<level>\w+)>"

_WORDS = {
    Level.TRACE: "trace trce trc verbose vrb finer finest silly t 10",
    Level.DEBUG: "debug dbug dbg fine config d 20",
    Level.INFO: "info inf information informational notice note log success i n 30",
    Level.WARN: "warn warning wrn w 40",
    Level.ERROR: "error eror err severe fail failed failure e 50",
    Level.FATAL: "fatal ftl critical crit emerg emergency alert panic dpanic f c 60",
}
LEVELS = {word.encode(): level for level, words in _WORDS.items() for word in words.split()}
"""What programs call the levels, in small letters; numbers are those of pino and bunyan."""


class LevelWords:
    """
    Take lines' levels from where a pattern's group ``level`` finds them.

    Args:
        pattern: with that group.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """

    def __init__(self, pattern: str) -> None:
        self._captures = Captures(pattern, "level", EXAMPLE)
        self._group = self._captures.groups["level"]

    def find(self, lines: Lines, said: bytes | None = None) -> bytes | None:
        """
        Return each line's level, one byte each.

        Args:
            lines: where to look.
            said: what the source says itself, which counts more.

        Returns:
            A word that is no level's is :attr:`Level.UNKNOWN`; :data:`UNSAID` where the
            pattern does not occur; ``None`` where nothing is said of any line.
        """
        levels: bytearray | None = None
        for index, match in self._captures.find(lines):
            word = match[self._group]
            if word is not None and (said is None or said[index] == UNSAID):
                if levels is None:
                    levels = bytearray(said or bytes([UNSAID]) * lines.count)
                levels[index] = LEVELS.get(word.lower(), Level.UNKNOWN)
        return said if levels is None else bytes(levels)
