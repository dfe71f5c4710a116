"""What the machine does: the GPUs through NVML, or why there are none, and processor and memory always.

Read by a thread of its own, because a driver's call can block for seconds, and only while somebody looks.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from agents.nvml import RETRY, Gpu, GpuProcess, Nvml

if TYPE_CHECKING:
    import psutil

__all__ = ["Gpu", "GpuProbe", "GpuProcess", "GpuSnapshot"]

PERIOD = 1.0
_INTEREST = 5.0
"""Seconds that a look keeps the readings coming."""
_FIRST_CPU = 0.2
"""Seconds over which processor use is taken when there is no earlier reading."""


class GpuSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the machine. ``None``: not read yet, or not offered."""

    at: float | None = None
    """When it was read, seconds on the monotonic clock; an old reading means that the driver does not answer."""
    gpus: tuple[Gpu, ...] = ()
    reason: str | None = None
    """Why there are no GPUs, in plain words; ``None`` when there are, or when nothing was read yet."""
    cpu_percent: float | None = None
    """Of the whole machine, 0 to 100, since the reading before."""
    cores: int | None = None
    memory_used: int | None = None
    """Bytes of the machine's memory that could not be had without swapping: total - available."""
    memory_total: int | None = None
    own_cpu_percent: float | None = None
    """Of this process; 100 is one core."""
    own_memory: int | None = None
    """Bytes of this process that are in memory (resident set)."""


class GpuProbe:
    """Reads the machine once a second while snapshots are asked for, and not at all otherwise."""

    def __init__(self, *, period: float = PERIOD) -> None:
        self._period = period
        self._latest = GpuSnapshot()
        self._looked = 0.0
        self._wanted = threading.Event()
        self._over = threading.Event()

    def snapshot(self) -> GpuSnapshot:
        """Return the latest reading without ever waiting for one, and keep readings coming for the next seconds."""
        self._looked = time.monotonic()
        self._wanted.set()
        return self._latest

    async def run(self) -> None:
        """Read when somebody looks, until cancelled."""
        self._over.clear()
        # A daemon, and never joined: a driver call that hangs must not hold up leaving.
        threading.Thread(target=self._poll, name="stretto-gpu", daemon=True).start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._over.set()
            self._wanted.set()

    def _poll(self) -> None:
        meter = _Meter()
        while not self._over.is_set():
            self._wanted.wait()
            try:
                meter.settle(self._over)
                while not self._over.is_set() and time.monotonic() - self._looked < _INTEREST:
                    self._latest = meter.read()
                    self._over.wait(self._period)
                self._wanted.clear()
            except Exception as error:  # noqa: BLE001  # a thread has nobody to raise to, and its traceback would cross the screen
                self._latest = GpuSnapshot(
                    at=time.monotonic(), reason=f"this machine cannot be read: {type(error).__name__}: {error}"
                )
                self._over.wait(RETRY)
        meter.close()


def read_machine() -> GpuSnapshot:
    """Read the machine once. Blocks for a fifth of a second, or as long as the driver does: call it off the loop."""
    meter = _Meter()
    meter.settle(threading.Event())
    try:
        return meter.read()
    finally:
        meter.close()


class _Meter:
    """Everything that is read, and the earlier readings that differences are taken from."""

    def __init__(self) -> None:
        self._nvml = Nvml()
        self._own: psutil.Process | None = None

    def settle(self, over: threading.Event) -> None:
        """Take the first reading of processor use, which means nothing by itself, and wait until a second one will."""
        import psutil

        if self._own is None:
            self._own = psutil.Process(os.getpid())
        psutil.cpu_percent(None)
        self._own.cpu_percent(None)
        over.wait(_FIRST_CPU)

    def read(self) -> GpuSnapshot:
        import psutil

        assert self._own is not None  # noqa: S101  # settled first
        gpus, reason = self._nvml.read()
        memory = psutil.virtual_memory()
        return GpuSnapshot(
            at=time.monotonic(),
            gpus=gpus,
            reason=reason,
            cpu_percent=psutil.cpu_percent(None),
            cores=psutil.cpu_count(),
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            own_cpu_percent=self._own.cpu_percent(None),
            own_memory=self._own.memory_info().rss,
        )

    def close(self) -> None:
        self._nvml.close()
