import os
import re

from hypothesis import given
from hypothesis import strategies as st

from relay.sources.file_last_lines import offset_of_last_lines

LINE = re.compile(rb"[^\n]*\n|[^\n]+")


@given(
    st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b""))), st.integers(0, 9)
)
def test_the_last_lines_begin_where_the_others_end(lines: list[bytes], most: int) -> None:
    """For any lines, finished or not."""
    for text in {b"\n".join(lines), b"".join(line + b"\n" for line in lines)}:
        fd = os.memfd_create("lines")
        os.write(fd, text)
        offset = offset_of_last_lines(fd, len(text), most)
        os.close(fd)
        assert text[offset:] == b"".join(LINE.findall(text)[-most:] if most else [])


def test_the_last_lines_of_a_large_file() -> None:
    """They are found over several blocks."""
    fd = os.memfd_create("lines")
    os.write(fd, b"first\n" + b"x" * 300_000 + b"\n" + b"y" * 300_000 + b"\n")
    assert offset_of_last_lines(fd, 600_008, 1) == 300_007
    assert offset_of_last_lines(fd, 600_008, 2) == 6
    assert offset_of_last_lines(fd, 600_008, 3) == 0
    os.close(fd)
