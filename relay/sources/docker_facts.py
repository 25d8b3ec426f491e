"""
What the engine says of containers, as values.

Pure. The engine's answers are read here and nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from signal import Signals
from typing import Any

from relay.entry import RunEnded
from relay.names import channel_name
from relay.sources.docker_frames import parse_time

__all__ = ["Container", "Death", "Event", "ended", "run_id"]

RUN_NAME_CHARACTERS = 100

COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_PROJECT = "com.docker.compose.project"

LOCAL_FILE_BYTES = 20_000_000
"""At which ``local`` begins another file, also where it caches a remote driver's log."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Container:
    """
    One container as it was when the engine was asked.

    Args:
        id: 64 hexadecimal digits.
        name: without a slash.
        image: as it was named when the container was made.
        labels: by name.
        state: one word of the engine's: ``created running paused restarting exited dead``.
        health: ``starting healthy unhealthy``; ``None`` where nothing checks it.
        tty: whether it has a terminal.
        driver: of its log.
        file_bytes: at how many bytes that begins another file; ``None``: at none.
        restarts: how often the engine has started it again by itself.
        created_ns: nanoseconds since the epoch.
        started_ns: of its newest run; 0: it was never started.
        finished_ns: of the run that ended last; 0: none has.
        exit_code: of its newest run, if that has ended.
        oom: whether its newest run had no memory left.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    state: str
    health: str | None = None
    tty: bool = False
    driver: str = "json-file"
    file_bytes: int | None = None
    restarts: int = 0
    created_ns: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    oom: bool = False

    @property
    def is_running(self) -> bool:
        """Whether more lines may come of its newest run."""
        return self.state in ("running", "paused")

    @property
    def is_over(self) -> bool:
        """Whether its newest run has ended."""
        return self.state in ("exited", "dead", "restarting", "removing")

    @property
    def service(self) -> str:
        """The Compose service, else its name."""
        return self.labels.get(COMPOSE_SERVICE) or self.name

    @property
    def project(self) -> str:
        """The Compose project, else nothing."""
        return self.labels.get(COMPOSE_PROJECT, "")

    @property
    def since_ns(self) -> int:
        """Since when it is in its state, as far as the engine says."""
        return self.finished_ns if self.state == "exited" else self.started_ns

    @classmethod
    def inspected(cls, values: Mapping[str, Any]) -> "Container":
        """Return what the engine says of one container."""
        state, config = values["State"], values["Config"]
        log = values["HostConfig"]["LogConfig"]
        return cls(
            id=values["Id"],
            name=values["Name"].lstrip("/"),
            image=config.get("Image") or "",
            labels=config.get("Labels") or {},
            state=state["Status"],
            health=_health(state.get("Health")),
            tty=bool(config.get("Tty")),
            driver=log["Type"],
            file_bytes=_file_bytes(log["Type"], log.get("Config") or {}),
            restarts=values.get("RestartCount") or 0,
            created_ns=_time(values["Created"]),
            started_ns=_time(state["StartedAt"]),
            finished_ns=_time(state["FinishedAt"]),
            exit_code=state["ExitCode"],
            oom=bool(state.get("OOMKilled")),
        )

    @classmethod
    def listed(cls, values: Mapping[str, Any]) -> "Container":
        """Return what a list says: what it is chosen by."""
        names = [name.lstrip("/") for name in values["Names"] or []]
        # Links of other containers have a slash inside.
        name = next((one for one in names if "/" not in one), names[0] if names else "")
        labels, image = values.get("Labels") or {}, values.get("Image") or ""
        created_ns = int(values.get("Created") or 0) * 1_000_000_000
        state = values.get("State") or ""
        return cls(values["Id"], name, image, labels, state, created_ns=created_ns)


def _file_bytes(driver: str, options: Mapping[str, str]) -> int | None:
    if driver == "json-file":
        return _bytes(options.get("max-size"))
    if driver in ("journald", "none"):
        return None
    key = "max-size" if driver == "local" else "cache-max-size"
    return _bytes(options.get(key)) or LOCAL_FILE_BYTES


def _bytes(size: str | None) -> int | None:
    """Return what the engine takes a size such as ``10m`` for; ``None``: for no limit."""
    found = None if size is None else _SIZE.fullmatch(size)
    if found is None:
        return None
    return int(float(found[1]) * 1000 ** " kmgtp".index(found[2].lower() or " ")) or None


def _health(values: Mapping[str, Any] | None) -> str | None:
    status = None if values is None else values.get("Status")
    return None if status in (None, "", "none") else str(status)


def _time(text: str) -> int:
    """Return a time; 0 for the year 1, which is the engine's ``never``."""
    return 0 if not text or text.startswith("0001-") else parse_time(text.encode())


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that happened to a container.

    Args:
        id: of the container.
        action: the engine's word, without what follows a colon: ``start``, ``die``.
        time_ns: nanoseconds since the epoch.
        labels: of the container, mixed with what belongs to the event.
        health: that it has now, where that has changed.
    """

    id: str
    action: str
    time_ns: int
    labels: Mapping[str, str]
    health: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Event":
        """Return what the engine says."""
        actor = values.get("Actor") or {}
        said = str(values.get("Action") or values.get("status") or "")
        action, _, more = said.partition(":")
        time_ns = int(values.get("timeNano") or 0) or int(values.get("time") or 0) * 1_000_000_000
        id_ = actor.get("ID") or values.get("id") or ""
        return cls(str(id_), action, time_ns, actor.get("Attributes") or {}, more.strip())


@dataclass(frozen=True, slots=True)
class Death:
    """
    The end of a run.

    Args:
        time_ns: nanoseconds since the epoch; after its last line.
        exit_code: ``None``: nobody knows.
        oom: whether it had no memory left.
    """

    time_ns: int
    exit_code: int | None
    oom: bool = False


def run_id(container: Container, started_ns: int) -> str:
    """Return the id of a container's run; the same in another life of the relay."""
    what = f"{container.id} {started_ns}".encode()
    name = channel_name(container.name)[:RUN_NAME_CHARACTERS]
    return f"{name}.{blake2b(what, digest_size=5).hexdigest()}"


def ended(run: str, death: Death) -> RunEnded:
    """Return the end of a run in the hub's words."""
    code = death.exit_code
    if code is None:
        return RunEnded(run, death.time_ns, "ended")
    # As shells have it: 128 and the number of the signal that ended it.
    signal = _signal(code - 128)
    if death.oom:
        return RunEnded(run, death.time_ns, "oom", code, signal)
    if signal is not None:
        return RunEnded(run, death.time_ns, "killed", code, signal)
    return RunEnded(run, death.time_ns, "failed" if code else "succeeded", code)


def _signal(number: int) -> str | None:
    try:
        return Signals(number).name
    except ValueError:
        return None
