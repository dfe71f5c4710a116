"""The life of one command: a workspace around it, what signals do to it, and how its end becomes an exit code.

The first signal stops the run, so that what came is kept and saved; the second leaves without waiting; a third ends the process.
A command may put a gentler way before these three, as a batch does, which then begins nothing new.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Self

import msgspec

from agents.errors import InputError
from agents.events import AnyEvent, Outcome, RunEnded, Saved

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from agents.requests import Message, ModelRef, Request
    from agents.runs import Run
    from agents.settings import Locations, Settings
    from agents.stream import Subscription
    from agents.workspace import Workspace
    from tui.terminal import Terminal

_SAVED_WITHIN = 30.0
"""Seconds the journal has to confirm the end of a run."""
_TRIED_FOR = 3.5
"""Seconds it has for trying again, every second, once it said that it could not write that end."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """What a signal asks for. A context manager that hears signals while it is entered."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.run: Run | None = None
        self.gently: Callable[[Run], None] | None = None
        """What the first signal does to the run where a command has a gentler way than stopping it. That signal is not counted."""
        self._heard = 0
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            # A signal ignored from the start stays so: nohup means it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._hear, number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def _hear(self, number: int) -> None:
        self.signal = self.signal or number
        gently, self.gently = self.gently, None
        # Without a terminal nobody could ask a second time.
        if gently is not None and self.run is not None and number != signal.SIGHUP:
            gently(self.run)
            return
        self._heard += 1
        if self._heard == 1 and self.run is not None:
            self.run.cancel()
        elif self._task is not None:
            self._task.cancel()
        if self._heard == 2:
            for other in _SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(other)
                signal.signal(other, signal.SIG_DFL)

    @property
    def code(self) -> int:
        """The exit code a shell expects of a program that a signal ended; 0 when none did."""
        return 0 if self.signal is None else 128 + self.signal


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, and whether that is on disk."""

    run: str
    outcome: Outcome
    error: str | None
    unsaved: str | None


class Session:
    """One command's workspace, terminal and signals."""

    def __init__(self, workspace: Workspace, terminal: Terminal, stop: Stop) -> None:
        self.workspace = workspace
        self.settings = workspace.settings
        self.terminal = terminal
        self.stop = stop

    async def models(self, args: argparse.Namespace, *, several: bool = False) -> tuple[ModelRef, ...]:
        """Return the models the arguments name, else the first of the defaults, with the parameters that flags set.

        With ``several`` it is all of the defaults, for work that needs more than one.

        A parameter in a name on the command line wins over a flag; a flag wins over what a default's name says.
        """
        from agents.models.discovery import check_embedded
        from agents.models.names import parse_model

        named = tuple(parse_model(name) for name in args.models)
        if not named:
            self.terminal.status("looking for a model…")
        refs = named or (await self.workspace.models.defaults())[: None if several else 1]
        if not refs:
            raise InputError("no model was found; name one with -m or put an endpoint in the configuration (see: stretto models)")
        for ref in refs:
            check_embedded(ref, self.settings)
        if not named:
            self._tell_fallback(refs[0])
        return tuple(_complete(ref, args, named=bool(named)) for ref in refs)

    def _tell_fallback(self, ref: ModelRef) -> None:
        line = self.workspace.fallback(ref)
        if line is not None:
            self.terminal.complain(line)

    async def message(self, prompt: str, args: argparse.Namespace) -> Message:
        """Return the person's message: the prompt, its files and the material from standard input that stands apart from it.

        Raises :class:`InputError` for a file that cannot go with it.
        """
        from agents.attachments import attach, attach_text
        from agents.requests import Message

        files = await attach(args.files, self.workspace.attached) if args.files else ()
        if args.material:
            files = (*files, await attach_text("standard input", args.material, self.workspace.attached))
        return Message("user", prompt, files)

    async def model(self, args: argparse.Namespace) -> ModelRef:
        """Return the one model a command works with."""
        if len(args.models) > 1:
            raise InputError("this command works with one model; give -m once")
        return (await self.models(args))[0]

    async def follow(
        self, request: Request, show: Callable[[AnyEvent], Awaitable[None]], *, json: bool = False, text: bool = True
    ) -> End:
        """Run ``request``, give every event of it to ``show``, and return once its end is on disk.

        With ``json`` every event is also printed, as a line. Without ``text`` the answers' text is left out.
        """

        async def print_and_show(event: AnyEvent) -> None:
            await self._print_json(event)
            await show(event)

        with self.workspace.engine.subscribe(text=text) as reader:
            run = self.stop.run = self.workspace.engine.submit(request)
            try:
                return await _follow(run, reader, print_and_show if json else show)
            finally:
                self.stop.run = None
                self.terminal.clear()

    async def _print_json(self, event: AnyEvent) -> None:
        line = event_line(event)
        if self.terminal.out_is_terminal:
            await self.terminal.write(line.decode())
        else:
            await self.terminal.write_bytes(line)

    def conclude(self, end: End, *, told: bool = False) -> int:
        """Say what went wrong with a run, if anything did, and return the exit code; ``told``: what failed was said already."""
        if end.unsaved is not None:
            self.terminal.complain(f"this run was not saved: {end.unsaved}")
        if self.stop.signal is not None:
            if end.unsaved is None:
                self.terminal.complain(f"stopped; what came so far is kept: stretto runs show {end.run}")
            return self.stop.code
        if end.outcome != "done" and not told:
            self.terminal.complain(end.error or f"the run ended as {end.outcome}; see: stretto runs show {end.run}")
        return 0 if end.outcome == "done" and end.unsaved is None else 1


