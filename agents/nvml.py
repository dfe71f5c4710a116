"""The one place that talks to NVIDIA's driver, through NVML. Everything here may block and belongs in a thread of its own.

A field the card, the driver or a permission does not offer is ``None``, which is not zero. Nothing is imported before it is
needed, and the binding not at all on a machine without the driver's library.
"""

from __future__ import annotations

import ctypes
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY = 30.0
"""Seconds until a driver that could not be used, or a card that was lost, is tried again."""
_LIBRARY = "libnvidia-ml.so.1"


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds memory of a card."""

    pid: int
    """As the driver knows it; inside a container it may be another process's number there."""
    memory: int | None = None
    """Bytes."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One card at one moment."""

    index: int
    name: str | None = None
    utilisation: float | None = None
    """Percent of the last sampling period in which a kernel ran: busy, which is not the same as full."""
    memory_used: int | None = None
    """Bytes that processes hold, without what the driver reserves for itself where the driver tells them apart."""
    memory_total: int | None = None
    power: float | None = None
    """Watts."""
    power_limit: float | None = None
    """Watts the card is held to now."""
    temperature: float | None = None
    """Degrees Celsius."""
    sm_clock: int | None = None
    """MHz."""
    processes: tuple[GpuProcess, ...] | None = None
    """Largest first; ``None`` when the driver does not tell."""
    error: str | None = None
    """Why nothing could be read from this card."""


class Nvml:
    """A session with the driver, begun when first read; after a failure, or while a card is lost, begun anew every 30 seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nvml: Any = None
        self._reason: str | None = None
        self._begin_at = -math.inf
        """When to begin the session anew; infinite while it is sound."""

    def read(self) -> tuple[tuple[Gpu, ...], str | None]:
        """Return the cards and, where there are none, why in plain words. May block for as long as the driver does."""
        if self._clock() >= self._begin_at:
            self.close()
            self._fail(self._begin())
        if self._nvml is None:
            return (), self._reason
        try:
            gpus = tuple(self._card(index) for index in range(self._nvml.nvmlDeviceGetCount()))
        except self._nvml.NVMLError as error:
            self._fail(_plain(error))
            self.close()
            return (), self._reason
        if any(gpu.error for gpu in gpus) and self._begin_at == math.inf:
            self._begin_at = self._clock() + RETRY
        return gpus, None if gpus else "the NVIDIA driver reports no GPU"

    def close(self) -> None:
        """End the session with the driver."""
        if self._nvml is not None:
            # A driver that is gone cannot be told goodbye.
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            self._nvml = None

    def _fail(self, reason: str | None) -> None:
        self._reason = reason
        self._begin_at = math.inf if reason is None else self._clock() + RETRY

    def _begin(self) -> str | None:
        """Begin a session, or return why there is none."""
        try:
            # Before the binding, which takes a tenth of a second to import.
            ctypes.CDLL(_LIBRARY)
        except OSError:
            return f"no NVIDIA driver on this machine ({_LIBRARY} was not found)"
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return _plain(error)
        self._nvml = pynvml
        return None

    def _card(self, index: int) -> Gpu:
        nvml, ask = self._nvml, self._ask
        try:
            card = nvml.nvmlDeviceGetHandleByIndex(index)
            rates = ask(nvml.nvmlDeviceGetUtilizationRates, card)
            memory = ask(nvml.nvmlDeviceGetMemoryInfo, card, nvml.nvmlMemory_v2) or ask(nvml.nvmlDeviceGetMemoryInfo, card)
            power = ask(nvml.nvmlDeviceGetPowerUsage, card)
            limit = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, card)
            return Gpu(
                index=index,
                name=ask(nvml.nvmlDeviceGetName, card),
                utilisation=None if rates is None else float(rates.gpu),
                memory_used=None if memory is None else memory.used,
                memory_total=None if memory is None else memory.total,
                power=None if power is None else power / 1000,
                power_limit=None if limit is None else limit / 1000,
                temperature=ask(nvml.nvmlDeviceGetTemperature, card, nvml.NVML_TEMPERATURE_GPU),
                sm_clock=ask(nvml.nvmlDeviceGetClockInfo, card, nvml.NVML_CLOCK_SM),
                processes=self._processes(card),
            )
        except nvml.NVMLError as error:
            if error.value in {nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED}:
                raise
            return Gpu(index=index, error=_plain(error))

    def _ask(self, question: Callable[..., Any], *details: Any) -> Any:
        """Return the answer, or ``None`` where this card has none; raises when the card or the driver is gone."""
        nvml = self._nvml
        gone = {
            nvml.NVML_ERROR_GPU_IS_LOST,
            nvml.NVML_ERROR_RESET_REQUIRED,
            nvml.NVML_ERROR_UNINITIALIZED,
            nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        }
        try:
            return question(*details)
        except nvml.NVMLError as error:
            if error.value in gone:
                raise
            return None
        except UnicodeDecodeError:  # a name that is no text
            return None

    def _ask_in_turn(self, card: Any, *questions: Callable[[Any], Any]) -> Any:
        """Return the first answer there is: the newest way of asking first."""
        answers = (self._ask(question, card) for question in questions)
        return next((answer for answer in answers if answer is not None), None)

    def _processes(self, card: Any) -> tuple[GpuProcess, ...] | None:
        nvml = self._nvml
        # By version, because the function without one raises something that is no NVMLError where the driver is older.
        lists = [
            self._ask_in_turn(card, nvml.nvmlDeviceGetComputeRunningProcesses_v3, nvml.nvmlDeviceGetComputeRunningProcesses_v2),
            self._ask_in_turn(card, nvml.nvmlDeviceGetGraphicsRunningProcesses_v3, nvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
        ]
        if all(found is None for found in lists):
            return None
        # A process that computes and draws is in both lists, with the same memory.
        memory = {process.pid: process.usedGpuMemory for found in lists for process in found or ()}
        processes = [GpuProcess(pid=pid, memory=held) for pid, held in memory.items()]
        return tuple(sorted(processes, key=lambda process: (-(process.memory or 0), process.pid)))


def _plain(error: Any) -> str:
    """Return an NVML error in the words of someone who wants to know what to do."""
    import pynvml

    words = {
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded (try: sudo modprobe nvidia)",
        pynvml.NVML_ERROR_NO_PERMISSION: "no permission to talk to the NVIDIA driver (look at the rights of /dev/nvidia*)",
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the NVIDIA driver was updated and the old one still runs: restart the machine",
        pynvml.NVML_ERROR_GPU_IS_LOST: "the card does not answer any more (fallen off the bus): restart the machine",
        pynvml.NVML_ERROR_RESET_REQUIRED: "the card must be reset before it can be used again",
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "the NVIDIA driver is too old for its management library to be used",
    }
    return words.get(error.value) or f"the NVIDIA driver answered: {error}"
