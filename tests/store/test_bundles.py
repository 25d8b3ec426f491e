"""Lines that are kept as they are, with what they have in common before them."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.block import Block, DeclaredLoss
from relay.entry import Level, Loss, Origin, Reason, Stream
from relay.lines import Lines
from relay.run import Ending
from relay.store.bundles import MAX_BYTES, bundled, bundles
from relay.store.parsing import Item, first_id, last_line, parse, pieces
from relay.store.segment import (
    CHUNK_BYTES,
    Record,
    chunks,
    prepared,
    render,
    render_pieces,
    unbundled,
    unbundled_chunks,
)
from tests.building import block
from tests.store.texts import joined, missing, placed, whole

TEXTS = [f"line {number} é" for number in range(8)]
EIGHT = block(TEXTS, 100, 1)
LOSS = render([DeclaredLoss(108, "web", Loss(Reason.SOURCE))])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"), max_size=20)
confusing = st.sampled_from(
    ["", " ", "{", '{"type":"lines","id":1', '{"type":"end","id":1}', "\r"]
)


@st.composite
def alike(draw: st.DrawFn, id_: int = 100, seq: int = 1) -> Block:
    """Draw a block that can be bundled."""
    messages = draw(st.lists(texts | confusing, min_size=8, max_size=20))
    levels = draw(st.lists(st.sampled_from(Level), min_size=len(messages), max_size=len(messages)))
    return Block(
        "web",
        id_,
        seq,
        Lines.of([message.encode() for message in messages]),
        bytes(levels if draw(st.booleans()) else levels[:1] * len(messages)),
        (
            draw(
                st.builds(
                    Origin, texts, st.none() | texts, st.none() | texts, st.sampled_from(Stream)
                )
            ),
        ),
        arrival_ns=draw(st.integers(-(1 << 63), (1 << 63) - 1)),
    )


def text_of(one: Block) -> bytes:
    text = bundled(one)
    assert text is not None
    return text


def rendered(items: Iterable[Item]) -> bytes:
    """Return blocks as objects, which say all of their entries."""
    return render([whole(item) for item in items if isinstance(item, Block)])


@given(alike())
def test_what_is_read_is_what_was_bundled(one: Block) -> None:
    """Ids, seqs, times, levels, origins and any text, also such as looks like an object."""
    text = text_of(one)
    assert rendered(parse("web", text)) == render([whole(one)])
    assert unbundled("web", text) == render([whole(one)])
    assert (first_id(text), last_line("web", text)) == (100, (len(text), one.last_id))
    assert len(pieces("web", text)) == 1


@pytest.mark.parametrize(
    "one",
    [
        block(TEXTS[:7]),
        block([*TEXTS, "a\nb"]),
        block([*TEXTS, "a\0b"]),
        block(TEXTS, timestamps=range(8)),
        block(TEXTS, ids=range(100, 116, 2)),
        block(TEXTS, parts=frozenset([3])),
        Block("web", 1, 1, EIGHT.lines, bytes(8), (Origin("a"), Origin("b")), bytes(8)),
        Block("web", 1, 1, EIGHT.lines, bytes(8), (Origin("a"),), fields=Lines.of([b"{}"] * 8)),
    ],
)
def test_what_is_not_alike_or_few_is_not_bundled(one: Block) -> None:
    """It stands as objects among the bundles."""
    assert bundled(one) is None
    texts = prepared([whole(one)], 1 << 20, lambda name: False)
    assert texts == {one.key: render([whole(one)])}


def test_what_is_archived_is_not_bundled() -> None:
    """People read it; the rest is for the relay alone."""
    kept = block(TEXTS, 200, 9, channel="kept")
    texts = prepared([whole(EIGHT), whole(kept)], 1 << 20, lambda name: name == "kept")
    assert texts == {EIGHT.key: text_of(EIGHT), kept.key: render([whole(kept)])}


def test_a_bundle_as_it_stands_in_a_file() -> None:
    """What its lines have in common, each behind a blank, and where it ends."""
    origin = Origin("app", "1.log", "job-1", Stream.STDERR)
    levels = bytes([Level.WARN] + [Level.INFO] * 7)
    one = block(list("abcdefgh"), 100, 7, origin=origin, levels=levels, arrival_ns=5)
    assert text_of(one).decode() == (
        '{"type":"lines","id":100,"seq":7,"count":8,"channel":"web","timestamp_ns":5,'
        '"stream":"stderr","source":"app","levels":"wiiiiiii","instance":"1.log","run":"job-1"}\n'
        " a\n b\n c\n d\n e\n f\n g\n h\n"
        '\t{"type":"end","id":107,"seq":14,"channel":"web"}\n'
    )


def test_a_large_block_is_several_bundles() -> None:
    """None is larger than a chunk may be, but for one line that is."""
    one = block(["x" * 9_999] * 40 + ["y" * 2 * MAX_BYTES] + ["z"] * 9)
    text = text_of(one)
    sizes = [found.stop - found.start for found in bundles("web", text)]
    assert [size > MAX_BYTES + 300 for size in sizes] == [False, False, False, True, False]
    assert rendered(parse("web", text)) == render([whole(one)])


def test_blocks_are_small_enough_to_be_searched() -> None:
    """At most 1,024 entries and about 64 KiB of text, as of objects."""
    items = parse("web", text_of(block([str(number) for number in range(3000)])))
    assert [item.count for item in items if isinstance(item, Block)] == [1024, 1024, 952]
    items = parse("web", text_of(block(["x" * 40_000] * 3 + ["y"] * 5)))
    assert [item.count for item in items if isinstance(item, Block)] == [1, 1, 6]


@given(st.lists(st.booleans(), min_size=1, max_size=5), st.data())
def test_bundles_stand_among_objects(kinds: list[bool], data: st.DataObject) -> None:
    """In the order of ids, with losses and endings between."""
    id_, seq = 100, 1
    records: list[Record] = []
    for is_alike in kinds:
        one = data.draw(alike(id_, seq)) if is_alike else block(["a", "b\nc"], id_, seq)
        id_, seq = one.last_id + 1, one.last_seq + 1
        records.append(whole(one))
        if data.draw(st.booleans()):
            records.append(DeclaredLoss(id_, "web", Loss(Reason.RATE, 5, 5)))
            id_ += 1
        if data.draw(st.booleans()):
            records.append(Ending(id_, "web", "job-1", 0, "succeeded", 0))
            id_ += 1
    text = b"".join(render_pieces(records, prepared(records, 1 << 20, lambda name: False)))
    assert (b'"lines"' in text) == any(kinds)
    assert placed(parse("web", text)) == placed(parse("web", render(records)))
    assert len(pieces("web", text)) == 1
    assert unbundled("web", text) == render(records)
    assert last_line("web", text) == (len(text), id_ - 1)


def test_chunks_part_no_bundle() -> None:
    """Wherever in one a multiple of their size lies, each chunk is whole by itself."""
    for size in range(CHUNK_BYTES - 1300, CHUNK_BYTES + 100, 7):
        first = render([whole(block(["x" * size], 90, 1))])
        text = first + text_of(block(TEXTS, 100, 2)) + text_of(block(TEXTS, 108, 10))
        found = [piece for chunk in chunks(text) for piece in pieces("web", chunk)]
        assert len(found) == len(list(chunks(text)))
        assert placed([item for piece in found for item in piece]) == placed(parse("web", text))


def test_chunks_without_bundles_are_not_longer_than_others() -> None:
    """However many lines there are in one with bundles; what has none is cut as ever."""
    short = block(["x"] * 100_000)
    found = list(unbundled_chunks("web", text_of(short)))
    assert b"".join(found) == render([whole(short)])
    assert max(map(len, found)) < CHUNK_BYTES + 200
    objects = render([whole(block([f"{number} {'x' * 900}"])) for number in range(900)])
    assert list(unbundled_chunks("web", objects)) == list(chunks(objects))


BEFORE = render([whole(block(["before"], 99, 1))])
AFTER = render([whole(block(["after"], 200, 10))])
BUNDLE = text_of(block(TEXTS, 100, 2))


@pytest.mark.parametrize("filling", [b"", b"\0"])
def test_a_cut_bundle_ends_with_its_last_whole_line(filling: bytes) -> None:
    """At any byte, and also where zeros stand for the rest."""
    text = BEFORE + BUNDLE
    ends = [k + 1 for k, byte in enumerate(BUNDLE) if byte == 10]
    for cut in range(len(BUNDLE) + 1):
        count = min(8, max(0, sum(end <= cut for end in ends) - 1))
        torn = (
            (BEFORE + BUNDLE[:cut]).ljust(len(text), filling) if filling else BEFORE + BUNDLE[:cut]
        )
        expected = [(99, 1, "before"), *placed(parse("web", BUNDLE))[:count]]
        assert placed(parse("web", torn)) == expected
        length, last_id = last_line("web", torn)
        assert last_id == 99 + count
        assert placed(parse("web", torn[:length] + AFTER)) == [*expected, (200, 10, "after")]


@pytest.mark.parametrize(
    ("damaged", "kept"),
    [
        (BUNDLE.replace(b" line 3", b" li\0e 3"), 3),
        (BUNDLE.replace(b" line 3", b"\0line 3"), 3),
        (BUNDLE.replace(b"line 3 \xc3", b"line 3 \x03"), 3),
        # A newline, which may be none, or the blank behind one is damaged.
        (BUNDLE.replace(b"\n line 3", b"\nXline 3"), 2),
        (BUNDLE.replace(b"line 3 ", b"l\nne 3 "), 3),
        # Lines were lost or made, and nobody knows where.
        (BUNDLE.replace(b"\n line 3", b"X line 3"), 0),
        (BUNDLE.replace(b"line 3 ", b"line\n3 ").replace(b"\n3 ", b"\n  "), 0),
        (BUNDLE[: BUNDLE.index(b"\t")].replace(b'"count":8', b'"count":7'), 0),
        # What they have in common says something else than their end.
        (BUNDLE.replace(b'"id":100', b'"id":101'), 0),
        (BUNDLE.replace(b'"seq":2', b'"seq":3'), 0),
        (BUNDLE.replace(b'"count":8', b'"count":9'), 0),
        (BUNDLE.replace(b'"count":8', b'"count":999999999999999'), 0),
        (BUNDLE.replace(b'"id":107', b'"id":108'), 0),
        (BUNDLE.replace(b'"id":100', b'"id":-10'), 0),
        (BUNDLE.replace(b'"lines","id"', b'"lines","ID"'), 0),
        (BUNDLE.replace(b'"type":"lines"', b'"type":"linen"'), 0),
        (BUNDLE.replace(b'"level":"info"', b'"level":"loud"'), 0),
        (BUNDLE.replace(b'"level":"info"', b'"levels":"iiiiiii"'), 0),
        (BUNDLE.replace(b'"level":"info"', b'"levels":"iiiiiiix"'), 0),
        (BUNDLE.replace(b'"stream":"stdout"', b'"stream":"stdin"'), 0),
        (BUNDLE.replace(b'"source":"app"', b'"source":12345'), 0),
        (BUNDLE.replace(b'"source":"app"', b'"source":"app","run":7'), 0),
        (BUNDLE.replace(b'"timestamp_ns":100000', b'"timestamp_ns":"00000"'), 0),
        (BUNDLE.replace(b'"web"', b'"api"'), 0),
        (BUNDLE[1:], 0),
    ],
)
def test_of_what_is_damaged_nothing_is_given_in_another_place(damaged: bytes, kept: int) -> None:
    """What stands before the damage is read, what stands outside too; the rest is missing."""
    text = BEFORE + damaged + AFTER
    items = joined(parse("web", text))
    expected = placed(parse("web", BUNDLE))[:kept]
    assert damaged != BUNDLE
    assert placed(items) == [(99, 1, "before"), *expected, (200, 10, "after")]
    gone = [item for item in items if not isinstance(item, Block)]
    assert gone == [missing(100 + kept, 199, 8 - kept)]
    assert len(pieces("web", text)) > 1


@given(alike(), st.data())
def test_no_flipped_byte_moves_a_line(one: Block, data: st.DataObject) -> None:
    """Whatever byte it is: each entry that is read has its own id and seq."""
    text = bytearray(text_of(one))
    body = text.index(b"\n")
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    known = {(id_, seq): message for id_, seq, message in placed([one])}
    read = placed(parse("web", bytes(text)))
    assert [place for *place, _ in read] == [[*place] for place in known][: len(read)]
    others = [message for id_, seq, message in read if known[id_, seq] != message]
    assert len(others) <= (at > body)


@given(alike(), st.data())
def test_no_bytes_make_it_raise(one: Block, data: st.DataObject) -> None:
    """Whatever is overwritten, removed or put in between: ids and seqs of what is read grow."""
    text = bytearray(BEFORE + text_of(one) + LOSS)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    items = parse("web", bytes(text))
    assert placed(items) == sorted(set(placed(items)))
    length, _ = last_line("web", bytes(text))
    assert length <= len(text)
    pieces("web", bytes(text))


def test_damage_between_two_bundles_parts_them() -> None:
    """Declared losses may be missing there; what is whole is joined."""
    second = text_of(block(TEXTS, 108, 10))
    assert counts("web", BUNDLE + second) == [[8, 8]]
    assert counts("web", BUNDLE + b"torn\n" + second) == [[8], [8]]
    assert counts("web", BUNDLE[:-2] + b"\0\n" + second) == [[], [8]]


def test_what_is_damaged_is_so_without_bundles_too() -> None:
    """A loss may have been in it, of which its lines say nothing."""
    second = text_of(block(TEXTS, 109, 10))
    for text in (
        BUNDLE.replace(b" line 3", b" l\0ne 3"),
        BUNDLE[:-1] + b"X" + LOSS,
        BUNDLE.replace(b'"id":100', b'"id":101'),
    ):
        for torn in (text, text + second):
            objects = unbundled("web", torn)
            assert len(counts("web", objects)) > 1
            assert placed(parse("web", objects)) == placed(parse("web", torn))


def counts(channel: str, text: bytes) -> list[list[int]]:
    found: Sequence[Sequence[Item]] = pieces(channel, text)
    return [[item.count for item in piece if isinstance(item, Block)] for piece in found]
