"""
Composition: a configuration becomes a running relay. The only module that knows all others.
"""

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from relay import __version__, certificates, levels
from relay.config.address import Address, TcpAddress, UnixAddress
from relay.config.model import Config
from relay.entry import Position
from relay.errors import ConfigError, ConfigProblem, StoreError
from relay.forgetter import Forgetter
from relay.hub import Hub
from relay.shorthand import ARGUMENTS
from relay.sources import OWN_LOG, SOURCES
from relay.sources.base import Source, SourceOptions
from relay.sources.supervisor import Supervisor
from relay.status import SourceState, SourceStatus
from relay.web.app import create_app
from relay.web.keys import CONNECTIONS, Settings

if TYPE_CHECKING:
    from relay.durable import Durable

__all__ = ["Relay", "serve"]

log = logging.getLogger("relay")

AGAIN_SECONDS = 1.0
"""A signal that comes so much later is a second wish to stop."""

BACKLOG = 1024
"""Connections that wait to be accepted: hundreds of clients come back at once."""


def serve(config: Config, *, file: str, announce: Callable[[str], None]) -> int:
    """
    Run a relay until it is told to stop.

    Args:
        config: what it does.
        file: name of the configuration's file, for errors.
        announce: is given the line that says where its page is.

    Returns:
        The exit code.

    Raises:
        ConfigError: it cannot listen where it is told to.
    """
    _log_to_stderr()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(config, file, announce))


async def _serve(config: Config, file: str, announce: Callable[[str], None]) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    asked: list[float] = []

    def stop() -> None:
        asked.append(loop.time())
        # Make and shells may pass one signal on twice at once. Who asks again later does not
        # want to wait for clients or commands.
        if asked[-1] - asked[0] > AGAIN_SECONDS:
            os._exit(1)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        relay = Relay(config)
    except StoreError as error:
        problem = ConfigProblem("state.directory", f"{error.directory} {error.problem}")
        raise ConfigError(file, [problem]) from None
    await relay.start(file)
    announce(f"relay: serving {relay.url}")
    log.info("version %s serves %s", __version__, relay.url)
    # What is there now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.enable()
    await stopped.wait()
    log.info("stopping")
    await relay.stop()
    return 0


