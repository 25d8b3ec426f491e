"""
The keys that say how a source's bytes become entries: `encoding` and `multiline`.
"""

from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from relay.config.values import Duration, Size
from relay.decode.decoder import Joining
from relay.decode.encoding import find_encoding
from relay.decode.entry_rules import Marked, Rule, check_pattern, ready_made

__all__ = ["Encoding", "Multiline", "ReadyMade", "joining"]

Encoding = Annotated[str, AfterValidator(find_encoding)]
"""An encoding's one name."""

ReadyMade = Literal["python", "java", "go", "javascript", "ruby", "indent"]


def _pattern(value: str) -> str:
    check_pattern(value)
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]


class Multiline(BaseModel):
    """Which lines become one entry. One of `rule`, `start` and `continue` says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: ReadyMade | None = Field(
        None,
        description="Stack traces of a language; or `indent`: indented lines go on the one "
        "before.",
    )
    start: Pattern | None = Field(None, description="Pattern of the lines that begin an entry.")
    continue_: Pattern | None = Field(
        None, alias="continue", description="Pattern of the lines that go on the one before."
    )
    max_lines: int = Field(
        500, ge=2, le=10_000, description="An entry of more lines is split into parts."
    )
    max_bytes: Size | None = Field(
        None,
        ge=256,
        le=1 << 20,
        description="So is a longer one. Default: `max_line_bytes`.",
    )
    timeout: Duration = Field(
        1.0,
        gt=0,
        le=3600,
        description="An entry that gets no more lines is given out after this.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(way is not None for way in (self.rule, self.start, self.continue_)) != 1:
            raise ValueError("a table with one of rule, start and continue")
        return self


@lru_cache(256)
def joining(option: ReadyMade | Multiline, max_line_bytes: int) -> Joining:
    """Return what the key `multiline` says; compiles its patterns once."""
    table = Multiline.model_validate({"rule": option}) if isinstance(option, str) else option
    most = max_line_bytes if table.max_bytes is None else table.max_bytes
    return Joining(_rule(table), table.max_lines, most, table.timeout)


def _rule(table: Multiline) -> Rule:
    if table.rule is not None:
        return ready_made(table.rule)
    if table.start is not None:
        return Marked(table.start, begins=True)
    assert table.continue_ is not None
    return Marked(table.continue_, begins=False)
