"""
The configuration as typed values: what code that runs is handed.

Only keys that work are here: any other key is an error. The models of sources are the
sources' own; :mod:`relay.config.loader` is handed them.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
)

from relay.config.address import Address, AddressText, is_ipv6
from relay.config.values import ChannelName, Duration, Size

__all__ = ["ChannelOptions", "ChannelOverride", "Config", "ServerOptions", "StateOptions"]

_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_HOST = re.compile(r"[a-z0-9._-]+", re.ASCII)
_WEB_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.ASCII
)

MAX_LINES = 1_000_000_000
MAX_DAYS = 36_500


def _base_path(value: str) -> str:
    if _BASE_PATH.fullmatch(value) is None:
        raise ValueError('a path such as "/logs", or an empty string')
    return value.rstrip("/")


def _host(value: str) -> str:
    host = value.lower().removeprefix("[").removesuffix("]")
    if _HOST.fullmatch(host) is None and not is_ipv6(host):
        raise ValueError("a host's name or address, without a scheme and a port")
    return host


def _directory(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError('the path of a directory, such as "/var/lib/relay"')
    return value


def _web_origin(value: str) -> str:
    origin = value.lower()
    if _WEB_ORIGIN.fullmatch(origin) is None:
        raise ValueError('an origin such as "https://example.com"')
    return origin


class Options(BaseModel):
    """What all tables have in common: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerOptions(Options):
    """Where and how the server answers."""

    # First, because `listen` is judged by it.
    anonymous: bool = Field(
        default=False, description="Whether everyone who can reach the address may read and push."
    )
    listen: AddressText = Field(
        default="127.0.0.1:8514",
        validate_default=True,
        description="Address: `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH`; port 0 takes a free one. "
        "One that other hosts can reach needs `anonymous = true`.",
    )
    base_path: Annotated[str, AfterValidator(_base_path)] = Field(
        default="", description="Path under which a proxy publishes the relay, such as `/logs`."
    )
    stop_timeout: Duration = Field(
        default="5s",
        gt=0,
        validate_default=True,
        description="How long clients have to take what is left when the relay stops.",
    )
    max_channels: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="How many channels there may be. A push to another is refused; the lines of a "
        "source for another are counted as lost in its status.",
    )
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        default=(),
        description="Names that a proxy or browser may ask for, besides localhost and loopback "
        "addresses, while the relay listens on loopback.",
    )
    cors_origins: tuple[Annotated[str, AfterValidator(_web_origin)], ...] = Field(
        default=(), description="Origins of other web pages that may read and push from a browser."
    )
    heartbeat: Duration = Field(
        default="15s",
        gt=0,
        validate_default=True,
        description="How often a stream without news is told its cursor.",
    )
    write_timeout: Duration = Field(
        default="60s",
        gt=0,
        validate_default=True,
        description="A client that takes nothing for this long is closed; it may resume.",
    )

    @field_validator("listen", mode="after")
    @classmethod
    def _needs_permission(cls, listen: Address, info: ValidationInfo) -> Address:
        # Where `anonymous` itself is wrong, that is the error to show.
        if not listen.is_local and info.data.get("anonymous") is False:
            raise ValueError(
                "a loopback address or a unix socket, or server.anonymous = true to let all in"
            )
        return listen


class StateOptions(Options):
    """What outlives the relay, and where it is kept."""

    directory: Annotated[str, AfterValidator(_directory)] | None = Field(
        default=None,
        description="Where lines, positions and runs are kept; a relative path begins where the "
        "relay is started. Without it they are kept in memory only.",
    )
    fsync: Literal["always", "never"] | Annotated[Duration, Field(gt=0)] = Field(
        default="1s",
        validate_default=True,
        description="How often what was written is brought to the disk itself: what a power cut "
        "may cost. A relay that crashes or is killed loses nothing, whatever stands here.",
    )
    commit_timeout: Duration = Field(
        default="1s",
        gt=0,
        validate_default=True,
        description="How long lines wait for a disk that is slow; then they are shown without.",
    )
    min_free: Size = Field(
        default="1GiB",
        ge=0,
        validate_default=True,
        description="While the file system has less room than this, the oldest of what is kept "
        "is removed.",
    )


class ChannelOptions(Options):
    """
    How much of a channel is kept: in memory, and with a state directory on disk.

    The older lines leave first.
    """

    lines: int = Field(
        default=10_000,
        ge=1,
        le=MAX_LINES,
        description="How many of the newest lines are kept at least.",
    )
    bytes: Size = Field(
        default="16MiB",
        ge=1,
        validate_default=True,
        description="How much text is kept at most, whatever `lines` says.",
    )
    archive: bool = Field(
        default=False,
        description="Whether lines are kept on disk when they leave the memory; needs "
        "`directory` in `[state]`.",
    )
    keep_days: float = Field(
        default=7, gt=0, le=MAX_DAYS, description="How many days archived lines are kept at most."
    )
    keep_bytes: Size = Field(
        default="10GiB",
        ge=1,
        validate_default=True,
        description="How much room archived lines take on disk at most; the open file, of up to "
        "8 MiB, is not counted.",
    )
    forget_after: Duration = Field(
        default="1d",
        validate_default=True,
        description="A channel that nothing is read for and that is silent for so long is "
        "dropped; if it comes again it goes on counting. `0s`: never.",
    )


class ChannelOverride(Options):
    """The same for one channel; what is left out is as in `[channel]`."""

    lines: int | None = Field(
        default=None, ge=1, le=MAX_LINES, description="As in `[channel]`, for this channel."
    )
    bytes: Size | None = Field(
        default=None, ge=1, description="As in `[channel]`, for this channel."
    )
    archive: bool | None = Field(default=None, description="As in `[channel]`, for this channel.")
    keep_days: float | None = Field(
        default=None, gt=0, le=MAX_DAYS, description="As in `[channel]`, for this channel."
    )
    keep_bytes: Size | None = Field(
        default=None, ge=1, description="As in `[channel]`, for this channel."
    )
    forget_after: Duration | None = Field(
        default=None, description="As in `[channel]`, for this channel."
    )


class Config(Options):
    """
    Everything that the relay is told.

    ``sources`` holds the sources' own models, by the source's name.
    """

    server: ServerOptions = Field(
        default_factory=ServerOptions, description="Where and how the server answers."
    )
    state: StateOptions = Field(
        default_factory=StateOptions, description="What outlives the relay, and where it is kept."
    )
    channel: ChannelOptions = Field(
        default_factory=ChannelOptions, description="What each channel keeps."
    )
    channels: Mapping[ChannelName, ChannelOverride] = Field(
        default={}, description="What single channels keep, by the channel's name."
    )
    sources: Mapping[ChannelName, SerializeAsAny[BaseModel]] = Field(
        default={}, description="Where lines come from, by a name of your choice."
    )

    def channel_options(self, name: str) -> ChannelOptions:
        """Return what the channel ``name`` keeps."""
        own = self.channels.get(name)
        if own is None:
            return self.channel
        return self.channel.model_copy(update=own.model_dump(exclude_none=True))
