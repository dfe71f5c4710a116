from __future__ import annotations

from pathlib import Path

from storage.cache import ResponseCache
from storage.store import Store


async def test_a_body_is_found_until_its_time_is_over(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        assert await cache.get("k", 0.0) is None
        await cache.put("k", b"\x00body\xff", now=100.0, ttl=10.0)
        assert await cache.get("k", 109.9) == b"\x00body\xff"
        assert await cache.get("k", 110.0) is None
        assert await cache.get("other", 100.0) is None


async def test_a_later_body_takes_the_place_and_the_time(tmp_path: Path) -> None:
    async with Store(tmp_path / "stretto.db") as store:
        cache = ResponseCache(store)
        await cache.put("k", b"old", now=0.0, ttl=10.0)
        await cache.put("k", b"new", now=5.0, ttl=10.0)
        assert await cache.get("k", 12.0) == b"new"


async def test_pruning_removes_what_is_over_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "stretto.db"
    async with Store(path) as store:
        cache = ResponseCache(store)
        for number in range(5):
            await cache.put(str(number), b"x", now=0.0, ttl=float(number + 1))
        assert await cache.prune(3.0) == 3
        assert await cache.prune(3.0) == 0
    async with Store(path) as store:
        assert await ResponseCache(store).get("4", 3.0) == b"x"