async def _follow(run: Run, reader: Subscription, show: Callable[[AnyEvent], Awaitable[None]]) -> End:
    ended: RunEnded | None = None
    unsaved: dict[str | None, str] = {}
    while await _more(reader, _TRIED_FOR if None in unsaved else _SAVED_WITHIN if ended else None):
        for event in reader.drain(1):
            if event.run != run.id:
                continue
            await show(event)
            if isinstance(event, RunEnded):
                ended = event
            elif isinstance(event, Saved):
                # The journal tries again what it could not write, and says so; only the last word of each counts.
                if event.error is not None:
                    unsaved[event.step] = event.error
                else:
                    unsaved.pop(event.step, None)
                    if event.step is None:
                        return _end(run, ended, next(iter(unsaved.values()), None))
    return _end(run, ended, next(iter(unsaved.values()), "the journal did not confirm it"))


def _end(run: Run, ended: RunEnded | None, unsaved: str | None) -> End:
    if ended is None:
        return End(run=run.id, outcome="cancelled", error=None, unsaved=unsaved)
    return End(run=run.id, outcome=ended.outcome, error=ended.error, unsaved=unsaved)


async def _more(reader: Subscription, within: float | None) -> bool:
    try:
        async with asyncio.timeout(within):
            return await reader.wait()
    except TimeoutError:
        return False


def _complete(ref: ModelRef, args: argparse.Namespace, *, named: bool) -> ModelRef:
    given = {key: getattr(args, key, None) for key in ("max_tokens", "temperature", "top_p", "seed")}
    wins = {key: value for key, value in given.items() if value is not None and (not named or getattr(ref.params, key) is None)}
    return msgspec.structs.replace(ref, params=msgspec.structs.replace(ref.params, **wins))


def event_line(event: AnyEvent) -> bytes:
    """Return ``event`` as one line of JSON with its line end."""
    try:
        return msgspec.json.encode(event) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair from outside: JSON in UTF-8 cannot hold it
        import json

        return json.dumps(msgspec.to_builtins(event), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def perform(work: Callable[[Session], Awaitable[int]], settings: Settings, locations: Locations, terminal: Terminal) -> int:
    """Open a workspace, do ``work`` in it and return its exit code, or 128 and the signal that ended it."""
    stop = Stop()
    try:
        return asyncio.run(_perform(work, settings, locations, terminal, stop))
    except asyncio.CancelledError:
        if stop.signal is None:
            raise
        return stop.code
    finally:
        terminal.clear()


async def _perform(
    work: Callable[[Session], Awaitable[int]], settings: Settings, locations: Locations, terminal: Terminal, stop: Stop
) -> int:
    from agents.workspace import Workspace

    with stop:
        async with Workspace(settings, locations) as workspace:
            terminal.status("opening…")
            await workspace.open()
            return await work(Session(workspace, terminal, stop))
