"""One endpoint's client, over HTTP that follows nothing, unpacks nothing and reads nothing without end.

Chats are sent as they are; openai's SDK makes the other calls. It takes a second and 22 MB, and is imported when it is first
needed. Importing this module imports httpx2 and aiohttp, which takes most of a second: do it off the loop.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from agents.addresses import is_loopback
from agents.attachments import request_body
from agents.errors import CallError
from agents.events import Usage
from agents.models.admission import MOST_IN_FLIGHT
from agents.models.deadlines import Watch
from agents.models.decode import ChatReader, StreamError
from agents.models.failures import Failures, RefusedError
from agents.models.guarded import GuardedClient, bounded
from agents.models.transport import LeanTransport, proxied, reader_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from openai import AsyncOpenAI

    from agents.models.discovery import Target
    from agents.models.turns import Turn
    from agents.requests import ModelCall

_MOST_OPEN = MOST_IN_FLIGHT + 8
"""Connections to one endpoint; how many are used is the door's business, and changes while they are open."""
_KEEP = 30.0
"""Seconds a connection that nobody uses stays open."""
_MAX_STREAM_BYTES = 256 * 1024 * 1024
_ENDING_GRACE = 2.0
"""Seconds the usage may take after the finish reason."""
_CLOSING_GRACE = 0.1
"""Seconds a server may take after ``[DONE]`` to end the response, so that its connection can be used again."""
_OPENAI = "openai.com"
"""The domain of those whom an account's parts are named to; others are none of their business, whatever they are called here."""
_SHORT_CALL_SECONDS = 30.0


class Reply(msgspec.Struct, frozen=True):
    """How a streamed answer ended; its text was written as it came."""

    finish: str
    usage: Usage


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Tokens(msgspec.Struct):
    prompt_tokens: int = 0


class _VectorList(msgspec.Struct):
    data: list[_Vector]
    usage: _Tokens | None = None


class Embedded(msgspec.Struct, frozen=True):
    """Vectors, one for each text, in order."""

    vectors: list[list[float]]
    tokens: int | None = None
    """What the server counted; ``None`` where it told nothing."""


def _unheard(headers: Mapping[str, str]) -> None:
    pass


