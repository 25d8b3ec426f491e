"""What every kind of fault has in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

from tests.faults.scene import Scene

__all__ = ["Fault"]


class Fault(ABC):
    """One kind of fault."""

    kind: ClassVar[str]
    weight: ClassVar[float] = 2.0
    """How often it comes, against the others."""
    least: ClassVar[int] = 1
    """How often it comes at least."""

    @abstractmethod
    async def strike(self, scene: Scene) -> None:
        """Strike once, and return when what it does at once is done."""
