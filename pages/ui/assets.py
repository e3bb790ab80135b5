"""The browser's side: the modules of static/, and plotly.js, each sent once.

The paths carry a hash of all of them, so that a browser may keep the files for good and a new version is
never mixed with an old one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ppo_engine.columns import as_data

ROOT = Path(__file__).parents[2]
STATIC = Path(__file__).parent / "static"
LOADER = (STATIC / "loader.js").read_text(encoding="utf-8")
"""The script that each component begins with."""
COLUMNS_MODULE = "lib/columns.js"
"""The table of token columns as a module, of which columns.d.ts has the types."""
PLOTLY = Path(__file__).parent / "vendor" / "plotly-basic.min.js"
"""plotly.js as it is published with basic charts only: in Chromium it runs in a fifth of the time that the
whole of it in the Python package takes.
"""

# a machine's own table may have others
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def _contents() -> dict[str, bytes]:
    """The served files by their names below the prefix, as in lib/dom.js."""
    paths = sorted(path for path in STATIC.rglob("*") if path.suffix in _TYPES)
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in paths}
    return {**files, COLUMNS_MODULE: f"export const COLUMNS = {json.dumps(as_data())};\n".encode()}


def _code() -> dict[str, bytes]:
    """What decides the answers that a browser keeps for good."""
    example = ROOT / "ppo_engine" / "builtin" / "assets" / "example" / "run.sqlite"
    paths = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "ppo_engine").rglob("*.py"), example]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(paths)}


def _version(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


CONTENTS = _contents()
"""What is served, but for plotly.js."""
VERSION = _version({**CONTENTS, **_code(), "plotly.js": PLOTLY.read_bytes()})
PREFIX = f"ppo-live/{VERSION}"
"""Where the files lie, below wherever the page itself does: at the root, under `server.baseUrlPath`, or where
a proxy puts it.
"""


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    if request.path_params["version"] == VERSION:
        if name == "plotly.js":
            return FileResponse(PLOTLY, media_type=_TYPES[".js"], headers=headers)
        if name in CONTENTS:
            return Response(CONTENTS[name], media_type=_TYPES[Path(name).suffix], headers=headers)
    return Response("not found", status_code=404)


ROUTES = [Route(f"{base}/ppo-live/{{version}}/{{name:path}}", _serve) for base in ("", "/{base:path}")]
