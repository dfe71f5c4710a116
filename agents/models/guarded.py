"""An HTTP client that sends to one place only: no redirects, nothing unpacked, no body without an end."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx2

from agents.models.failures import RefusedError
from agents.models.transport import reader_of

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_ERROR_BODY_SECONDS: Final = 5.0


class GuardedClient(httpx2.AsyncClient):
    """Sends to one place only, and hands over no body that could be a trap."""

    def __init__(self, *, drop_headers: tuple[str, ...], **options: Any) -> None:
        super().__init__(follow_redirects=False, **options)
        self._drop_headers = drop_headers

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send, and return a response that is read already unless it is a stream that succeeded."""
        request.headers["accept-encoding"] = "identity"
        for name in self._drop_headers:
            request.headers.pop(name, None)
        options["follow_redirects"] = False
        response = await super().send(request, stream=True, **options)
        try:
            encoding = response.headers.get("content-encoding")
            if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
                raise RefusedError(f"sent a compressed answer ({encoding}), which was not asked for")
            if stream and response.is_success:
                return response
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                body = await bounded(response)
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        kept = [
            (name, value) for name, value in response.headers.multi_items() if name not in {"content-length", "transfer-encoding"}
        ]
        return httpx2.Response(response.status_code, headers=kept, content=body, request=request)


async def bounded(response: httpx2.Response) -> bytes:
    """Return the whole body. Raises :class:`RefusedError` for one that is larger than an answer can be."""
    parts: list[bytes] = []
    size = 0
    read = reader_of(response)
    while data := await read():
        size += len(data)
        if size > MAX_BODY_BYTES:
            raise RefusedError("sent an answer too large to be one (over 8 MiB)")
        parts.append(data)
    return b"".join(parts)