class EndpointClient:
    """Calls one endpoint. There is one for each endpoint as long as the process lives; :meth:`close` ends it.
    ``turn`` is shared by all.

    Making one reads certificates from disk: do it off the loop.
    """

    def __init__(self, target: Target, turn: Turn) -> None:
        self.target = target
        self._turn = turn
        address = _checked(target)
        self.failures = Failures(target.name, address, target.key, target.key_name)
        key = self._checked_key()
        drop = () if _is_openai(target) else ("openai-organization", "openai-project")
        secure = httpx2.create_ssl_context() if target.base_url.startswith("https:") else _no_certificates()
        self._lean = None if proxied(target.base_url) else _lean(target, secure)
        connections = httpx2.Limits(max_connections=_MOST_OPEN, max_keepalive_connections=_MOST_OPEN, keepalive_expiry=_KEEP)
        self._http = GuardedClient(
            drop_headers=drop if key else (*drop, "authorization"),
            # A call to this machine must never leave it, whatever proxy the environment names.
            trust_env=self._lean is None and not is_loopback(target.base_url),
            verify=secure,
            transport=self._lean,
            timeout=httpx2.Timeout(None, connect=target.endpoint.timeout.connect, write=60.0),
            limits=connections,
        )
        self._key = key
        self._openai: AsyncOpenAI | None = None
        self._headers = _headers(target, key)
        self._chat = httpx2.URL(f"{target.base_url.rstrip('/')}/chat/completions")
        self._limits = {"timeout": self._http.timeout.as_dict()}
        self._without_stream_options: set[str] = set()
        self._new_token_limit: set[str] = set()

    def _checked_key(self) -> str | None:
        key, name = self.target.key, self.target.key_name
        if key is None and name is not None:
            raise self.failures.make("auth", f"the variable {name} is not set: export it with the endpoint's key")
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key and key):
            raise self.failures.make("auth", f"the key in {name} is empty or holds characters that no key has: set it again")
        return key

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def connect(self) -> None:
        """Open a connection ahead of the first call, without a request. That none can be opened is left for a call to find."""
        if self._lean is not None:
            with suppress(httpx2.TransportError):
                await self._lean.connect(self.target.base_url)

    async def answer(
        self,
        call: ModelCall,
        write: Callable[[str], None],
        files: Mapping[str, bytes],
        *,
        heard: Callable[[Mapping[str, str]], None] = _unheard,
    ) -> Reply:
        """Make one attempt: ``write`` gets each piece of text as it comes. Returns only when a finish reason was seen.

        ``files`` are the bytes of what goes with the messages, by digest; ``heard`` gets the headers of every response, those of
        refusals too.

        Raises :class:`CallError`; its kind is ``cut`` for anything that ended the answer after text had come.
        """
        reader = ChatReader()
        watch = Watch(self.target.endpoint.timeout)
        failed: CallError | None = None
        try:
            async with watch:
                response = await self._open(call, files, heard)
                try:
                    await self._read(response, reader, watch, write)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            failed = self.failures.of(error) if watch.expired is None else self._late(watch)
        except Exception as error:  # noqa: BLE001  # malformed data escapes as a dozen types; each must end typed
            failed = self.failures.of(error)
        if isinstance(reader.failure, StreamError):
            failed = self.failures.of_stream(reader.failure)
        elif reader.failure is not None:
            raise self.failures.make("too_large", "the answer is too large to be one (over 8 MiB); stopped reading")
        elif reader.finish is not None:
            usage = reader.usage or Usage(output=reader.pieces, estimated=True)
            return Reply(reader.finish, usage)
        if failed is None:
            failed = self.failures.make("protocol", "the answer ended without text and without a finish reason", retryable=True)
            cause = "the connection ended before the answer did"
        else:
            cause = str(failed).removeprefix(f"{self.target.name}: ")
        if reader.pieces:
            again = failed.retryable
            raise self.failures.make("cut", f"the answer was cut: {cause}. The text so far is kept", retryable=again)
        raise failed

    def _late(self, watch: Watch) -> CallError:
        timeouts = self.target.endpoint.timeout
        # A call that had all its time is not given as much again.
        retryable = watch.expired != "total"
        match watch.expired:
            case "idle":
                text, setting = f"no text for {timeouts.idle:g} s", "idle"
            case "total":
                text, setting = f"not finished after {timeouts.total:g} s", "total"
            case _:
                text, setting = f"no text within {timeouts.first_token:g} s", "first_token"
        return self.failures.make("timeout", f"{text} (endpoints.{self.target.name}.timeout.{setting})", retryable=retryable)

    async def _read(self, response: httpx2.Response, reader: ChatReader, watch: Watch, write: Callable[[str], None]) -> None:
        thought = size = 0
        finished = False
        read, breathe = reader_of(response), self._turn.breathe
        while data := await read():
            for piece in reader.feed(data):
                watch.touch()
                write(piece)
            await breathe()
            if reader.thought != thought:
                thought = reader.thought
                watch.touch()
            if reader.failure is not None:
                return
            if reader.complete:
                if not finished:
                    finished = True
                    watch.ending(_CLOSING_GRACE)
            elif reader.finish is not None and not finished:
                finished = True
                watch.ending(min(_ENDING_GRACE, self.target.endpoint.timeout.idle))
            size += len(data)
            if size > _MAX_STREAM_BYTES:
                raise RefusedError("sent an answer too large to be one")
        for piece in reader.end():
            write(piece)

    async def _open(
        self, call: ModelCall, files: Mapping[str, bytes], heard: Callable[[Mapping[str, str]], None]
    ) -> httpx2.Response:
        model = call.model.model
        while True:
            asked_usage, old_limit = model not in self._without_stream_options, model not in self._new_token_limit
            response = await self._send(call, files)
            heard(response.headers)
            if response.is_success:
                return response
            # Older servers refuse what newer ones require; each server is asked again once, in its own way.
            said = response.text if response.status_code in {400, 422} else ""
            if "stream_options" in said and asked_usage:
                self._without_stream_options.add(model)
            elif "max_completion_tokens" in said and old_limit:
                self._new_token_limit.add(model)
            else:
                raise self.failures.of_response(response)

    async def _send(self, call: ModelCall, files: Mapping[str, bytes]) -> httpx2.Response:
        # Not through the SDK: its way to a request takes as long as all that follows.
        payload = {"model": call.model.model, "stream": True, **self._options(call)}
        headers = self._headers
        content: bytes | AsyncIterator[bytes]
        if files:
            body = await asyncio.to_thread(request_body, payload, call.messages, files)
            headers = httpx2.Headers(headers)
            headers["Content-Length"] = str(sum(map(len, body)))
            content = _each(body)
        else:
            content = msgspec.json.encode(payload | {"messages": call.messages})
        request = httpx2.Request("POST", self._chat, headers=headers, content=content, extensions=self._limits)
        return await self._http.send(request, stream=True)

    def _options(self, call: ModelCall) -> dict[str, object]:
        model, params = call.model.model, call.model.params
        options: dict[str, object] = {
            key: value for key in ("temperature", "top_p", "seed") if (value := getattr(params, key)) is not None
        }
        if params.max_tokens is not None:
            limit = "max_completion_tokens" if model in self._new_token_limit else "max_tokens"
            options[limit] = params.max_tokens
        if call.schema is not None:
            schema = {"name": "answer", "schema": msgspec.json.decode(call.schema)}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        if model not in self._without_stream_options:
            options["stream_options"] = {"include_usage": True}
        if self.target.preset.continues == "flag" and call.messages[-1].role == "assistant":
            # The last message is the beginning of an answer that was cut, to be gone on with.
            options |= {"continue_final_message": True, "add_generation_prompt": False}
        return options

    async def get(self, url: str, headers: Mapping[str, str], seconds: float = 5.0) -> bytes:
        """Return the body of a page on the target's own host, such as a list of models, within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.get(url, headers=dict(headers))
        except TimeoutError:
            raise self.failures.make("timeout", f"no answer within {seconds:g} s", retryable=True) from None
        except Exception as error:  # noqa: BLE001  # as in answer()
            raise self.failures.of(error) from None
        if not response.is_success:
            raise self.failures.of_status(response.status_code, "", "", response.headers)
        return response.content

    async def embed(self, model: str, texts: Sequence[str], *, heard: Callable[[Mapping[str, str]], None] = _unheard) -> Embedded:
        """Return one vector for each text, in order; ``heard`` as for :meth:`answer`."""
        sdk = await self._sdk()
        request = sdk.embeddings.with_streaming_response.create(model=model, input=list(texts), encoding_format="float")
        body = await self._short(request, max(_SHORT_CALL_SECONDS, self.target.endpoint.timeout.first_token), heard)
        try:
            made = msgspec.json.decode(body, type=_VectorList)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self.failures.make("protocol", "its /embeddings does not answer with vectors") from None
        items = sorted(made.data, key=lambda item: item.index)
        if [item.index for item in items] != list(range(len(texts))):
            raise self.failures.make("protocol", f"its /embeddings gave {len(items)} vectors for {len(texts)} texts")
        tokens = made.usage.prompt_tokens if made.usage is not None else 0
        return Embedded([item.embedding for item in items], tokens if tokens > 0 else None)

    async def _sdk(self) -> AsyncOpenAI:
        if self._openai is None:
            self._openai = await asyncio.to_thread(_sdk, self._key, self.target.base_url, self._http)
        return self._openai

    async def _short(self, request: Any, seconds: float, heard: Callable[[Mapping[str, str]], None]) -> bytes:
        try:
            async with asyncio.timeout(seconds), request as response:
                heard(response.headers)
                return await bounded(response.http_response)
        except TimeoutError:
            raise self.failures.make("timeout", f"no answer within {seconds:g} s", retryable=True) from None
        except Exception as error:  # noqa: BLE001  # as in answer()
            refusal = getattr(error, "response", None)
            if isinstance(refusal, httpx2.Response):
                heard(refusal.headers)
            raise self.failures.of(error) from None


def _sdk(key: str | None, base_url: str, http: httpx2.AsyncClient) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=key or "none", base_url=base_url, max_retries=0, http_client=http, timeout=http.timeout)


def _is_openai(target: Target) -> bool:
    return f".{urlsplit(target.base_url).hostname}".endswith(f".{_OPENAI}")


def _headers(target: Target, key: str | None) -> httpx2.Headers:
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "stretto"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    if _is_openai(target):
        # Whose account is charged, where one key has several: by the variables that the SDK reads, too.
        for name, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
            if value := os.environ.get(variable, "").strip():
                headers[name] = value
    return httpx2.Headers(headers)


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _lean(target: Target, secure: ssl.SSLContext) -> LeanTransport:
    secure.set_alpn_protocols(["http/1.1"])
    return LeanTransport(verify=secure, connect=target.endpoint.timeout.connect, most=_MOST_OPEN, keep=_KEEP)


def _no_certificates() -> ssl.SSLContext:
    # Plain HTTP needs none, and reading the system's takes longer than the rest of a client; an https proxy is refused by this.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _checked(target: Target) -> str:
    """Return ``host`` or ``host:port`` of the target's address."""
    try:
        url = urlsplit(target.base_url)
        host, port = url.hostname, url.port
    except ValueError:
        host, port, url = None, None, urlsplit("")
    if url.username is not None or url.password is not None:
        raise CallError("bad_request", f"{target.name}: base_url must hold no name or password: set api_key_env instead")
    if url.scheme not in {"http", "https"} or not host or port == 0:
        message = f"{target.name}: its base_url is not an address like http://127.0.0.1:8000/v1"
        raise CallError("bad_request", message)
    return host if port is None else f"{host}:{port}"
