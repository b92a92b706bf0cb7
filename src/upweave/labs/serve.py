"""The labs as a web application on this machine: a list at /, labs at /NAME/, theory functions at /theory/NAME.html.

Everything comes from the installed packages; nothing is fetched and nothing is sent. A lab runs Python, so only this
machine's own pages may speak to it: requests that a browser makes for another site, or under another host name, get 403.
"""

from __future__ import annotations

import os
from typing import Any

from ..errors import UpweaveError
from . import LABS


def application() -> Any:
    """The ASGI application. Raises `ModuleNotFoundError` without the `labs` extra."""
    os.environ.setdefault("MARIMO_SKIP_UPDATE_CHECK", "1")
    import marimo
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, RedirectResponse
    from starlette.routing import Mount, Route

    from .kit.page import index_page, theory_page

    async def index(request: Any) -> Any:
        return HTMLResponse(index_page())

    async def theory(request: Any) -> Any:
        name = str(request.path_params["name"]).removesuffix(".html")
        try:
            return HTMLResponse(theory_page(name))
        except UpweaveError:
            return HTMLResponse(f"there is no function {name}", status_code=404)

    async def lab(request: Any) -> Any:
        return RedirectResponse("./" + (f"?{request.url.query}" if request.url.query else ""))

    builder = marimo.create_asgi_app(quiet=True, include_code=False)
    for entry in LABS:
        builder = builder.with_app(path=f"/{entry.name}", root=str(entry.path))
    return OwnPagesOnly(
        Starlette(
            routes=[
                Route("/", index),
                Route("/index.html", index),
                Route("/theory/{name}", theory),
                *(Route(f"/{entry.name}/index.html", lab) for entry in LABS),
                Mount("/", app=builder.build()),
            ]
        )
    )


class OwnPagesOnly:
    """An ASGI application in front of another: it answers pages of its own, and programs, and no other site's.

    A browser names the site that a request comes from (Origin) and the one that it believes to ask (Host). Both must be
    this machine by its loopback name, so that neither a foreign page nor a foreign name that leads here gets through.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan" or self._is_own(dict(scope["headers"])):
            await self.inner(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"The labs answer their own pages only.\n"})

    @staticmethod
    def _is_own(headers: dict[bytes, bytes]) -> bool:
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin")
        name = host.rpartition(":")[0] if ":" in host else host
        return name in ("127.0.0.1", "localhost") and (origin is None or origin.decode("latin-1") == f"http://{host}")


def server(port: int = 0, host: str = "127.0.0.1") -> tuple[Any, Any]:
    """A uvicorn server of `application`, and the socket that it listens on: any free one for port 0.

    Raises `UpweaveError` where the port is taken.
    """
    import socket

    import uvicorn

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as e:
        listening.close()
        raise UpweaveError(f"port {port} cannot be used ({e.strerror}); choose another with --port") from e
    config = uvicorn.Config(application(), log_level="error", access_log=False, timeout_graceful_shutdown=1)
    return uvicorn.Server(config), listening
