import asyncio
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from inotify_simple import INotify
from pydantic import ValidationError

from relay.entry import Level, Stream
from relay.errors import SourceError
from relay.sources.file import FileOptions
from tests.sources.file_follower import Follower, append


def options_error(**values: object) -> str:
    with pytest.raises(ValidationError) as caught:
        FileOptions.model_validate({"type": "file", **values})
    return str(caught.value.errors()[0]["msg"])


def test_options_tell_what_is_allowed() -> None:
    """Each key that is wrong is answered with what would have been right."""
    paths = 'Value error, a path or glob such as "/var/log/app/*.log", or a list of them'
    assert options_error(path=[]) == paths
    assert options_error(path=7) == paths
    start = 'Value error, "end", "beginning" or a number of lines'
    assert options_error(path="a", start="middle") == start
    assert options_error(path="a", start=-1) == start
    channel = "Value error, text in which {stem}, {name}, {dir} and {source} may stand"
    assert options_error(path="a", channel="{host}") == channel


def test_one_path_needs_no_list() -> None:
    """A single path is taken as a list of one."""
    assert FileOptions.model_validate({"type": "file", "path": "a.log"}).path == ["a.log"]


@pytest.mark.parametrize("watch", ["inotify", "poll"])
async def test_lines_arrive_as_they_are_written(tmp_path: Path, watch: str) -> None:
    """What stands in the file and what is appended comes once and in order."""
    log = tmp_path / "app.log"
    append(log, "one\ntwo\n")
    async with Follower(log, watch=watch) as follower:
        await follower.until_lines("one", "two")
        append(log, "three\n")
        await follower.until_lines("one", "two", "three")


async def test_a_file_that_is_not_there_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the relay's own log: who mistyped its name would wait for ever."""
    log = tmp_path / "app.log"
    async with Follower(log) as follower:
        await follower.until(lambda: follower.rows)
        append(log, "one\n")
        await follower.until_lines("one")
        # One that is moved away for a moment is being rotated.
        log.rename(tmp_path / "old")
        await follower.until(lambda: follower.rows["app.log"][0] == "missing")
    assert caplog.messages == [f"app: waiting for {log}: No such file or directory"]


async def test_a_path_that_cannot_be_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the relay's own log, with what the status says."""
    async with Follower(tmp_path) as follower:
        await follower.until(lambda: follower.rows)
    assert caplog.messages == [
        f"app: waiting for {tmp_path}: is a directory; its files are {tmp_path}/*"
    ]


async def test_a_line_carries_its_origin(tmp_path: Path) -> None:
    """Source, path and stream are those of the file; the channel is its stem."""
    log = tmp_path / "web server.log"
    append(log, "hello\n")
    async with Follower(tmp_path / "*.log", level="warn", detect_level=False) as follower:
        await follower.until_lines("hello")
    batch = follower.batches[-1]
    assert (batch.source, batch.channel, batch.detect_levels) == ("app", "web-server", False)
    origin = batch.origins[0]
    assert (origin.source, origin.instance, origin.run) == ("app", str(log), None)
    assert (origin.stream, origin.level) == (Stream.STDOUT, Level.WARN)


async def test_a_channel_is_made_of_the_path(tmp_path: Path) -> None:
    """All words of the template are filled in."""
    (tmp_path / "shop").mkdir()
    append(tmp_path / "shop" / "web.log", "x\n")
    template = "{source}.{dir}.{name}.{stem}"
    async with Follower(tmp_path / "*" / "*.log", channel=template) as follower:
        await follower.until_lines("x")
    assert follower.batches[-1].channel == "app.shop.web.log.web"


async def test_start_at_the_end_skips_what_is_there(tmp_path: Path) -> None:
    """A file that is there at first sight is read from its end, later ones from the start."""
    append(tmp_path / "old.log", "skipped\n")
    async with Follower(tmp_path / "*.log", start="end") as follower:
        await follower.until_watching()
        append(tmp_path / "old.log", "read\n")
        await follower.until_lines("read")
        append(tmp_path / "new.log", "whole\n")
        await follower.until_lines("read", "whole")


