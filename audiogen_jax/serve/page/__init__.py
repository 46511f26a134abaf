"""What people see of a server: a page without a build, whose files are sent as they are."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

POLICY = (
    "default-src 'self'; media-src blob:; img-src 'self' data: blob:; style-src 'self' "
    "'unsafe-inline'; connect-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing is fetched from elsewhere, and no other page may frame this one."""


class Page(StaticFiles):
    """The page, an ASGI app for `create_app(page=...)`."""

    def __init__(self):
        super().__init__(directory=Path(__file__).parent, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file of the page, with what browsers may do with it."""
        if path.endswith(".py"):
            path = "absent"
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
