"""Chunks of a segment that is not compressed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.store.plain import LOOK_BYTES, PlainText
from relay.store.segment import CHUNK_BYTES, chunks

sizes = st.sampled_from([0, 1, 100, LOOK_BYTES - 1, LOOK_BYTES, CHUNK_BYTES - 1, CHUNK_BYTES])


def read(path: Path, length: int) -> list[bytes]:
    text = PlainText(path, length)
    read = [text.read(index) for index in range(text.count)]
    assert [text.length(index) for index in range(text.count)] == [len(chunk) for chunk in read]
    text.close()
    return [chunk for chunk in read if chunk]


@settings(max_examples=50, deadline=None)
@given(st.lists(sizes | st.integers(0, 3 * CHUNK_BYTES), max_size=8))
def test_chunks_are_where_those_of_a_compressed_one_are(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int]
) -> None:
    """However long lines are: whole lines, and all of them."""
    path = tmp_path_factory.mktemp("plain") / "1.ndjson"
    text = b"".join([b"{" + b"x" * size + b"\n" for size in lines])
    path.write_bytes(text + b"not committed")
    assert read(path, len(text)) == list(chunks(text))


def test_a_file_that_is_shorter_than_its_length(tmp_path: Path) -> None:
    """What is there is given."""
    path = tmp_path / "1.ndjson"
    path.write_bytes(b"a\nb")
    assert read(path, 100) == [b"a\nb"]
    assert read(path, 0) == []


def test_a_file_that_is_cut_while_it_is_open(tmp_path: Path) -> None:
    """The rest is empty, and nobody waits for it."""
    path = tmp_path / "1.ndjson"
    path.write_bytes((b"{" + b"x" * 98 + b"\n") * 10_000)
    text = PlainText(path, 1_000_000)
    path.write_bytes(b"")
    assert [text.read(index) for index in range(text.count)] == [b""] * 4
    text.close()
