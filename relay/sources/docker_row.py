"""What status shows of one container."""

from relay.encode.objects import timestamp
from relay.sources.docker_facts import Container
from relay.status import ReaderStatus, SourceStatus

__all__ = ["Row"]


class Row:
    """
    One container's row, under its name.

    Args:
        status: of the source.
    """

    def __init__(self, status: SourceStatus) -> None:
        self._readers = status.readers
        self._row = ReaderStatus("waiting")
        self._name = ""

    def see(self, facts: Container) -> None:
        """Show how the container is."""
        if facts.name != self._name:
            self.remove()
            self._name = facts.name
        # A container that is recreated has its predecessor's name.
        self._readers[self._name] = self._row
        since_ns = facts.since_ns
        self._row.container = {
            "name": facts.name,
            "service": facts.service,
            "project": facts.project or None,
            "image": facts.image,
            "state": facts.state,
            "health": facts.health,
            "restarts": facts.restarts,
            "since": timestamp(since_ns).decode() if since_ns else None,
            "id": facts.id,
        }

    def show(self, state: str, detail: str | None = None) -> None:
        """Show what its reader does."""
        self._row.state, self._row.detail = state, detail

    def enter(self, run: str | None) -> None:
        """Show which run is read."""
        self._row.run = run

    def stand(self, time_ns: int) -> None:
        """Show how far it has been read."""
        self._row.position = timestamp(time_ns).decode() if time_ns else None

    def remove(self) -> None:
        """Show it no more."""
        if self._readers.get(self._name) is self._row:
            del self._readers[self._name]
