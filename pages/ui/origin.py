"""Only this server's own pages may command it and read its runs, and no other page may frame them.

A browser lets any page open a WebSocket to any local port, and says in `Origin` whose page it is. Streamlit
accepts every local one: a page that another program serves on this machine could start and stop runs.
Programs that are no browsers send no `Origin`; they could do as they like without a server.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.logger import get_logger
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from pages.data.routes import PATH

_OWN_SITES = ("same-origin", "none")
"""Whose page asks, as browsers say in Sec-Fetch-Site: this server's, or nobody's, as by a typed address."""
_LOOKING = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SAFE = {
    "content-security-policy": "frame-ancestors 'self'",
    "x-frame-options": "SAMEORIGIN",
    "x-content-type-options": "nosniff",
}


class OwnPagesOnly:
    """ASGI middleware that refuses what other servers' pages ask for, and forbids them to frame ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = _refusal(scope, Headers(scope=scope))
        if refusal and scope["type"] == "websocket":
            # before it is accepted: the browser is answered 403
            await send({"type": "websocket.close", "code": 1008})
        elif refusal:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, _guarded(send))
        else:
            await self._app(scope, receive, _guarded(send))


def _refusal(scope: Scope, headers: Headers) -> str:
    """Why the request is refused, or nothing."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if not is_host_allowed(host):
        return f"Host {host[:200]} is not allowed: see server.allowedHosts in .streamlit/config.toml"
    forwarded = headers.get("x-forwarded-host", "").split(",")[0]  # a page's script cannot set it, nor Host
    if not _is_guarded(scope):
        return ""
    if origin is None:
        # without a script, a page may still have a browser ask: as an image, a frame, a script
        if headers.get("sec-fetch-site", "none") in _OWN_SITES:
            return ""
        origin = "another site"
    elif is_own(origin, [host, forwarded]):
        return ""
    refusal = (
        f"Request from a page of {origin[:200]!r} refused: only pages of this server, {host[:200]!r}, are "
        "allowed. A proxy has to forward Host or X-Forwarded-Host; otherwise add the page's origin to "
        "server.corsAllowedOrigins"
    )
    get_logger(__name__).warning(refusal)
    return refusal


def _is_guarded(scope: Scope) -> bool:
    """Whether the request could command something, or read what a run recorded."""
    if scope["type"] == "websocket" or scope["method"] not in _LOOKING:
        return True
    return f"/{PATH}/" in scope["path"]


def is_own(origin: str, hosts: list[str]) -> bool:
    """Whether a page of that origin came from one of those hosts, each with its port as in `Host`."""
    if origin in (config.get_option("server.corsAllowedOrigins") or ()):
        return True
    try:
        page = urlsplit(origin)
        port = page.port or _PORTS[page.scheme]
        servers = [urlsplit(f"//{host.strip()}") for host in hosts if host]
        return any(
            server.hostname == page.hostname and (server.port or _PORTS[page.scheme]) == port
            for server in servers
        )
    except (ValueError, KeyError):
        return False  # "null", as of a sandboxed frame or a file, or no address at all


def _guarded(send: Send) -> Send:
    """Adds to every answer what keeps browsers from framing it or guessing its type."""

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFE.items():
                headers.setdefault(name, value)
        await send(message)

    return send_guarded
