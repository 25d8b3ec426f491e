"""Two small sources' models: what the loader is handed, without the sources themselves."""

from typing import Literal

from pydantic import Field

from relay.config.model import Options
from relay.config.values import Duration, Size


class Joining(Options):
    start: str


class FileOptions(Options):
    type: Literal["file"]
    path: list[str] | str
    start: Literal["end", "beginning"] | int = "end"
    max_line_bytes: Size = Field(default=1 << 18, ge=256)
    joining: Joining | None = None


class ProcessOptions(Options):
    type: str
    command: str
    restarts: int = Field(default=3, ge=0, le=9)
    stop_timeout: Duration = 10.0


MODELS: dict[str, type[Options]] = {"file": FileOptions, "process": ProcessOptions}
