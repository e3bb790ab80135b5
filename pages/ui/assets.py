"""The browser's side of the live board: its modules, and plotly.js from the installed wheel, each sent once
and kept.

The paths carry a hash or a version, so that a browser may keep the files for good and a new version is never
mixed with an old one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
_FILES = {**{path.name: path for path in sorted(STATIC.iterdir())}, "plotly.js": PLOTLY}


def _version() -> str:
    digest = hashlib.sha256(plotly.__version__.encode())
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


VERSION = _version()
PREFIX = f"ppo-live/{VERSION}"
"""Where the files lie, below wherever the page itself does: at the root, under `server.baseUrlPath`, or where
a proxy puts it.
"""

# a machine's own table may have others
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


async def _serve(request: Request) -> Response:
    path = _FILES.get(request.path_params["name"])
    if path is None or request.path_params["version"] != VERSION:
        return Response("not found", status_code=404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=headers)


ROUTES = [Route(f"{base}/ppo-live/{{version}}/{{name}}", _serve) for base in ("", "/{base:path}")]
