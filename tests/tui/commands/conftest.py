from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.faults import FaultServer
from tests.servers.paced import PacedServer
from tests.tui.commands.process import Home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
async def paced(home: Home) -> AsyncIterator[PacedServer]:
    async with PacedServer() as server:
        home.endpoint(server.base_url)
        yield server


@pytest.fixture
async def faults(home: Home) -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        home.endpoint(server.base_url, "bad", api_key_env="BAD_KEY")
        yield server
