"""All kinds of faults, by name."""

from tests.faults.absence import Cut, CutPusher, Freeze, Leave
from tests.faults.damage import CutSegment, DeleteSegment, ZeroSegment
from tests.faults.fault import Fault
from tests.faults.interruption import DeleteIndex, Kill, KillAtStep, KillInStart, StepClock, Stop
from tests.faults.outage import (
    FillDisk,
    FreezeDisk,
    LockDisk,
    RemoveDirectory,
    RemoveDisk,
    StartFull,
    StartProtected,
)
from tests.faults.rotation import CopyTruncate, Delete, LogRotate, LogRotateCopy, Rename, Truncate

__all__ = ["DISK_KINDS", "DURABLE_KINDS", "KINDS", "MEMORY_KINDS"]


def _by_name(*faults: Fault) -> dict[str, Fault]:
    return {fault.kind: fault for fault in faults}


MEMORY_KINDS = _by_name(
    Rename(),
    Delete(),
    CopyTruncate(),
    Truncate(),
    LogRotate(),
    LogRotateCopy(),
    Stop(),
    Cut(),
    CutPusher(),
    Freeze(),
    Leave(),
)

"""What a relay gets over that keeps nothing on disk."""

DURABLE_KINDS = _by_name(
    Kill(),
    KillAtStep(),
    KillInStart(),
    StepClock(),
    DeleteSegment(),
    CutSegment(),
    ZeroSegment(),
    RemoveDirectory(),
    DeleteIndex(),
)
"""What only a relay with a state directory gets over without a loss."""

DISK_KINDS = _by_name(
    FillDisk(), LockDisk(), RemoveDisk(), FreezeDisk(), StartFull(), StartProtected()
)
"""What takes a disk of its own, and so root."""

KINDS = MEMORY_KINDS | DURABLE_KINDS | DISK_KINDS
"""All."""
