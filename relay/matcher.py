"""
Running a query over blocks.

Rules of this file: a condition is decided for a whole block at once; cheap conditions come
first, and dear ones only where something is left. A block's channel is not looked at: who reads
has chosen it. Answers are kept per block and query, so equal queries share them.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import orjson

from relay.block import MAX_ORIGINS, Block
from relay.entry import Level, Origin
from relay.pattern import Literal, Pattern, compile_pattern, literal
from relay.query import Query, names_match
from relay.selection import ALL, NONE, Selection, Whole, both, count, of, without

__all__ = ["ALL", "NONE", "MatchCache", "Matcher", "Selection", "Whole", "count"]

Condition = Callable[[Block], Selection]


class Matcher:
    """
    One query, ready to run.

    Making it compiles the query's patterns, which blocks for a millisecond each and at the
    worst for some hundred: not on the loop where ``query.has_patterns``.

    Args:
        query: what is wanted.

    Raises:
        QueryError: a pattern cannot be compiled.
    """

    __slots__ = ("__weakref__", "_conditions", "_excluded", "query")

    def __init__(self, query: Query) -> None:
        self.query = query
        self._conditions = [*_column_conditions(query), *_text_conditions(query)]
        self._excluded = [
            *(literal(text, "exclude") for text in query.exclude),
            *(compile_pattern(text, "exclude") for text in query.exclude_regex),
        ]

    def select(self, block: Block) -> Selection:
        """Return the entries of ``block`` that the query wants, whatever the block's channel."""
        selection: Selection = ALL
        for condition in self._conditions:
            selection = both(selection, condition(block))
            if selection is NONE:
                return NONE
        for pattern in self._excluded:
            selection = without(selection, pattern.select(block.lines))
            if selection is NONE:
                return NONE
        if self.query.fields:
            return _select_fields(self.query.fields, block, selection)
        return selection


class MatchCache:
    """
    What queries gave for blocks; the least recently used leave first.

    Args:
        max_bytes: of the selections that are kept.
    """

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.runs = 0
        """How many times a matcher really ran over a block."""
        self._selections: OrderedDict[tuple[int, Query], Selection] = OrderedDict()
        self._matchers: WeakValueDictionary[Query, Matcher] = WeakValueDictionary()

    def prepare(self, query: Query) -> Matcher:
        """
        Return the matcher of a query; :meth:`select` uses it as long as somebody holds it.

        May be called in a thread, and must be where ``query.has_patterns``.

        Raises:
            QueryError: a pattern cannot be compiled.
        """
        matcher = self._matchers.get(query)
        if matcher is None:
            matcher = self._matchers[query] = Matcher(query)
        return matcher

    def select(self, block: Block, query: Query) -> Selection:
        """
        Return the entries of ``block`` that ``query`` wants.

        Raises:
            QueryError: a pattern cannot be compiled; not where the query was prepared.
        """
        if query.is_plain:
            return ALL
        key = (block.key, query)
        selection = self._selections.get(key)
        if selection is not None:
            self._selections.move_to_end(key)
            return selection
        self.runs += 1
        selection = self.prepare(query).select(block)
        self._selections[key] = selection
        self.bytes += _size_bytes(query, selection)
        while self.bytes > self.max_bytes:
            (_, oldest), kept = self._selections.popitem(last=False)
            self.bytes -= _size_bytes(oldest, kept)
        return selection


_KEPT_BYTES = 250
"""What a selection costs in the cache besides its mask, as measured."""


def _size_bytes(query: Query, selection: Selection) -> int:
    return _KEPT_BYTES + query.size_bytes + (len(selection) if isinstance(selection, bytes) else 0)


def _column_conditions(query: Query) -> Iterator[Condition]:
    """Give what columns decide, in the order of their cost."""
    if query.since_ns is not None or query.until_ns is not None:
        yield partial(_select_times, query.since_ns, query.until_ns)
    if query.levels is not None:
        yield partial(_select_levels, bytes(level in query.levels for level in Level))
    if query.sources or query.instances or query.runs or query.streams is not None:
        yield partial(_select_origins, query)


