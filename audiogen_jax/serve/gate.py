"""What is checked of a request before the app sees it: the key, and the size of its body."""

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audiogen_jax.serve.errors import ApiError
from audiogen_jax.serve.settings import ServeSettings

GUARDED = ("/v1", "/metrics")
"""Paths that need the key, with all below them."""


class Gate:
    """Refuses requests without the key, with too large a body, or whose body comes too slowly.

    Bodies are held in memory until they are whole.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings):
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            self._check_key(scope)
            body = await self._body(Headers(scope=scope), receive)
        except ApiError as error:
            return await error.response()(scope, receive, send)
        if body is None:  # the client left
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)

    def _check_key(self, scope: Scope) -> None:
        path, key = scope["path"], self._settings.api_key
        guarded = any(path == each or path.startswith(f"{each}/") for each in GUARDED)
        if key is None or not guarded:
            return
        given = Headers(scope=scope).get("authorization", "")
        scheme, _, token = given.partition(" ")
        matches = hmac.compare_digest(token.strip().encode("latin-1"), key.strip().encode())
        if scheme.lower() != "bearer" or not matches:
            raise ApiError(
                401,
                "wrong API key, or none: send the header Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _body(self, headers: Headers, receive: Receive) -> bytes | None:
        """The whole body; None: the client left before it was."""
        limit = self._settings.max_body
        length = headers.get("content-length", "")
        too_large = ApiError(
            413,
            f"the request is larger than {limit} bytes",
            code="request_too_large",
            headers={"Connection": "close"},
        )
        if length.isdecimal() and int(length) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return None
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise ApiError(
                408,
                f"the body did not arrive within {self._settings.body_timeout:g} s",
                code="request_timeout",
                headers={"Connection": "close"},
            ) from None
