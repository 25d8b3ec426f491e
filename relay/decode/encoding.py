"""
Text in other encodings than UTF-8.

Two kinds. In those of a byte or more a character (Latin-1, Shift JIS, GBK …) a newline is the
byte ``\\n`` and no part of another character: lines are found in the raw bytes and then decoded
many at a time. In UTF-16 and UTF-32 it is not: they are decoded first, and as every code unit,
good or bad, becomes a known number of characters, what is held can be counted back into bytes.

What other programs call an encoding but needs more than the last line end to be understood
(ISO-2022, HZ, UTF-7), and EBCDIC, is not here.
"""

import codecs
from dataclasses import replace

from relay.decode.lines import NOTHING, Decoded, LineDecoder, concatenate
from relay.names import near

__all__ = [
    "ENCODINGS",
    "CharsetDecoder",
    "WideDecoder",
    "encoded_newline",
    "find_encoding",
]

WIDE = {"utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 4, "utf-32-le": 4, "utf-32-be": 4}
"""Bytes of a code unit."""

CHARSETS = tuple(
    """
    ascii iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8
    iso8859-9 iso8859-10 iso8859-11 iso8859-13 iso8859-14 iso8859-15 iso8859-16 cp437 cp720 cp737
    cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874
    cp1125 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 koi8-r koi8-u koi8-t
    kz1048 ptcp154 tis-620 mac-roman mac-cyrillic mac-greek mac-latin2 mac-iceland mac-turkish
    shift_jis shift_jis_2004 shift_jisx0213 cp932 euc_jp euc_jis_2004 euc_jisx0213 euc_kr cp949
    johab gb2312 gbk gb18030 big5 big5hkscs cp950
    """.split()
)

ENCODINGS = ("utf-8", *WIDE, *CHARSETS)
"""All that are known, by Python's names; each has further ones, such as ``latin-1``."""

SPOKEN = ("latin-1", "latin-9", "windows-1252", "euc-jp", "euc-kr")
"""Other names that a user is likely to have meant."""

ERRORS = "relay.count"
MARK = "\udc80"
"""Stands for each byte that was replaced, until they are counted; no codec makes it."""


def find_encoding(name: str) -> str:
    """
    Return the one name of an encoding.

    Args:
        name: any of its names, such as ``latin-1`` or ``Windows-1252``.

    Raises:
        ValueError: it is unknown, or not one of :data:`ENCODINGS`; tells what is allowed.
    """
    try:
        found = codecs.lookup(name).name.removesuffix("-sig")
    except (LookupError, ValueError):
        found = ""
    if found not in ENCODINGS:
        nearest = near(name.lower(), (*ENCODINGS, *SPOKEN))
        meant = " or ".join(map(repr, nearest)) if nearest else "'utf-16', 'latin-1' or 'gbk'"
        raise ValueError(f"an encoding such as {meant}")
    return found


def encoded_newline(encoding: str, head: bytes = b"") -> bytes:
    """
    Return the bytes of a newline.

    Args:
        encoding: one of :data:`ENCODINGS`.
        head: the stream's first bytes, which may say the byte order.
    """
    if encoding not in WIDE:
        return b"\n"
    return "\n".encode(_with_order(encoding, head))


def _with_order(encoding: str, head: bytes) -> str:
    """Choose the byte order; without a mark it is the usual one."""
    if encoding == "utf-16":
        return "utf-16-be" if head.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    if encoding == "utf-32":
        return "utf-32-be" if head.startswith(codecs.BOM_UTF32_BE) else "utf-32-le"
    return encoding


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" + MARK * (error.end - error.start), error.end


codecs.register_error(ERRORS, _replace)


def _count(text: str) -> tuple[bytes, int]:
    """Return text as UTF-8, and how many bytes were replaced."""
    invalid = text.count(MARK)
    return (text.replace(MARK, "") if invalid else text).encode(), invalid


class CharsetDecoder(LineDecoder):
    """
    A :class:`LineDecoder` for one of :data:`CHARSETS`.

    Costs a decoding and an encoding of what is not ASCII, both in bulk.

    Args:
        charset: its name.
        max_line_bytes: as it says, in raw bytes.
        in_part: as it says.
    """

    def __init__(self, charset: str, max_line_bytes: int, *, in_part: bool = False) -> None:
        super().__init__(max_line_bytes, in_part=in_part, at_start=False)
        self._charset = charset
        letters = bytes(range(128))
        self._has_ascii = letters.decode(charset, "replace") == letters.decode("ascii")

    def _to_text(self, data: bytes) -> tuple[bytes, int]:
        if self._has_ascii and data.isascii():
            return data, 0
        try:
            return data.decode(self._charset).encode(), 0
        except UnicodeDecodeError:
            # Line by line: half a character must not take the newline behind it along.
            lines = [_count(line.decode(self._charset, ERRORS)) for line in data.split(b"\n")]
            return b"\n".join([text for text, _ in lines]), sum(count for _, count in lines)

    def _split(self, line: bytes) -> list[bytes]:
        pieces, start, most = [], 0, self.max_line_bytes
        characters = codecs.getincrementaldecoder(self._charset)("replace")
        while len(line) - start > most:
            characters.reset()
            characters.decode(line[start : start + most])
            # What it still waits for is a character's beginning.
            stop = start + most - len(characters.getstate()[0])
            pieces.append(line[start:stop])
            start = stop
        pieces.append(line[start:])
        return pieces


class WideDecoder:
    """
    What :class:`LineDecoder` is, for UTF-16 and UTF-32.

    Args:
        encoding: one of :data:`WIDE`.
        max_line_bytes: a line that is longer, as UTF-8, is split.
        in_part: as it says.
        head: the stream's first bytes where the first that are fed are others; ``None``: they
            are the first.
    """

    def __init__(
        self,
        encoding: str,
        max_line_bytes: int,
        *,
        in_part: bool = False,
        head: bytes | None = None,
    ) -> None:
        self._encoding = encoding
        self._lines = LineDecoder(max_line_bytes, in_part=in_part, at_start=head is None)
        self._codec = ""
        self._start = b""
        """The first bytes, as long as they do not tell the byte order."""
        if head is not None:
            self._choose(head)

    @property
    def in_part(self) -> bool:
        """Whether what comes next goes on a line whose beginning was given out."""
        return self._lines.in_part

    @property
    def held_bytes(self) -> int:
        """Raw bytes that were fed and are not yet given out. Costs O(result)."""
        if not self._codec:
            return len(self._start)
        return len(self._characters.getstate()[0]) + self.fed_bytes(self._lines.held())

    def fed_bytes(self, raw: bytes) -> int:
        """Return how many of the bytes that were fed are ``raw`` (some of ``Decoded.raw``)."""
        return len(raw.decode().encode(self._codec))

    def feed(self, data: bytes) -> Decoded:
        """Take more bytes, split anywhere; return all lines that are whole now."""
        if not self._codec:
            self._start = data = self._start + data
            if len(data) < WIDE[self._encoding]:
                return NOTHING
            self._choose(data)
        text, invalid = _count(self._characters.decode(data))
        return _with_invalid(self._lines.feed(text), invalid)

    def flush(self, *, part: bool) -> Decoded:
        """Give out the unfinished line; half a character waits where its source goes on."""
        if part:
            return self._lines.flush(part=True)
        start = b""
        if not self._codec:
            start = self._start
            self._choose(start)
        text, invalid = _count(self._characters.decode(start, final=True))
        last = [self._lines.feed(text), self._lines.flush(part=False)]
        return _with_invalid(concatenate(last), invalid)

    def _choose(self, head: bytes) -> None:
        self._codec = _with_order(self._encoding, head)
        self._characters = codecs.getincrementaldecoder(self._codec)(ERRORS)


def _with_invalid(decoded: Decoded, invalid_bytes: int) -> Decoded:
    return replace(decoded, invalid_bytes=invalid_bytes) if invalid_bytes else decoded
