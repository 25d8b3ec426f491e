"""
Pydantic's errors in our own sentences: what was expected, what was read, the nearest key.

Rule of this file: each kind of error is a row of the table ``PHRASES``, which gives the noun
phrase of what is allowed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relay.config.document import Document, Place, show, spell
from relay.errors import ConfigProblem
from relay.names import near
from relay.quantities import format_duration, format_size, parse_duration, parse_size

__all__ = ["explain"]


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One of pydantic's errors, placed in the document.

    Args:
        place: of the value.
        choice: place at which pydantic tried alternatives; else the same.
        value: as the document has it; ``None`` for what is not there.
        details: pydantic's own.
    """

    place: Place
    choice: Place
    value: object
    details: ErrorDetails

    @property
    def type(self) -> str:
        """Pydantic's word for the kind of error."""
        return self.details["type"]

    @property
    def context(self) -> dict[str, Any]:
        """Pydantic's details of this kind."""
        return self.details.get("ctx", {})


def _limit(name: str, words: str) -> Callable[[Fault], str]:
    def phrase(fault: Fault) -> str:
        return f"{words} {_quantity(fault.context[name], fault.value)}"

    return phrase


def _quantity(limit: Any, value: object) -> str:
    """Write a limit in the unit's kind that the value was written in."""
    if isinstance(value, str):
        try:
            parse_duration(value)
            return format_duration(limit)
        except ValueError:
            pass
        try:
            parse_size(value)
            return format_size(limit)
        except ValueError:
            pass
    return f"{limit:.15g}"


def _fixed(words: str) -> Callable[[Fault], str]:
    return lambda fault: words


PHRASES: Mapping[str, Callable[[Fault], str]] = {
    "value_error": lambda fault: str(fault.context["error"]),
    "literal_error": lambda fault: fault.context["expected"],
    "enum": lambda fault: fault.context["expected"],
    "greater_than": _limit("gt", "more than"),
    "greater_than_equal": _limit("ge", "at least"),
    "less_than": _limit("lt", "less than"),
    "less_than_equal": _limit("le", "at most"),
    "too_short": lambda fault: f"at least {fault.context['min_length']} of them",
    "too_long": lambda fault: f"at most {fault.context['max_length']} of them",
    "string_too_short": lambda fault: f"at least {fault.context['min_length']} characters",
    "string_too_long": lambda fault: f"at most {fault.context['max_length']} characters",
    "string_pattern_mismatch": lambda fault: f"text that matches {fault.context['pattern']}",
    "string_type": _fixed("a string"),
    "int_type": _fixed("a whole number"),
    "int_parsing": _fixed("a whole number"),
    "int_from_float": _fixed("a whole number"),
    "float_type": _fixed("a number"),
    "float_parsing": _fixed("a number"),
    "bool_type": _fixed("true or false"),
    "bool_parsing": _fixed("true or false"),
    "list_type": _fixed("a list"),
    "tuple_type": _fixed("a list"),
    "set_type": _fixed("a list"),
    "dict_type": _fixed("a table"),
    "mapping_type": _fixed("a table"),
    "model_type": _fixed("a table"),
    "model_attributes_type": _fixed("a table"),
}


def explain(
    error: ValidationError,
    document: Document,
    root: type[BaseModel],
    models: Mapping[str, type[BaseModel]],
) -> list[tuple[Place, ConfigProblem]]:
    """
    Say everything that is wrong.

    Args:
        error: pydantic's.
        document: what the user wrote, before the environment's values, which are not shown.
        root: the model of the whole file.
        models: those of the sources, by type.

    Returns:
        Each problem and its place, in the order of the models' keys.
    """
    groups: dict[Place, list[Fault]] = {}
    for details in error.errors(include_url=False):
        fault = _fault(details, document)
        groups.setdefault(fault.choice, []).append(fault)
    known = _Keys(root, models)
    return [pair for faults in groups.values() for pair in _problems(faults, document, known)]


