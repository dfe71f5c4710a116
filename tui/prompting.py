"""What happens to a prompt around its typing: history, files that go with it, the editor, templates, and the queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from textual.app import SuspendNotSupported

from agents.errors import InputError, StrettoError
from storage.errors import StoreError
from tui.prompts import Prompt
from tui.safe import safe_line

if TYPE_CHECKING:
    from agents.requests import Attachment
    from agents.templates import Template
    from tui.app import StrettoApp
    from tui.screens.template import Filling
    from tui.views.view import View


class _Sending(NamedTuple):
    """A prompt on its way to a view, and the text in which files may be named."""

    view: View
    prompt: Prompt
    named_in: str | None
    """``None``: nowhere."""


class Prompting:
    """Does it for the one prompt of the dashboard."""

    def __init__(self, app: StrettoApp) -> None:
        self._app = app
        self._sending: deque[_Sending] = deque()
        self._reading = False
        """Whether files of prompts are being read; one task does it, in order."""
        self._told_unkept = False
        self._editing = False

    async def recall(self) -> None:
        """Bring back what was sent in earlier sessions; what cannot be read is no reason to stop."""
        workspace = self._app.workspace
        try:
            await workspace.open()
            self._app.dashboard.prompt.earlier.load(await workspace.prompts.recent())
        except (StoreError, StrettoError):
            return  # the opening says why

    async def keep_draft(self) -> None:
        """Keep what is typed and was not sent, so that Up brings it back in another session."""
        draft = self._app.dashboard.prompt.value.strip()
        if draft and self._app.workspace.opened:
            with suppress(StoreError):  # the last thing before the end: there is nobody to tell
                await self._app.workspace.prompts.add(draft, time.time())

    def send(self, view: View, prompt: Prompt, named_in: str | None = None) -> None:
        """Give a prompt to a view, with the files that ``named_in``, else its text, names; in the order they were sent."""
        self._app.run_worker(self._keep(prompt.text), name="keep the prompt", description="history", exit_on_error=False)
        text = prompt.text if named_in is None else named_in
        takes_files = view.takes_files and ("@" in text or bool(prompt.attachments))
        if not takes_files and not self._sending:
            view.submit(prompt)
            return
        self._sending.append(_Sending(view, prompt, text if takes_files else None))
        if not self._reading:
            self._reading = True
            self._app.run_worker(self._send_all(), name="send", description="files of prompts")

    def drop(self, view: View) -> int:
        """Send nothing that is still on its way to ``view``, and return how many prompts that were."""
        kept = [sending for sending in self._sending if sending.view is not view]
        dropped = len(self._sending) - len(kept)
        self._sending = deque(kept)
        return dropped

    async def _send_all(self) -> None:
        try:
            while self._sending:
                await self._send_first(self._sending[0])
        finally:
            self._reading = False

    async def _send_first(self, first: _Sending) -> None:
        prompt, reason = first.prompt, ""
        missing: tuple[str, ...] = ()
        try:
            prompt, missing = await self._with_files(prompt, first.named_in)
        except (StoreError, StrettoError) as error:
            reason = str(error)
        if not self._sending or self._sending[0] is not first:
            return  # dropped meanwhile
        self._sending.popleft()
        if reason:
            self._refuse(first.prompt, reason)
        else:
            if missing:
                names = ", ".join(f"@{name}" for name in missing)
                self._say(f"{names}: no such file, so nothing was attached; it was sent as text")
            first.view.submit(prompt)

    async def _with_files(self, prompt: Prompt, text: str | None) -> tuple[Prompt, tuple[str, ...]]:
        """Return the prompt with the files that ``text`` names, and what it names in vain; those stored are not read again."""
        from agents.attachments import attach, look_for

        if text is None:
            return prompt, ()
        named = await asyncio.to_thread(look_for, text, prompt.attachments, prompt.unread)
        files: tuple[Attachment, ...] = ()
        if named.files:
            await self._app.workspace.open()
            files = await attach(named.files, self._app.workspace.attached)
        return prompt._replace(attachments=(*named.stored, *files)), named.missing

    def _refuse(self, refused: Prompt, reason: str) -> None:
        """Say why a prompt was not sent, and give it back if nothing else was typed meanwhile."""
        prompt = self._app.dashboard.prompt
        if not prompt.value:
            prompt.value = refused.text
            prompt.back = refused
        self._say(f"not sent: {reason}", "error")

    async def _keep(self, text: str) -> None:
        try:
            await self._app.workspace.open()
            await self._app.workspace.prompts.add(text, time.time())
        except (StoreError, StrettoError) as error:
            if not self._told_unkept:
                self._told_unkept = True
                self._say(f"prompts are not kept for the next session: {error}", "warning")

    def _say(self, line: str, severity: Literal["warning", "error"] = "warning") -> None:
        self._app.notify(safe_line(line, 300), severity=severity, timeout=10, markup=False)

    def edit(self) -> None:
        """Write the prompt in the person's own editor."""
        if not self._editing:
            self._editing = True
            self._app.run_worker(self._edit(), name="editor", description="editor")

    async def _edit(self) -> None:
        from tui.editor import edit, editor_command, interrupts_elsewhere

        app, prompt = self._app, self._app.dashboard.prompt
        try:
            command = editor_command()
            # Nothing is drawn while another program has the terminal; what streams meanwhile is drawn afterwards.
            with app.suspend(), app.batch_update(), interrupts_elsewhere():
                try:
                    text = await edit(prompt.value, command)
                except InputError as error:
                    self._say(str(error), "error")
                else:
                    back = prompt.back
                    prompt.value = text
                    prompt.back = back
        except InputError as error:
            self._say(str(error), "error")
        except SuspendNotSupported:
            self._say("an editor needs a terminal of its own: it cannot be opened in the browser", "error")
        finally:
            self._editing = False
        prompt.focus()

    def attach(self) -> None:
        """Begin a file's name in the prompt, which offers files."""
        prompt = self._app.dashboard.prompt
        prompt.focus()
        before = prompt.document.get_line(prompt.cursor_location[0])[: prompt.cursor_location[1]]
        prompt.type("@" if not before or before[-1].isspace() else " @")

    def choose_template(self) -> None:
        """Choose a template, fill it in, and send it or put it into the prompt."""
        from tui.screens.template import TemplateList

        self._app.push_screen(TemplateList(self._app.workspace.locations.templates), self._fill_in)

    def _fill_in(self, template: Template | None) -> None:
        if template is not None:
            from tui.screens.template import TemplateForm

            self._app.push_screen(TemplateForm(template, self._app.dashboard.prompt.value), self._filled)

    def _filled(self, filling: Filling | None) -> None:
        if filling is None:
            return
        from agents.attachments import own_words

        area, prompt = self._app.dashboard.prompt, filling.prompt
        prompt = prompt._replace(unread=own_words(prompt.text, filling.given))
        area.value = ""
        if not filling.send:
            area.bring_back(prompt)
            return
        area.earlier.add(prompt.text)
        self.send(self._app.dashboard.view, prompt, filling.given)

    def pick(self, text: str) -> None:
        """Send a question that was offered, as if it were typed."""
        area = self._app.dashboard.prompt
        area.earlier.add(text)
        self.send(self._app.dashboard.view, Prompt(text))

    def show_queue(self) -> None:
        """Show what waits, to change and to drop."""
        from tui.screens.queue import QueueScreen

        view = self._app.dashboard.view
        if view.queue:
            self._app.push_screen(QueueScreen(view.queue), self._take_back)
        else:
            self._app.notify("No prompt waits here.", timeout=3, markup=False)

    def _take_back(self, prompt: Prompt | None) -> None:
        if prompt is not None:
            dashboard = self._app.dashboard
            dashboard.prompt.bring_back(dashboard.view.taken_back(prompt))
