"""What ``relay run`` sends of an output; the command itself is in tests/e2e/test_run.py."""

import orjson

from relay.decode.lines import LineDecoder
from relay.run_command import ndjson


def test_lines_as_they_are_pushed() -> None:
    """Text, stream, time and parts."""
    decoder = LineDecoder(8)
    decoded = decoder.feed('a"b\n\n0123456789é\n'.encode())
    sent = [orjson.loads(line) for line in ndjson(decoded, "stderr", 7).splitlines()]
    assert sent == [
        {"message": 'a"b', "stream": "stderr", "timestamp": 7},
        {"message": "", "stream": "stderr", "timestamp": 7},
        {"message": "01234567", "stream": "stderr", "timestamp": 7, "part": True},
        {"message": "89é", "stream": "stderr", "timestamp": 7, "part": True},
    ]
    assert ndjson(decoder.feed(b"open"), "stdout", 7) == b""