def _fault(details: ErrorDetails, document: Document) -> Fault:
    steps = details["loc"]
    if _names_type(steps):
        steps = (*steps[:2], *steps[3:])
    missing = details["type"] == "missing"
    value: Any = document
    place: Place = ()
    choice: Place | None = None
    for step in steps[: len(steps) - missing]:
        inside = (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        )
        if inside:
            value, place = value[step], (*place, step)
        elif choice is None:
            # Not a key: the name that pydantic gives to one of several alternatives.
            choice = place
    if steps[-1:] == ("[key]",):
        value = place[-1]
    if missing:
        value, place = None, (*place, steps[-1])
    return Fault(place, place if choice is None else choice, value, details)


def _names_type(steps: Place) -> bool:
    """Tell whether the third step is a source's type, which is no key."""
    return len(steps) > 2 and steps[0] == "sources" and steps[2] != "[key]"


def _problems(
    faults: list[Fault], document: Document, known: "_Keys"
) -> Iterator[tuple[Place, ConfigProblem]]:
    # An alternative that got further into the value is the one that was meant.
    deeper = [fault for fault in faults if len(fault.place) > len(fault.choice)]
    phrases: dict[Place, list[str]] = {}
    for fault in deeper or faults:
        if fault.type in PHRASES or fault.type not in SENTENCES:
            phrases.setdefault(fault.place, []).append(_phrase(fault))
        else:
            yield fault.place, SENTENCES[fault.type](fault, known)
    for place, allowed in phrases.items():
        value = next(fault.value for fault in faults if fault.place == place)
        yield place, _expected(place, " or ".join(dict.fromkeys(allowed)), value)


def _phrase(fault: Fault) -> str:
    phrase = PHRASES.get(fault.type)
    if phrase is not None:
        return phrase(fault)
    message = fault.details["msg"]
    return message[0].lower() + message[1:]


def _expected(place: Place, allowed: str, value: object) -> ConfigProblem:
    return ConfigProblem(spell(place), f"expected {allowed}, got {show(value)}")


def _missing(fault: Fault, known: "_Keys") -> ConfigProblem:
    return ConfigProblem(spell(fault.place), "this key is required")


def _unknown(fault: Fault, known: "_Keys") -> ConfigProblem:
    *table, key = fault.details["loc"]
    keys = known.of(tuple(table))
    sentence = f"unknown key {key!r}; {_near_or_all(str(key), keys)}"
    return ConfigProblem(spell(fault.place[:-1]), sentence)


def _unknown_type(fault: Fault, known: "_Keys") -> ConfigProblem:
    types = sorted(known.models)
    one_of = "one of " + ", ".join(map(repr, types))
    if not isinstance(fault.value, dict):
        return _expected(fault.place, "a table", fault.value)
    place = (*fault.place, "type")
    if "type" not in fault.value:
        return ConfigProblem(spell(place), f"this key is required: {one_of}")
    value = fault.value["type"]
    problem = _expected(place, one_of, value)
    matches = near(value, types) if isinstance(value, str) else []
    if matches:
        return ConfigProblem(problem.where, f"{problem.sentence}; {_near_or_all(value, types)}")
    return problem


def _near_or_all(name: str, known: Iterable[str]) -> str:
    matches = near(name, known, most=1)
    if matches:
        return f"did you mean {matches[0]!r}?"
    return "known are " + ", ".join(sorted(known))


SENTENCES: Mapping[str, Callable[[Fault, "_Keys"], ConfigProblem]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": _unknown_type,
}
"""Kinds of error that are not about a value; only these know the keys."""


class _Keys:
    """Which keys a table may have."""

    def __init__(self, root: type[BaseModel], models: Mapping[str, type[BaseModel]]) -> None:
        self.root = root
        self.models = models

    def of(self, steps: Place) -> list[str]:
        """Return the keys of the table at pydantic's ``steps``."""
        if len(steps) > 2 and steps[0] == "sources":
            tables, steps = [self.models[str(steps[2])]], steps[3:]
        else:
            tables = [self.root]
        for step in steps:
            fields = [
                table.model_fields[str(step)] for table in tables if step in table.model_fields
            ]
            if fields:
                tables = [model for field in fields for model in _models_in(field.annotation)]
        return [
            field.alias or name for table in tables for name, field in table.model_fields.items()
        ]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
