"""What a page's component will load is named with the page itself, so that the browser fetches it early.

Otherwise it would learn of each file only once Streamlit's own scripts have run, and of each module's imports
only once that module is there.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .assets import CONTENTS, PREFIX

_PAGES = {"": "live", "tokens": "tokens", "update": "update", "what_if": "whatif", "playground": "playground"}
"""The folder of each page's modules, by the last part of the page's path."""
_WITHOUT_PLOTS = ("playground", "update")
_IMPORTS = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+["'](\.[^"']+)["']""", re.MULTILINE | re.DOTALL)
_STYLES = re.compile(r'@import "([^"]+)"')


class Preloaded:
    """ASGI middleware that adds the header `Link` to the answers that are pages."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_linked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["link"] = links(scope["path"].rpartition("/")[2])
            await send(message)

        await self._app(scope, receive, send_linked if scope["type"] == "http" else send)


@cache
def links(page: str) -> str:
    """The header for the page of that path. Its paths are relative to the page's own."""
    folder = _PAGES.get(page)
    scripts = needed("mount.js") | (needed(f"{folder}/page.js") if folder else set())
    found = [f"<{PREFIX}/{name}>; rel=modulepreload; fetchpriority=low" for name in sorted(scripts)]
    found += [f"<{PREFIX}/{name}>; rel=preload; as=style; fetchpriority=low" for name in _styles()]
    if folder and folder not in _WITHOUT_PLOTS:
        found.insert(0, f"<{PREFIX}/plotly.js>; rel=preload; as=script; fetchpriority=low")
    return ", ".join(found)


@cache
def needed(module: str) -> frozenset[str]:
    """The module and all that it imports at its beginning."""
    found, wanted = set(), [module]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            imports = _IMPORTS.findall(CONTENTS[name].decode())
            wanted += [posixpath.normpath(posixpath.join(posixpath.dirname(name), one)) for one in imports]
    return frozenset(found)


def _styles() -> list[str]:
    return ["mount.css", *_STYLES.findall(CONTENTS["mount.css"].decode())]