def _text_conditions(query: Query) -> Iterator[Condition]:
    literals = [literal(text) for text in query.text]
    for pattern in [*literals, *(compile_pattern(text) for text in query.regex)]:
        yield partial(_select_pattern, pattern)


def _select_pattern(pattern: Pattern | Literal, block: Block) -> Selection:
    return pattern.select(block.lines)


def _select_times(since_ns: int | None, until_ns: int | None, block: Block) -> Selection:
    oldest_ns, newest_ns = block.oldest_ns, block.newest_ns
    start = oldest_ns if since_ns is None else since_ns
    stop = newest_ns + 1 if until_ns is None else until_ns
    if newest_ns < start or oldest_ns >= stop:
        return NONE
    if (oldest_ns >= start and newest_ns < stop) or block.timestamps is None:
        return ALL
    first, end = start - block.timestamps.base, stop - block.timestamps.base
    return of(bytes([first <= offset < end for offset in block.timestamps.offsets]))


def _select_levels(wanted: bytes, block: Block) -> Selection:
    return of(block.levels.translate(wanted.ljust(256, b"\0")))


def _select_origins(query: Query, block: Block) -> Selection:
    wanted = bytes(_wants(query, origin) for origin in block.origins)
    if block.origin_index is None:
        return ALL if wanted[0] else NONE
    if 1 not in wanted:
        return NONE
    return of(block.origin_index.translate(wanted.ljust(MAX_ORIGINS, b"\0")))


def _wants(query: Query, origin: Origin) -> bool:
    return (
        (query.streams is None or origin.stream in query.streams)
        and _among(query.sources, origin.source)
        and _among(query.instances, origin.instance)
        and _among(query.runs, origin.run)
    )


def _among(names: tuple[str, ...], name: str | None) -> bool:
    return not names or (name is not None and names_match(names, name))


def _select_fields(
    wanted: tuple[tuple[str, str], ...], block: Block, among: Selection
) -> Selection:
    """Return those of ``among`` that have the fields ``wanted``, as JSON objects or besides."""
    # A line that does not even hold a key's last part need not be parsed, which costs 1 µs.
    key = wanted[0][0].rpartition(".")[2].encode()
    columns = [block.lines] if block.fields is None else [block.lines, block.fields]
    if not any(key in column.text for column in columns):
        return NONE
    chosen = among if isinstance(among, bytes) else bytes([1]) * block.count
    rows = zip(*[column.split() for column in columns], strict=True)
    return of(
        bytes(
            [
                bool(is_chosen) and any(key in text for text in row) and _has_fields(row, wanted)
                for is_chosen, row in zip(chosen, rows, strict=True)
            ]
        )
    )


def _has_fields(row: tuple[bytes, ...], wanted: tuple[tuple[str, str], ...]) -> bool:
    """Tell whether a line and its fields have what is wanted, each in either of them."""
    documents = [document for text in row if (document := _document(text)) is not None]
    return all(
        any(_equals(value, text) for document in documents for value in _values_at(document, path))
        for path, text in wanted
    )


def _document(text: bytes) -> Any:
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _values_at(value: Any, path: str) -> Iterator[Any]:
    """Give what stands at a dotted path; a key may hold dots itself."""
    if not isinstance(value, dict):
        return
    if path in value:
        yield value[path]
    for index, character in enumerate(path):
        if character == "." and path[:index] in value:
            yield from _values_at(value[path[:index]], path[index + 1 :])


def _equals(value: Any, text: str) -> bool:
    """Compare with a value as JSON writes it, a number by its worth, a list by its members."""
    if isinstance(value, str):
        return value == text
    if isinstance(value, list):
        return any(_equals(member, text) for member in value)
    if isinstance(value, bool) or value is None:
        return orjson.dumps(value).decode() == text
    if isinstance(value, int | float):
        try:
            return value == float(text)
        except ValueError:
            return False
    return False
