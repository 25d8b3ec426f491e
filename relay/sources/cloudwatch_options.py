"""
The keys of ``type = "cloudwatch"``: which log groups, how AWS is reached, and how it is asked.
"""

import time
from datetime import datetime
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from relay.config.clashes import Claim
from relay.config.values import Duration
from relay.sources.cloudwatch_groups import parse_group
from relay.sources.cloudwatch_lines import LineOptions
from relay.times import ALLOWED_TIME, parse_time

__all__ = ["NOW", "CloudwatchOptions"]

MAX_STREAMS = 100
"""Of one request."""

NOW = "now"

INSTALL = """"cloudwatch" with its extra (run pip install 'logrelay[cloudwatch]')"""


def _installed(value: Any) -> Any:
    if value == "cloudwatch" and find_spec("aiobotocore") is None:
        raise ValueError(INSTALL)
    return value


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _group(value: str) -> str:
    parse_group(value)
    return value


def _start(value: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str):
        raise ValueError(f'"{NOW}", {ALLOWED_TIME}')
    if text != NOW:
        try:
            parse_time(text, time.time_ns())
        except ValueError:
            raise ValueError(f'"{NOW}", {ALLOWED_TIME}') from None
    return text


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError('a URL such as "http://127.0.0.1:4566"')
    return value


_TEXTS = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
        ]
    }
)


class CloudwatchOptions(LineOptions):
    """Log groups of AWS, read from here."""

    type: Annotated[Literal["cloudwatch"], BeforeValidator(_installed)]
    log_group: Annotated[
        list[Annotated[str, AfterValidator(_group)]],
        BeforeValidator(_texts),
        Field(min_length=1),
        _TEXTS,
    ] = Field(
        description="Log group: its name, a glob such as `/aws/lambda/*`, or its ARN, which tells "
        "region and account; or a list of them."
    )
    channel: str | None = Field(
        None,
        description="Channel, or a template for it: `{log_group}`, `{name}` (the last part of its "
        "name), `{log_stream}`, `{region}`, and `{source}`, this source's. Default: the source's "
        "name.",
    )
    log_streams: Annotated[list[str], BeforeValidator(_texts), _TEXTS] | None = Field(
        None,
        description="Only these log streams: names, or one prefix with `*` behind it. While one "
        "that is named is not there, AWS gives nothing of the others. Default: all.",
    )
    filter_pattern: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Only events that match, in CloudWatch's own syntax: AWS leaves out the "
        "others.",
    )
    region: str | None = Field(
        None, min_length=1, description="Region. Default: by AWS's own configuration."
    )
    profile: str | None = Field(
        None,
        min_length=1,
        description="Profile of AWS's shared configuration. Default: credentials by AWS's "
        "standard chain.",
    )
    endpoint_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="Where to ask instead of AWS."
    )
    poll_interval: Duration = Field(
        "1s", ge=0.1, le=3600, validate_default=True, description="How often to ask."
    )
    poll_interval_max: Duration = Field(
        "1500ms",
        ge=0.1,
        le=3600,
        validate_default=True,
        description="What that stretches to while nothing comes; no less than `poll_interval`.",
    )
    start: Annotated[
        str, BeforeValidator(_start), WithJsonSchema({"type": "string", "minLength": 1})
    ] = Field(
        NOW,
        description="Where to begin in a log group that was never read: `now`, how long ago such "
        "as `10m`, or a time.",
    )
    lookback: Duration = Field(
        "2m",
        ge=1,
        le=86_400,
        validate_default=True,
        description="How late an event may come: for so long AWS is asked again.",
    )
    max_requests_per_second: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Most requests of all sources of an account in a region: the lowest counts. "
        "Default: four fifths of the region's quota.",
    )

    @field_validator("log_streams")
    @classmethod
    def _check_streams(cls, value: list[str] | None) -> list[str] | None:
        if value is None:
            return None
        prefixes = [name for name in value if name.endswith("*")]
        names = [name.removesuffix("*") for name in value]
        if any("*" in name for name in names) or not all(value) or (prefixes and value[1:]):
            raise ValueError('names of log streams, or one prefix such as "2026/11/*"')
        if len(value) > MAX_STREAMS:
            raise ValueError(f"at most {MAX_STREAMS} of them")
        return value

    @property
    def claims(self) -> list[Claim]:
        """Its log groups; what selects other events of them may be another's."""
        terms = (
            *sorted(self.log_streams or ()),
            self.filter_pattern or "",
            self.region or "",
            self.profile or "",
            self.endpoint_url or "",
        )
        return [Claim("log_group", f"{group!r} is read", terms) for group in self.log_group]

    @property
    def selection(self) -> dict[str, object]:
        """What is asked of a log group, as parameters of a request."""
        asked: dict[str, object] = {}
        if self.log_streams and self.log_streams[0].endswith("*"):
            asked["logStreamNamePrefix"] = self.log_streams[0].removesuffix("*")
        elif self.log_streams:
            asked["logStreamNames"] = self.log_streams
        if self.filter_pattern is not None:
            asked["filterPattern"] = self.filter_pattern
        return asked
