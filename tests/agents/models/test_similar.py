from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.models.cache import Answer, AnswerCache, identity
from agents.models.similar import LONGEST, SimilarAnswers
from agents.requests import Attachment, Message, ModelCall, ModelRef, Params
from agents.settings import Defaults, Endpoint
from storage.cache import ResponseCache
from storage.store import Store
from tests.agents.models.lab import Lab
from tests.servers.paced import PacedServer

HERE = "http://127.0.0.1:8000/v1"


def call(text: str, **fields: Any) -> ModelCall:
    return ModelCall(**{"model": ModelRef("lab", "m"), "messages": (Message("user", text),), "similar": True, **fields})


async def keep(cache: AnswerCache, similar: SimilarAnswers, asked: ModelCall, text: str) -> None:
    key = identity(HERE, asked)
    await cache.put(key, Answer(text=text, finish="stop"))
    await similar.add(HERE, asked, key)


async def test_only_a_call_equal_in_everything_but_the_wording_gets_the_answer(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        response = ResponseCache(store)
        cache = AnswerCache(response, 1e6)
        async with SimilarAnswers(cache, response, 0.7) as similar:
            known = "Why is the sky blue?"
            await keep(cache, similar, call(known), "Rayleigh.")
            await keep(cache, similar, call("What happened in 2023?"), "Much.")
            asked = "Can you explain why the sky is blue?"
            found = await similar.find(HERE, call(asked))
            assert found is not None
            assert (found.text, found.similar_to, found.cached) == ("Rayleigh.", known, True)
            assert found.similar is not None
            assert 0.7 <= found.similar < 1
            file = Attachment(name="a", media="text/plain", digest="d", size=1)
            others = [
                call("What happened in 2024?"),
                call("Why is the sky not blue?"),
                call("tell me the"),
                call(f"{asked} {'really ' * LONGEST}"),
                call(asked, similar=False),
                call(asked, use_cache=False),
                call(asked, model=ModelRef("lab", "other")),
                call(asked, model=ModelRef("lab", "m", Params(temperature=0.3))),
                call(asked, messages=(Message("system", "Be brief"), Message("user", asked))),
                call(asked, messages=(Message("user", asked, (file,)),)),
                call(asked, messages=(Message("user", asked), Message("assistant", "Because"))),
                call(asked, schema=msgspec.Raw(b"{}")),
            ]
            for other in others:
                assert await similar.find(HERE, other) is None
            assert await similar.find("http://127.0.0.1:1/v1", call(asked)) is None
            figures = cache.figures()
            assert (figures.session_hits, figures.session_similar) == (1, 1)


async def test_the_threshold_counts_and_an_answer_that_is_gone_is_not_given(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        response = ResponseCache(store)
        cache = AnswerCache(response, 1e6)
        asked = call("Can you explain why the sky is blue?")
        async with SimilarAnswers(cache, response, 0.99) as strict, SimilarAnswers(cache, response, 0.7) as similar:
            await keep(cache, strict, call("Why is the sky blue?"), "Rayleigh.")
            assert await strict.find(HERE, asked) is None
            await keep(cache, similar, call("can you explain why the sky is so blue"), "Scattering.")
            best = await similar.find(HERE, asked)
            assert best is not None
            assert best.text == "Scattering."
            await response.clear()
            assert await similar.find(HERE, asked) is None


async def test_a_worker_that_is_killed_costs_no_call_and_is_replaced(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.db") as store:
        response = ResponseCache(store)
        cache = AnswerCache(response, 1e6)
        async with SimilarAnswers(cache, response, 0.7) as similar:
            await keep(cache, similar, call("Why is the sky blue?"), "Rayleigh.")
            assert await similar.find(HERE, call("why is the sky blue")) is not None
            assert similar._pool is not None
            (worker,) = similar._pool.processes
            os.kill(worker, signal.SIGKILL)
            assert await similar.find(HERE, call("why is the sky blue")) is None
            assert await similar.find(HERE, call("why is the sky blue")) is not None


@pytest.mark.parametrize(("least", "requests"), [(0.0, 2), (0.7, 1)])
async def test_a_step_says_for_which_question_its_answer_was_made(tmp_path: Path, least: float, requests: int) -> None:
    async with PacedServer() as server, Store(tmp_path / "s.db") as store:
        endpoints = {"lab": Endpoint(base_url=server.base_url)}
        async with Lab(tmp_path, endpoints, cache=ResponseCache(store), defaults=Defaults(similar=least)) as lab:
            await lab.ask("lab/paced-5-0", "Why is the sky blue?")
            # The answer is kept once it was given.
            await lab.until(lambda: not lab.models.figures().flights)
            end = (await lab.ask("lab/paced-5-0", "why is the sky so blue")).ended
        assert server.counts.requests == requests
        assert (end.similar_to, end.cached) == (("Why is the sky blue?", True) if least else ("", False))
        assert (end.similar is not None) == bool(least)