class Relay:
    """
    A relay: hub, sources and server.

    Args:
        config: what it does.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._durable = None if config.state.directory is None else _open(config)
        self.hub = Hub(
            config.channel_options,
            None if self._durable is None else self._durable.store,
            max_channels=config.server.max_channels,
        )
        if self._durable is not None:
            self._durable.connect(self.hub)
        server = config.server
        self._app = create_app(
            self.hub,
            Settings(
                base_path=server.base_path,
                loopback=isinstance(server.listen, TcpAddress) and server.listen.is_local,
                hosts=server.hosts,
                cors_origins=server.cors_origins,
                heartbeat_seconds=server.heartbeat,
                write_seconds=server.write_timeout,
            ),
        )
        self._runner = web.AppRunner(
            self._app,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=server.stop_timeout,
            keepalive_timeout=75.0,
        )
        self._sources = [self._source(name) for name in config.sources]
        self._tasks: list[asyncio.Task[None]] = []
        self.url = ""

    def _source(self, name: str) -> Source:
        options = self._config.sources[name]
        assert isinstance(options, SourceOptions)
        status = self.hub.sources[name] = SourceStatus(name, options.type)
        source = SOURCES[options.type](name, options, status)
        source.connect(self.hub)
        return source

    async def start(self, file: str = "") -> None:
        """
        Listen, then start the sources.

        Args:
            file: name of the configuration's file, for errors.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        listen = self._config.server.listen
        await self._runner.setup()
        try:
            if isinstance(listen, UnixAddress):
                await _make_way(listen.path)
            await self._site(listen).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(file, [_cannot_listen(listen, error, file)]) from None
        self.url = self._url(listen)
        # A fifth of a second of compiling: the first batch must not find it still to do.
        await asyncio.to_thread(levels.warm)
        await asyncio.to_thread(certificates.wait)
        # The relay's own log first, so that it has what the others say at their start.
        for source in sorted(self._sources, key=lambda one: one.options.type != OWN_LOG):
            work = Supervisor(source, self.hub, positions=self._positions(source.name)).run()
            self._tasks.append(asyncio.create_task(work, name=f"source {source.name}"))
        if self._durable is not None:
            self._tasks.append(asyncio.create_task(self._durable.run(), name="store"))
        self._tasks.append(asyncio.create_task(self._app[CONNECTIONS].run(), name="heartbeats"))
        self._tasks.append(asyncio.create_task(self._forgetter().run(), name="forgetting"))
        # Let the sources begin, so that the relay's own log has the line that follows.
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop the sources, give clients what is left, and close."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("a task failed while stopping", exc_info=ended)
        self._app[CONNECTIONS].stop()
        await self._runner.cleanup()
        if self._durable is not None:
            await self._durable.store.close()
        if isinstance(self._config.server.listen, UnixAddress):
            _remove(self._config.server.listen.path)

    def _positions(self, source: str) -> dict[str, Position]:
        """Return where an earlier life has left the readers of a source."""
        known = {} if self._durable is None else self._durable.stored.positions
        return {reader: known[name, reader] for name, reader in known if name == source}

    def _forgetter(self) -> Forgetter:
        options = self._config.channel_options
        silence = {} if self._durable is None else self._durable.silence
        forgetter = Forgetter(
            self.hub, lambda name: options(name).forget_after, self._fed, silence
        )
        if self._durable is not None:
            self._durable.count_silence(forgetter.counted)
        return forgetter

    def _fed(self) -> set[str]:
        """Return the channels that sources read something for now, or that are archived."""
        over = (SourceState.ENDED, SourceState.STOPPED)
        going = [source for source in self._sources if source.status.state not in over]
        archived = [
            name
            for name, channel in self.hub.channels.items()
            if channel.has_stored and self._config.channel_options(name).archive
        ]
        return set(archived).union(*(source.feeds for source in going))

    def _site(self, listen: Address) -> web.BaseSite:
        if isinstance(listen, TcpAddress):
            return web.TCPSite(self._runner, listen.host, listen.port, backlog=BACKLOG)
        return web.UnixSite(self._runner, listen.path, backlog=BACKLOG)

    def _url(self, listen: Address) -> str:
        base = self._config.server.base_path
        if not isinstance(listen, TcpAddress):
            return f"{listen}{base}"
        port = self._runner.addresses[0][1]
        return f"http://{TcpAddress(listen.host, port)}{base}/"


def _open(config: Config) -> "Durable":
    # Half of what it imports nobody needs who keeps nothing.
    from relay.durable import Durable

    return Durable(config)


async def _make_way(path: str) -> None:
    """
    Remove the socket of a relay that is gone.

    Raises:
        OSError: somebody answers there.
    """
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except ConnectionRefusedError:
        _remove(path)
    except FileNotFoundError:
        pass
    else:
        writer.close()
        raise OSError(errno.EADDRINUSE, "in use")


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _cannot_listen(listen: Address, error: OSError, file: str) -> ConfigProblem:
    if error.errno == errno.EADDRINUSE:
        if file == ARGUMENTS:
            return ConfigProblem("--listen", f"{listen} is in use; 127.0.0.1:0 is any free port")
        return ConfigProblem("server.listen", f"{listen} is in use")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigProblem("server.listen", f"{listen} is no address of this host")
    return ConfigProblem("server.listen", f"cannot listen at {listen}: {error.strerror or error}")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # It does not install everywhere; asyncio's own loop serves too.
        return None
    return uvloop.new_event_loop


class _NoTraceback(logging.Filter):
    """What a client sent wrong is a line: aiohttp shows its own traceback with it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the error's sentence in the place of its traceback."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            record.msg = f"{record.getMessage()}: {type(error).__name__}: {error}".split("\n")[0]
            record.args, record.exc_info, record.levelno = (), None, logging.WARNING
            record.levelname = "WARNING"
        return True


def _log_to_stderr() -> None:
    logging.getLogger("aiohttp.server").addFilter(_NoTraceback())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
