"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

INVALID = "invalid_request_error"
_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
_CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}


class ApiError(HTTPException):
    """An answer that is an error.

    Attributes:
      param: of the request, that is wrong.
      code: for programs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(status, message, dict(headers or {}))
        self.param, self.code = param, code

    def response(self) -> JSONResponse:
        """The answer; half characters of the request are not repeated in it."""
        other = "server_error" if self.status_code >= 500 else INVALID
        error = {
            "message": _whole(self.detail),
            "type": _TYPES.get(self.status_code, other),
            "param": None if self.param is None else _whole(self.param),
            "code": self.code,
        }
        return JSONResponse({"error": error}, self.status_code, self.headers)


def handle_errors(app: FastAPI) -> None:
    """Gives every error of an app that form."""

    @app.exception_handler(ApiError)
    async def ours(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        message = str(error.detail)
        if error.status_code == 404:
            message = f"nothing at {request.url.path}"
        elif error.status_code == 405:
            message = f"{request.url.path} takes no {request.method}"
        return ApiError(error.status_code, message, headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def of_a_body(request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(request, error).response()

    @app.exception_handler(Exception)
    async def of_the_server(request: Request, error: Exception) -> JSONResponse:
        return ApiError(
            500, "the server failed; its log says how", code="internal_error"
        ).response()


def _invalid(request: Request, error: RequestValidationError) -> ApiError:
    """What is wrong with a request, the first of it."""
    found = error.errors()[0]
    where = [str(each) for each in found["loc"][1:]]
    content = request.headers.get("content-type", "")
    expected = "multipart/form-data" if request.url.path in FORMS else "application/json"
    if content.partition(";")[0].strip().lower() != expected:
        return ApiError(
            415, f"content type {content!r}: expected {expected}", code="unsupported_media_type"
        )
    if found["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {found['ctx']['error']}", code="invalid_json")
    param = ".".join(where) or None
    message = found["msg"].removeprefix("Value error, ")
    message = f"{param}: {message}" if param else message
    return ApiError(400, message, param, _CODES.get(found["type"], "invalid_value"))


FORMS = ("/v1/audio/edits", "/v1/audio/understanding")
"""Paths that take files."""


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