async def test_the_rest_of_a_line_that_was_skipped_is_a_part(tmp_path: Path) -> None:
    """A start in the midst of a line gives out what follows as a piece of a line."""
    log = tmp_path / "a.log"
    append(log, "begin")
    async with Follower(log, start="end") as follower:
        await follower.until_watching()
        append(log, " end\nnext\n")
        await follower.until_lines(" end", "next")
    assert [batch.parts for batch in follower.batches if batch.lines] == [frozenset([0])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\nc\n", ["b", "c"]), ("a\nb\nc", ["b", "c"]), ("a\n", ["a"]), ("", [])],
)
async def test_start_with_the_last_lines(tmp_path: Path, text: str, expected: list[str]) -> None:
    """A number gives that many of the last lines, an unfinished one among them."""
    log = tmp_path / "a.log"
    append(log, text)
    async with Follower(log, start=2) as follower:
        await follower.until_watching()
        append(log, "\nend\n")
        tail = ["end"] if text.endswith("c") else ["", "end"]
        await follower.until_lines(*expected, *tail)


async def test_globs_take_in_directories_that_come_later(tmp_path: Path) -> None:
    """``**`` finds files at any depth, also in directories that are made later."""
    append(tmp_path / "a.log", "a\n")
    async with Follower(tmp_path / "**" / "*.log") as follower:
        await follower.until_lines("a")
        deep = tmp_path / "b" / "c"
        deep.mkdir(parents=True)
        append(deep / "d.log", "d\n")
        await follower.until_lines("a", "d")


async def test_a_file_is_read_once(tmp_path: Path) -> None:
    """Overlapping globs, a symlink and a hard link lead to one reader."""
    log = tmp_path / "a.log"
    append(log, "once\n")
    (tmp_path / "b.log").symlink_to(log)
    os.link(log, tmp_path / "c.log")
    paths = [f"{tmp_path}/*.log", f"{tmp_path}/a*", str(log)]
    async with Follower(paths) as follower:
        await follower.until_lines("once")
        append(log, "twice\n")
        await follower.until_lines("once", "twice")


async def test_excluded_files_are_not_read(tmp_path: Path) -> None:
    """Compressed files are left out unless they are named themselves."""
    append(tmp_path / "a.log.gz", "packed\n")
    append(tmp_path / "a.log", "plain\n")
    async with Follower(tmp_path / "a.log*") as follower:
        await follower.until_lines("plain")
        append(tmp_path / "a.log.2.gz", "packed\n")
        append(tmp_path / "a.log", "more\n")
        await follower.until_lines("plain", "more")


async def test_a_last_line_comes_after_a_second(tmp_path: Path) -> None:
    """An unfinished line is given out as a part; what follows is an entry of its own."""
    log = tmp_path / "a.log"
    append(log, "begin")
    async with Follower(log) as follower:
        await follower.until_watching()
        assert follower.lines == []
        await follower.until_lines("begin")
        append(log, " end\nnext\n")
        await follower.until_lines("begin", " end", "next")
    assert [batch.parts for batch in follower.batches if batch.lines] == [{0}, {0}]


async def test_a_long_line_is_split(tmp_path: Path) -> None:
    """A line over ``max_line_bytes`` comes in parts and loses nothing."""
    log = tmp_path / "a.log"
    append(log, "x" * 600 + "\nshort\n")
    async with Follower(log, max_line_bytes="256B") as follower:
        await follower.until_lines("x" * 256, "x" * 256, "x" * 88, "short")


async def test_bytes_that_are_no_text_are_counted(tmp_path: Path) -> None:
    """They are replaced, and status says how many."""
    log = tmp_path / "a.log"
    log.write_bytes(b"a\xff\xfeb\n")
    async with Follower(log) as follower:
        await follower.until_lines("a��b")
        assert follower.status.invalid_bytes == 2


async def test_files_take_turns(tmp_path: Path) -> None:
    """A file with much to read does not keep others waiting."""
    append(tmp_path / "a.log", "a" * 99 + "\n")
    append(tmp_path / "b.log", "b\n")
    with (tmp_path / "a.log").open("a") as file:
        file.write(("a" * 99 + "\n") * 100_000)
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until(lambda: "b" in follower.lines)
    assert follower.lines.index("b") < 10_000


