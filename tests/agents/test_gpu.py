from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import msgspec
import pytest

from agents.gpu import GpuProbe, GpuSnapshot, read_machine
from agents.nvml import Gpu, GpuProcess

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler to build a driver library with")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for name, flags in (("present", ()), ("oldest", ("-DOLDEST",))):
        folders[name] = tmp_path_factory.mktemp(name)
        source, target = Path(__file__).with_name("fake_nvml.c"), folders[name] / "libnvidia-ml.so.1"
        subprocess.run([str(COMPILER), "-shared", "-fPIC", "-Wall", "-Werror", *flags, "-o", target, source], check=True)
    return folders


def in_a_child(folder: Path | None, mode: str, script: str) -> str:
    environment = {**os.environ, "FAKE_NVML": mode, "PYTHONPATH": str(ROOT)}
    if folder is not None:
        environment["LD_LIBRARY_PATH"] = str(folder)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout


def read_in_a_child(folder: Path | None, mode: str = "") -> GpuSnapshot:
    script = """
        import msgspec
        from agents.gpu import read_machine
        print(msgspec.json.encode(read_machine()).decode())
    """
    return msgspec.json.decode(in_a_child(folder, mode, script), type=GpuSnapshot)


@needs_compiler
def test_every_field_of_a_card_is_read_through_the_real_binding(library: dict[str, Path]) -> None:
    snapshot = read_in_a_child(library["present"])
    assert snapshot.reason is None
    assert snapshot.gpus[0] == Gpu(
        index=0,
        name="Test Card 9000",
        utilisation=87.0,
        memory_used=2 << 30,
        memory_total=80 << 30,
        power=None,
        power_limit=700.5,
        temperature=61,
        sm_clock=1980,
        processes=(GpuProcess(pid=12, memory=5000), GpuProcess(pid=11, memory=1000), GpuProcess(pid=13, memory=None)),
    )


@needs_compiler
def test_a_lost_card_says_so_and_leaves_the_other_one_readable(library: dict[str, Path]) -> None:
    lost = read_in_a_child(library["present"]).gpus[1]
    assert lost == Gpu(index=1, error="the card does not answer any more (fallen off the bus): restart the machine")


@needs_compiler
def test_what_an_old_driver_does_not_offer_is_none_or_read_in_the_old_way(library: dict[str, Path]) -> None:
    card = read_in_a_child(library["oldest"], "oldest").gpus[0]
    assert card.name is None
    assert card.memory_used == 3 << 30
    assert card.processes == (GpuProcess(pid=12, memory=5000), GpuProcess(pid=11, memory=1000))


@needs_compiler
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("unloaded", "the NVIDIA driver is installed but not loaded (try: sudo modprobe nvidia)"),
        ("none", "the NVIDIA driver reports no GPU"),
        ("odd", "the NVIDIA driver answered: Timeout"),
    ],
)
def test_a_driver_without_cards_says_why_in_plain_words(library: dict[str, Path], mode: str, reason: str) -> None:
    snapshot = read_in_a_child(library["present"], mode)
    assert (snapshot.gpus, snapshot.reason) == ((), reason)
    assert snapshot.memory_total is not None


@needs_compiler
def test_a_failed_driver_is_tried_again_after_thirty_seconds_and_a_lost_card_too(library: dict[str, Path]) -> None:
    script = """
        from agents.nvml import Nvml
        now = 0.0
        nvml = Nvml(lambda: now)
        for now in (0.0, 29.0, 30.0, 59.0, 60.0, 61.0):
            gpus, reason = nvml.read()
            print(int(now), len(gpus), "not loaded" in (reason or ""), nvml._begin_at)
    """
    lines = in_a_child(library["present"], "comes", script).splitlines()
    assert lines == ["0 0 True 30.0", "29 0 True 30.0", "30 2 False 60.0", "59 2 False 60.0", "60 2 False 90.0", "61 2 False 90.0"]


@needs_compiler
def test_a_driver_that_hangs_holds_up_neither_a_snapshot_nor_leaving(library: dict[str, Path]) -> None:
    script = """
        import asyncio
        from agents.gpu import GpuProbe

        async def main():
            probe = GpuProbe(period=0.01)
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                task = group.create_task(probe.run())
                while probe.snapshot().at is None:
                    await asyncio.sleep(0.01)
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    last = probe.snapshot()
                task.cancel()
            print(len(last.gpus))

        asyncio.run(main())
    """
    assert in_a_child(library["present"], "hangs", script) == "2\n"


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has an NVIDIA driver")
def test_without_a_driver_the_reason_is_given_and_processor_and_memory_are_there() -> None:
    snapshot = read_machine()
    assert snapshot.gpus == ()
    assert snapshot.reason == "no NVIDIA driver on this machine (libnvidia-ml.so.1 was not found)"
    assert snapshot.cpu_percent is not None
    assert 0 <= snapshot.cpu_percent <= 100
    assert snapshot.cores
    assert snapshot.own_memory
    assert snapshot.memory_used
    assert snapshot.memory_total
    assert snapshot.own_memory < snapshot.memory_total


def test_without_a_driver_the_binding_is_not_even_imported() -> None:
    script = """
        import sys
        import agents.gpu
        assert "pynvml" not in sys.modules and "psutil" not in sys.modules
        reason = agents.gpu.read_machine().reason
        print(reason is None or "pynvml" not in sys.modules or "was not found" not in reason)
    """
    assert in_a_child(None, "", script) == "True\n"


async def test_a_machine_that_cannot_be_read_says_so_and_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> None:
        raise PermissionError("/proc/meminfo")

    monkeypatch.setattr("psutil.virtual_memory", unreadable)
    probe = GpuProbe(period=0.01)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(probe.run())
        while probe.snapshot().at is None:  # noqa: ASYNC110  # a thread's reading is what is waited for
            await asyncio.sleep(0.01)
        task.cancel()
    assert probe.snapshot().reason == "this machine cannot be read: PermissionError: /proc/meminfo"


async def test_nothing_is_read_until_somebody_looks_and_the_thread_ends_with_the_probe() -> None:
    probe = GpuProbe(period=0.01)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(probe.run())
        await asyncio.sleep(0)
        assert probe._latest == GpuSnapshot()
        assert probe.snapshot() == GpuSnapshot()
        while probe.snapshot().at is None:  # noqa: ASYNC110  # a thread's reading is what is waited for
            await asyncio.sleep(0.01)
        thread = next(thread for thread in threading.enumerate() if thread.name == "stretto-gpu")
        task.cancel()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
