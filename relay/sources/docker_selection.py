"""
Which containers are read, and what their channels may be named after.

Pure but for :func:`own_container`, which reads files of the kernel's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from relay.sources.docker_facts import Container

__all__ = ["NO_LABEL", "Choice", "Selection", "own_container", "words_of"]

NO_LABEL = "none"
"""Stands for a label in a channel's name where a container has no such label."""

LEAST_ID_CHARACTERS = 12
"""A beginning of an id that is as long as the engine's own short ones."""

_ID = re.compile(r"[0-9a-f]{64}")
_OWN_MOUNT = re.compile(r"/containers/([0-9a-f]{64})/(?:resolv\.conf|hostname|hosts)")


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What a container may be chosen by; a list that is empty says nothing.

    Args:
        containers: globs over its name, or its id or a beginning of that.
        label: ``name`` or ``name=value``; the value may be a glob.
        project: globs over its Compose project.
        service: globs over its Compose service, or else its name.
        image: globs over its image.
    """

    containers: Sequence[str] = ()
    label: Sequence[str] = ()
    project: Sequence[str] = ()
    service: Sequence[str] = ()
    image: Sequence[str] = ()

    def answers(self, container: Container) -> Iterable[bool]:
        """Yield for each list that says something whether it is of this container."""
        if self.containers:
            yield any(_names(glob, container) for glob in self.containers)
        if self.label:
            yield any(_has(container.labels, label) for label in self.label)
        for globs, value in (
            (self.project, container.project),
            (self.service, container.service),
            (self.image, container.image),
        ):
            if globs:
                yield any(fnmatchcase(value, glob) for glob in globs)


def _names(glob: str, container: Container) -> bool:
    is_id = len(glob) >= LEAST_ID_CHARACTERS and container.id.startswith(glob)
    return is_id or fnmatchcase(container.name, glob)


def _has(labels: Mapping[str, str], label: str) -> bool:
    name, has_value, value = label.partition("=")
    return name in labels and (not has_value or fnmatchcase(labels[name], value))


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which containers are read.

    Args:
        include: of all its lists one must hold.
        exclude: of any of its lists none may hold.
        own: id of the container that the relay runs in: it would read what it says of reading.
    """

    include: Choice
    exclude: Choice = Choice()
    own: str | None = None

    def selects(self, container: Container) -> bool:
        """Tell whether a container is read."""
        if container.id == self.own:
            return False
        return all(self.include.answers(container)) and not any(self.exclude.answers(container))


def words_of(container: Container, wanted: Iterable[str]) -> dict[str, str]:
    """
    Return what stands for the words of a channel's template.

    Args:
        container: whose channel it is.
        wanted: words in the template, of which there may be any number ``label:NAME``.
    """
    labels = {word: word.partition(":")[2] for word in wanted if word.startswith("label:")}
    return {
        "container": container.name,
        "service": container.service,
        "project": container.project or NO_LABEL,
        "image": container.image,
        **{word: container.labels.get(name) or NO_LABEL for word, name in labels.items()},
    }


def own_container(proc: Path = Path("/proc/self")) -> str | None:
    """
    Return the id of the container that the relay runs in, whatever its name and host name are.

    Args:
        proc: what the kernel says of this process.
    """
    # The innermost, where an engine runs in a container itself.
    if found := _ID.findall(_read(proc / "cgroup")):
        return str(found[-1])
    # With cgroups of the second version it says nothing. Where it has a file system of its own,
    # the engine mounts these three files into it: another's, if it shares that one's network.
    mounted = _OWN_MOUNT.search(_read(proc / "mountinfo"))
    return None if mounted is None else mounted[1]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
