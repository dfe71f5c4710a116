"""The handler of :class:`~agents.requests.Ask`: all sources at once, fusion of what came in time, one answer with citations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from agents.errors import InputError, LateError, StrettoError
from agents.prefetch import DEPTH
from agents.requests import Ask, ModelCall
from agents.retrieval.citations import check
from agents.retrieval.fusion import fuse
from agents.retrieval.library import SOURCES
from agents.retrieval.prompts import answer_messages, at_most, focused, form_for

if TYPE_CHECKING:
    from agents.compress import Compressor
    from agents.events import Hit
    from agents.models.service import Models
    from agents.prefetch import Ahead
    from agents.requests import ModelRef
    from agents.retrieval.library import Library
    from agents.retrieval.prompts import Form
    from agents.retrieval.sources import Source
    from agents.runs import Run, Step

NOTICE = "— added by stretto, not by the model —"
"""Stands above everything that follows a model's text."""


class Missing(NamedTuple):
    """A source whose passages the answer does not have, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.reason.startswith(self.name) else f"{self.name} ({self.reason})"


async def ask(
    run: Run,
    library: Library,
    models: Models,
    take_ahead: Callable[[Ask], Ahead | None] = lambda request: None,
    compressor: Compressor | None = None,
) -> None:
    """Search every source at once, fuse what came in time, and let the model answer from it; what did not come is named.

    ``take_ahead`` returns what was searched while the question was typed; ``compressor`` shortens the passages that are sent.
    """
    request = run.request
    assert isinstance(request, Ask)  # noqa: S101  # the engine routes by type
    ahead = take_ahead(request)
    names = tuple(dict.fromkeys(request.sources))
    if not names or not set(names) <= set(SOURCES):
        raise InputError(f"a question needs sources, and there are only {', '.join(SOURCES)}")
    if not request.paths and not await library.tables.exists(request.library):
        raise InputError(
            f"there is no library {request.library!r} to ask: make it with `stretto library add PATH -l {request.library}`, "
            "or /add PATH in Ask"
        )

    def source(name: str, step: Step) -> Source:
        own = library.source(name, request.library, request.paths, step.log, request.source_timeout)
        return own if ahead is None else ahead.source(own, step.log, run.began)

    # All are queued before the first one starts, so that a reader knows from the start how many there are.
    steps = {name: run.step("source", name, lane=name) for name in names}
    rankings, missing = await search_all(
        [(step, source(name, step)) for name, step in steps.items()],
        request.question,
        request.source_timeout,
        beside=make_ready(models, request.model),
    )
    form = form_for(library.settings, request.model)
    hits = _merge(run, rankings, missing, request.passages)
    if hits:
        await _answer(run, request, hits[: form.passages], missing, _Asking(form, models, compressor))


async def make_ready(models: Models, model: ModelRef) -> None:
    """Have the model's endpoint started while documents are searched or read. What goes wrong is told by the call that follows."""
    with suppress(StrettoError):
        await models.warm(model, lambda line: None)


async def search_all(
    lanes: Sequence[tuple[Step, Source]], query: str, seconds: float, *, beside: Coroutine[None, None, None] | None = None
) -> tuple[dict[str, Sequence[Hit]], list[Missing]]:
    """Search all sources at once, each in its step and within ``seconds``; return what came and what did not.

    ``beside`` runs meanwhile and is given up when the searches are over.
    """
    rankings: dict[str, Sequence[Hit]] = {source.name: () for _, source in lanes}
    missing: dict[str, Missing] = {}

    async def search(step: Step, source: Source) -> None:
        missing[source.name] = Missing(source.name, "stopped")
        try:
            with step:
                step.start()
                hits = await _within(source, query, seconds)
                step.found(tuple(hits))
                rankings[source.name] = hits
                del missing[source.name]
        except LateError as error:
            missing[source.name] = Missing(source.name, f"late: {error}")
        except StrettoError as error:
            missing[source.name] = Missing(source.name, f"failed: {error}")
        except Exception as error:  # noqa: BLE001  # one source's fault must not cost the answer; its step has told it
            missing[source.name] = Missing(source.name, f"failed: {type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as group:
        preparing = None if beside is None else group.create_task(beside, name="make ready")
        async with asyncio.TaskGroup() as searches:
            for step, source in lanes:
                searches.create_task(search(step, source), name=step.id)
        if preparing is not None:
            preparing.cancel()
    came = {name: hits for name, hits in rankings.items() if name not in missing}
    return came, [missing[source.name] for _, source in lanes if source.name in missing]


async def _within(source: Source, query: str, seconds: float) -> Sequence[Hit]:
    try:
        async with asyncio.timeout(seconds):
            return await source.search(query, DEPTH)
    except TimeoutError:
        raise LateError(f"no answer within {seconds:g} s") from None


def _merge(run: Run, rankings: dict[str, Sequence[Hit]], missing: list[Missing], limit: int) -> tuple[Hit, ...]:
    with run.step("merge", "fuse") as step:
        step.start()
        hits = tuple(fuse(rankings, max(limit, 1)))
        step.found(hits)
        for name, reason in missing:
            step.log(f"without {name}, {reason}", "warning")
        if not hits and not rankings:
            raise InputError(f"no source answered: {'; '.join(f'{name} {reason}' for name, reason in missing)}")
        if not hits:
            step.write(f"Nothing was found in {', '.join(rankings)}. No model was asked.")
            step.write("".join(f"\nNot searched: {one}." for one in missing))
    return hits


class _Asking(NamedTuple):
    """In which form a model is asked, and by what."""

    form: Form
    models: Models
    compressor: Compressor | None


async def _answer(run: Run, request: Ask, hits: tuple[Hit, ...], missing: list[Missing], how: _Asking) -> None:
    form, models, compressor = how
    model = at_most(request.model, form.answer, asked=True)
    with run.step("model", model.model, lane=str(request.model)) as step:
        texts: Sequence[str] = focused(request.question, hits, form)
        if compressor is not None:
            texts = await compressor.passages(step, texts, request.question)
        messages = answer_messages(request.question, hits, form, texts)
        answer = await models.call(
            step, ModelCall(model=model, messages=messages, use_cache=request.use_cache, refresh=request.refresh)
        )
        step.write(notes(answer.text, [(hit.title, str(hit.place)) for hit in hits], missing))


def notes(text: str, sources: Sequence[tuple[str, str]], missing: Sequence[Missing]) -> str:
    """Return what must be said below a model's ``text``: its sources, numbers that point to none, and what is missing."""
    checked = check(text, len(sources))
    lines: list[str] = []
    if checked.invalid:
        numbers = ", ".join(f"[{number}]" for number in checked.invalid[:10])
        lines.append(f"Not a passage: {numbers}. The model made these numbers up.")
    lines.append("Sources cited:" if checked.valid else "Sources (the model cited none; these are what it was given):")
    cited = checked.valid or range(1, len(sources) + 1)
    lines += [f"[{number}] {_where(*sources[number - 1])}" for number in cited]
    lines += [f"Not searched: {one}" for one in missing]
    return "\n\n" + "\n".join([NOTICE, *lines])


def _where(title: str, place: str) -> str:
    """Return a source as a person finds it; one without a title of its own is called by its place, which is said once."""
    return place if place.startswith(title) else f"{title} ({place})"
