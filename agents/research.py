"""The research agent, handler of :class:`~agents.requests.Research`.

Every place is fetched at once, each is summarised as soon as it is there, and the summaries become one report. A place that
fails is named in the report and costs nothing else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from agents.errors import InputError, LateError, StrettoError
from agents.requests import ModelCall, Priority, Research
from agents.retrieval.ask import Missing, make_ready, notes, search_all
from agents.retrieval.fusion import fuse
from agents.retrieval.places import is_url
from agents.retrieval.prompts import at_most, form_for, report_messages, summary_messages
from agents.retrieval.protocol import Digest, Digested, Prepare, Scan, Scanned, Unread

if TYPE_CHECKING:
    from pathlib import Path

    from agents.events import Hit
    from agents.models.service import Models
    from agents.requests import Message, ModelRef
    from agents.retrieval.library import Library
    from agents.runs import Run, Step

_LIBRARY = "library:"


class _Source(NamedTuple):
    """A place that was read and summarised."""

    place: str
    title: str
    summary: str


async def research(run: Run, library: Library, models: Models) -> None:
    """Read all places at once, summarise each as soon as it is there, and combine the summaries into a report with sources."""
    request = run.request
    assert isinstance(request, Research)  # noqa: S101  # the engine routes by type
    await _Research(run, request, library, models).execute()


class _Research:
    def __init__(self, run: Run, request: Research, library: Library, models: Models) -> None:
        self._run, self._request, self._library, self._models = run, request, library, models
        self._form = form_for(library.settings, request.model)

    async def execute(self) -> None:
        places = tuple(dict.fromkeys(self._request.places))
        if not places:
            raise InputError("research needs places to read: URLs, files, folders or library:NAME")
        groups = [self._run.step("group", place) for place in places]
        sources: dict[str, _Source] = {}
        missing: dict[str, Missing] = {}
        async with asyncio.TaskGroup() as group:
            # The model and the worker start while the places are waited for.
            preparing = (
                group.create_task(make_ready(self._models, self._request.model), name="make the model ready"),
                group.create_task(self._prepare(), name="make a worker ready"),
            )
            async with asyncio.TaskGroup() as reading:
                for place, step in zip(places, groups, strict=True):
                    reading.create_task(self._place(place, step, sources, missing), name=step.id)
            for task in preparing:
                task.cancel()
        if not sources:
            raise InputError(f"no place could be read: {'; '.join(map(str, missing.values()))}")
        await self._report([sources[place] for place in places if place in sources], [missing[p] for p in places if p in missing])

    async def _prepare(self) -> None:
        with suppress(StrettoError):
            await self._library.work.call(Prepare(), lambda reply: None)

    async def _place(self, place: str, step: Step, sources: dict[str, _Source], missing: dict[str, Missing]) -> None:
        """Read and summarise one place; whatever goes wrong with it stays with it."""
        missing[place] = Missing(place, "stopped")
        try:
            with step:
                step.start()
                found = await self._read(place, step)
                if found is None:
                    raise InputError("reading it was stopped")
                sources[place] = _Source(place, found.title, await self._summarise(step, found))
                del missing[place]
        except StrettoError as error:
            missing[place] = Missing(place, str(error))
        except Exception as error:  # noqa: BLE001  # one place's fault must not cost the report; its step has told it
            missing[place] = Missing(place, f"{type(error).__name__}: {error}")

    async def _read(self, place: str, parent: Step) -> Digested | None:
        """Return what a place says about the task, short enough for the model; ``None`` when a person stopped it."""
        seconds = self._request.fetch_timeout
        found: Digested | None = None
        name = place.removeprefix(_LIBRARY)
        if name != place:
            reading = self._run.step("source", f"search {name}", parent=parent, lane="library")
        else:
            verb = "fetch" if is_url(place) else "read"
            reading = self._run.step("tool", f"{verb} {place}", parent=parent, lane=verb)
        with reading as step:
            step.start()
            try:
                async with asyncio.timeout(seconds):
                    if name != place:
                        found = await self._from_library(name, step)
                    elif is_url(place):
                        found = await self._from_url(place, step)
                    else:
                        found = await self._from_disk(place)
            except TimeoutError:
                raise LateError(f"{place} was not read within {seconds:g} s") from None
            share = "" if found.passages == found.of else f", the {found.passages} best of {found.of} passages taken"
            step.log(f"{found.characters:,} characters{share}")
        return found

    async def _from_url(self, url: str, step: Step) -> Digested:
        from agents.tools.fetch import fetch

        page = await fetch(url, allow_private=True, timeout=self._request.fetch_timeout)
        if page.url != url:
            step.log(f"came from {page.url}")
        return await self._digest(Digest(url, self._request.task, self._form.page, page.data, page.content_type))

    async def _from_disk(self, place: str) -> Digested:
        from agents.tools.files import locate

        path: Path = await asyncio.to_thread(locate, place)
        if not await asyncio.to_thread(path.is_dir):
            return await self._digest(Digest(str(path), self._request.task, self._form.page))
        request = Scan((str(path),), self._request.task, 12, self._request.fetch_timeout * 0.8, self._library.cutting)
        found = await self._library.work.ask(request, timeout=self._request.fetch_timeout)
        return self._gathered(place, found.hits if isinstance(found, Scanned) else [])

    async def _from_library(self, name: str, step: Step) -> Digested:
        if not await self._library.tables.exists(name):
            raise InputError(f"there is no library {name!r}: `stretto library list` names those there are")
        lanes = [
            (self._run.step("source", which, parent=step, lane=which), self._library.source(which, name, (), step.log, 10.0))
            for which in ("vector", "keyword")
        ]
        rankings, missing = await search_all(lanes, self._request.task, self._request.fetch_timeout)
        if not rankings:
            raise InputError("; ".join(f"{which} {reason}" for which, reason in missing))
        hits = fuse(rankings, 12)
        step.found(tuple(hits))
        return self._gathered(f"{_LIBRARY}{name}", hits)

    def _gathered(self, title: str, hits: list[Hit]) -> Digested:
        """Return passages of several documents as one text, each under its place."""
        if not hits:
            raise InputError(f"{title} has nothing about the task")
        taken: list[str] = []
        room = self._form.page
        for hit in hits:
            text = f"{hit.place}\n{hit.text}"[: max(room, 0)]
            if len(text) < 80 and taken:
                break
            taken.append(text)
            room -= len(text) + 2
        whole = sum(len(hit.text) for hit in hits)
        return Digested(title, "\n\n".join(taken), len(taken), len(hits), whole)

    async def _digest(self, request: Digest) -> Digested:
        found = await self._library.work.ask(request)
        if isinstance(found, Unread):
            raise InputError(f"{found.uri}: {found.reason}" if found.uri not in found.reason else found.reason)
        if not isinstance(found, Digested):
            raise InputError(f"{request.uri} could not be read")
        return found

    async def _summarise(self, parent: Step, found: Digested) -> str:
        messages = summary_messages(self._request.task, found.title, found.text, self._form)
        model = at_most(self._request.model, self._form.answer)
        with self._run.step("model", f"summarise {found.title}", parent=parent, lane=str(self._request.model)) as step:
            await self._models.call(step, self._call(model, messages))
        # A summary that a person stopped early is still a summary.
        summary = step.text.slice(step.offset).strip()
        if not summary:
            raise InputError("it was not summarised" if step.outcome == "cancelled" else "the model had nothing to say about it")
        return summary

    async def _report(self, sources: list[_Source], missing: list[Missing]) -> None:
        messages = report_messages(self._request.task, [(source.title, source.summary) for source in sources], self._form)
        model = at_most(self._request.model, self._form.report, asked=True)
        with self._run.step("model", "report", lane=str(self._request.model)) as step:
            answer = await self._models.call(step, self._call(model, messages))
            step.write(notes(answer.text, [(source.title, source.place) for source in sources], missing))

    def _call(self, model: ModelRef, messages: tuple[Message, ...]) -> ModelCall:
        request = self._request
        return ModelCall(
            model=model, messages=messages, use_cache=request.use_cache, refresh=request.refresh, priority=Priority.AGENT
        )