async def test_a_missing_file_is_a_status(tmp_path: Path) -> None:
    """A path that leads nowhere yet is said to be missing, and read when it appears."""
    log = tmp_path / "late" / "a.log"
    async with Follower(log) as follower:
        missing = {"a.log": ("missing", "No such file or directory")}
        await follower.until(lambda: follower.rows == missing)
        assert follower.status.state == "waiting"
        log.parent.mkdir()
        append(log, "here\n")
        await follower.until_lines("here")
        assert follower.rows == {"a.log": ("reading", None)}
        assert follower.status.state == "running"
        log.unlink()
        await follower.until(lambda: follower.rows == missing)


@contextmanager
def a_stranger() -> Iterator[None]:
    """Be somebody who may not read root's files."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """Give a directory that anybody may enter, as ``tmp_path`` is not."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


async def test_an_unreadable_file_is_a_status(public_directory: Path) -> None:
    """Who may not read says so in the system's words, and reads once it may."""
    log = public_directory / "a.log"
    append(log, "secret\n")
    os.chmod(log, 0)
    with a_stranger():
        async with Follower(public_directory / "*.log") as follower:
            denied = {"a.log": ("unreadable", "Permission denied")}
            await follower.until(lambda: follower.rows == denied)
            os.seteuid(os.getuid())
            os.chmod(log, 0o644)
            await follower.until_lines("secret")


async def test_what_is_no_file_is_a_status(tmp_path: Path) -> None:
    """A pipe and a directory are not read; directories that a glob finds are passed over."""
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "dir.log").mkdir()
    (tmp_path / "named").mkdir()
    async with Follower([f"{tmp_path}/*.log", f"{tmp_path}/named"]) as follower:
        expected = {
            "pipe.log": ("unreadable", "not a regular file"),
            "named": ("unreadable", f"is a directory; its files are {tmp_path}/named/*"),
        }
        await follower.until(lambda: follower.rows == expected)


async def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A file's name may be any bytes; what is shown of it is text."""
    name = os.fsdecode(b"\xff.log")
    (tmp_path / name).write_text("read\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("read")
    assert follower.batches[-1].origins[0].instance == f"{tmp_path}/�.log"
    async with Follower(tmp_path / "*.log", follower.positions) as again:
        append(tmp_path / name, "more\n")
        await again.until_lines("more")


@pytest.fixture
def _few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_few_descriptors")
async def test_more_files_than_may_be_open(tmp_path: Path) -> None:
    """Idle files are closed and opened again; each still gives its lines once."""
    names = [f"{number}.log" for number in range(300)]
    for name in names:
        append(tmp_path / name, f"first {name}\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until(lambda: len(follower.lines) == 300)
        for name in names:
            append(tmp_path / name, f"second {name}\n")
        await follower.until(lambda: len(follower.lines) == 600)
        assert len(os.listdir("/proc/self/fd")) < 150
    expected = [f"{word} {name}" for word in ("first", "second") for name in names]
    assert sorted(follower.lines) == sorted(expected)


async def test_closing_releases_everything(tmp_path: Path) -> None:
    """After the source is closed no descriptor is left."""
    append(tmp_path / "a.log", "a\n")
    await asyncio.to_thread(lambda: None)
    before = os.listdir("/proc/self/fd")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("a")
        (tmp_path / "a.log").rename(tmp_path / "b")
        append(tmp_path / "a.log", "b\n")
    assert os.listdir("/proc/self/fd") == before


@contextmanager
def no_inotify_left() -> Iterator[None]:
    """Use up the instances that a user may have; a stranger's, not to disturb others."""
    with a_stranger(), ExitStack() as instances:
        with suppress(OSError):
            while True:
                instances.enter_context(INotify())
        yield


async def test_polling_where_inotify_cannot_be_had(public_directory: Path) -> None:
    """The source says so, and reads all the same."""
    log = public_directory / "a.log"
    append(log, "one\n")
    with no_inotify_left():
        async with Follower(log) as follower:
            await follower.until_lines("one")
            os.seteuid(os.getuid())
            append(log, "two\n")
            await follower.until_lines("one", "two")
    assert follower.status.last_error == (
        "cannot use inotify: the limit fs.inotify.max_user_instances is reached; "
        "looks at the files every 100 ms instead"
    )


async def test_inotify_or_nothing(public_directory: Path) -> None:
    """Who asks for inotify is told where it cannot be had."""
    follower = Follower(public_directory / "a.log", watch="inotify")
    with no_inotify_left(), pytest.raises(SourceError) as caught:
        await anext(follower.source.batches({}))
    assert str(caught.value) == "cannot use inotify: Too many open files"
