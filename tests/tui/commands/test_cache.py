from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.paced import PacedServer
    from tests.tui.commands.process import Home


async def test_what_the_cache_holds_is_shown_and_can_be_cleared(home: Home, paced: PacedServer) -> None:
    line = ("run", "hi", "-m", "lab/paced-5-0")
    empty = await asyncio.to_thread(home.run, "cache")
    assert "nothing was looked up yet" in empty.stdout
    for extra in ((), (), ("--refresh",), ("--no-cache",)):
        assert (await asyncio.to_thread(home.run, *line, *extra)).returncode == 0
    assert paced.counts.requests == 3
    shown = await asyncio.to_thread(home.run, "cache")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "50 % (1 of 2 lookups, ever)" in shown.stdout
    figures = json.loads((await asyncio.to_thread(home.run, "cache", "--json")).stdout)
    assert (figures["entries"], figures["hits"], figures["misses"], figures["hit_rate"]) == (1, 1, 1, 0.5)
    assert figures["bytes"] > 0
    for older, removed in (("--older=1", "0 answers removed"), ("", "1 answer removed"), ("", "0 answers removed")):
        assert removed in (await asyncio.to_thread(home.run, "cache", "clear", *filter(None, [older]))).stdout
    assert json.loads((await asyncio.to_thread(home.run, "cache", "--json")).stdout)["entries"] == 0
    assert "is not a number of days" in home.fault("cache", "clear", "--older", "soon", code=2)
    assert "not allowed with argument" in home.fault(*line, "--refresh", "--no-cache", code=2)


async def test_an_answer_made_for_a_similar_question_is_labelled_on_standard_error(home: Home, paced: PacedServer) -> None:
    home.config.write_text(f"{home.config.read_text()}[defaults]\nsimilar = 0.7\n")
    model = ("-m", "lab/paced-5-0")
    first = await asyncio.to_thread(home.run, "run", "Why is the sky blue?", *model)
    again = await asyncio.to_thread(home.run, "run", "can you explain why the sky is blue", *model)
    assert paced.counts.requests == 1
    assert again.stdout == first.stdout
    assert again.stderr.startswith("lab/paced-5-0: ≈ answered for: Why is the sky blue?, 0.")
    assert "≈ answered for: Why is the sky blue?" in (await asyncio.to_thread(home.run, "runs", "show", "last")).stdout
    assert "1 answers given" in (await asyncio.to_thread(home.run, "cache")).stdout
    for other in ("Why is the sky not blue?", "Why is the sea blue?"):
        assert (await asyncio.to_thread(home.run, "run", other, *model)).stderr == ""
    assert paced.counts.requests == 3
