"""Renderings are made once and shared."""

from relay.encode import ENCODERS
from relay.encode.websocket import WebSocketEncoder
from relay.entry import Level
from relay.matcher import MatchCache
from relay.query import Query
from relay.render import Renderer, chunk
from relay.span import Span
from tests.building import block

SSE, NDJSON = ENCODERS["sse"], ENCODERS["ndjson"]
ERRORS = Query(levels=frozenset([Level.ERROR]))


def test_equal_queries_share_one_rendering() -> None:
    """A block is encoded once per format and matched once per query."""
    matches = MatchCache()
    renderer = Renderer(matches)
    span = Span(block("a b c", levels=b"\3\5\3"), 0, 3)
    kept = matches.prepare(ERRORS)
    first = [renderer.render(span, ERRORS, SSE, chunked=True) for _ in range(5)]
    again = Query(levels=frozenset([Level.ERROR]))
    assert renderer.render(span, again, SSE, chunked=True) is first[0]
    assert (renderer.renderings, matches.runs) == (1, 1)
    renderer.render(span, ERRORS, NDJSON, chunked=True)
    assert (renderer.renderings, matches.runs) == (2, 1)
    assert kept is not None


def test_a_filter_that_all_pass_shares_with_no_filter() -> None:
    """Bytes are the same, and so is the rendering."""
    renderer = Renderer(MatchCache())
    span = Span(block("a b", levels=b"\5\5"), 0, 2)
    assert renderer.render(span, ERRORS, SSE, chunked=True) is renderer.render(
        span, Query(), SSE, chunked=True
    )


def test_many_filters_share_the_entries_that_they_select() -> None:
    """From the third query on entries are made once for all; the bytes are the same."""
    span = Span(block("a b c d", levels=b"\3\5\2\5"), 1, 4)
    queries = [Query(levels=frozenset([level])) for level in (Level.ERROR, Level.DEBUG)]
    queries += [Query(text=(text,)) for text in ("b", "c", "d", "x")]
    for encoder in (SSE, NDJSON, ENCODERS["text"], WebSocketEncoder(), WebSocketEncoder(2)):
        matches = MatchCache()
        renderer = Renderer(matches)
        for query in queries:
            expected = encoder.entries(span, matches.select(span.block, query))
            assert renderer.render(span, query, encoder, chunked=False) == expected
        apart = encoder.each(span) is not None
        assert renderer.renderings == (3 if apart else 5)


def test_the_oldest_renderings_leave() -> None:
    """What is kept is bounded in bytes."""
    renderer = Renderer(MatchCache(), max_bytes=2000)
    spans = [Span(block("x", 100 + number), 0, 1) for number in range(10)]
    for span in spans:
        renderer.render(span, Query(), SSE, chunked=False)
    renderer.render(spans[-1], Query(), SSE, chunked=False)
    assert renderer.renderings == 10
    renderer.render(spans[0], Query(), SSE, chunked=False)
    assert renderer.renderings == 11


def test_a_chunk_is_framed() -> None:
    """Length in hexadecimal; nothing for nothing, which would end the stream."""
    assert chunk(b"x" * 18) == b"12\r\n" + b"x" * 18 + b"\r\n"
    assert chunk(b"") == b""
