"""The dashboard in a real browser: opened by the printed address, typed into, read, and closed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest

from tests.chromium import chromium, find
from tests.servers.process import paced_process
from tests.tui.commands.process import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = find()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
ENTER = 13


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``stretto serve`` beside a paced model and give the address that it prints."""
    home = Home(folder)
    with paced_process() as base_url:
        home.endpoint(base_url)
        with home.start("serve", "--port", "0", "-m", "lab/paced-60-60", "-m", "lab/paced-80-60") as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip(), process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                process.communicate(timeout=40)


async def test_a_prompt_typed_in_the_browser_is_answered_there(tmp_path: Path) -> None:
    assert PROGRAM is not None
    with serving(tmp_path) as (address, process):
        server = psutil.Process(process.pid)
        async with chromium(PROGRAM, tmp_path / "profile") as browser:
            tab = await browser.tab()
            await tab.open(address)
            await tab.until_page("document.activeElement?.className === 'xterm-helper-textarea'")
            await tab.until(lambda text: "paced-60-60" in text)
            await tab.type("Sing ")
            await tab.until(lambda text: "paced-60-60" in text and "Sing" in text)
            # The token has left the address, the history and everything that scripts can read.
            token = urlsplit(address).fragment
            seen = await tab.evaluate("location.href + document.cookie + document.documentElement.outerHTML")
            assert token not in seen
            assert "stretto-" not in await tab.evaluate("document.cookie")
            assert await tab.evaluate("location.hash + location.search") == ""

            await tab.type("to me")
            await tab.until(lambda text: "Sing to me" in text)
            await tab.press("Enter", ENTER)
            await tab.until(lambda text: "streaming" in text and "soprano" in text)
            text = await tab.until(lambda text: text.count("saved") >= 2)
            assert text.count("soprano") >= 4
            assert "Sing to me" in text

            ours = urlsplit(address).netloc
            assert {urlsplit(url).netloc for url in tab.requests if not url.startswith("data:")} == {ours}
            assert [line for line in tab.complaints if "401" not in line] == []

            sessions = server.children()
            assert len(sessions) == 1
            await tab.open("about:blank")
            _, alive = psutil.wait_procs(sessions, timeout=30)
            assert alive == []


async def test_without_the_token_there_is_only_a_page_that_says_so(tmp_path: Path) -> None:
    assert PROGRAM is not None
    with serving(tmp_path) as (address, process):
        async with chromium(PROGRAM, tmp_path / "profile") as browser:
            tab = await browser.tab()
            bare = address.partition("#")[0]
            for url, words in ((bare, "printed, with all"), (f"{bare}#nonsense", "is not, or no longer")):
                await tab.open("about:blank")
                await tab.open(url)
                await tab.until_page(f"document.body && document.body.innerText.includes({words!r})")
            assert not any("/ws" in url for url in tab.requests)
            refused = await tab.evaluate(
                f"new Promise(done => {{ const s = new WebSocket('ws://{urlsplit(address).netloc}/ws');"
                " s.onopen = () => done('open'); s.onerror = () => done('refused'); })"
            )
            assert refused == "refused"
            # Another page of this machine, with the cookie of ours in the same browser, is another origin.
            await tab.open(address)
            await tab.until(lambda text: "paced-60-60" in text)
            # A window that changes its size while it connects makes the terminal's script send too early.
            early = await tab.evaluate(
                f"new Promise(done => {{ const s = new WebSocket('ws://{urlsplit(address).netloc}/ws?width=80&height=24');"
                " s.onclose = event => done(String(event.code));"
                " try { s.send('no message of a terminal') } catch (error) { done(String(error)) } })"
            )
            assert early == "1008", "what was sent too early came, and was refused for what it is"
            other = await browser.tab()
            await other.open(bare.replace("127.0.0.1", "localhost"))
            await other.until_page("document.body && document.body.innerText.includes('printed')")
            refused = await other.evaluate(
                f"new Promise(done => {{ const s = new WebSocket('ws://{urlsplit(address).netloc}/ws');"
                " s.onopen = () => done('open'); s.onerror = () => done('refused'); })"
            )
            assert refused == "refused"
        assert psutil.Process(process.pid).is_running()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=40) == 143
