"""Serving the browser's files: below the version, from the listed set alone."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import plotly
import pytest
from starlette.applications import Starlette

from pages.ui.assets import PLOTLY, PREFIX, ROUTES, STATIC, VERSION, _version
from tests.asgi import request

APP = Starlette(routes=ROUTES)


def get(path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, as a server would send them."""
    return asyncio.run(request(APP, path))


@pytest.mark.parametrize("base", ["", "/at/a/proxy"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mount.js", "text/javascript; charset=utf-8"),
        ("lib/dom.js", "text/javascript; charset=utf-8"),
        ("tokens/tokens.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_and_those_in_folders(base: str, name: str, kind: str) -> None:
    status, headers, body = get(f"{base}/{PREFIX}/{name}")
    assert status == 200 and body == (STATIC / name).read_bytes()
    assert headers["content-type"] == kind and "immutable" in headers["cache-control"]


def test_every_module_is_served_and_so_is_plotly() -> None:
    for path in STATIC.rglob("*.js"):
        assert get(f"/{PREFIX}/{path.relative_to(STATIC).as_posix()}")[0] == 200
    assert len(get(f"/{PREFIX}/plotly.js")[2]) > 1_000_000


@pytest.mark.parametrize(
    "path",
    [
        f"/{PREFIX}/lib/nowhere.js",
        f"/{PREFIX}/lib",
        f"/{PREFIX}/dom.js",
        f"/{PREFIX}/lib/../mount.js",
        f"/{PREFIX}/../assets.py",
        f"/{PREFIX}/lib/../../assets.py",
        f"/{PREFIX}//etc/passwd",
        f"/{PREFIX}/lib/payloads.d.ts",
        "/ppo-live/000000000000/mount.js",
    ],
)
def test_nothing_else(path: str) -> None:
    assert get(path)[0] == 404


def test_the_version_follows_names_and_contents() -> None:
    versions = {
        _version({"a": b"1"}),
        _version({"a": b"2"}),
        _version({"b": b"1"}),
        _version({"a": b"1", "b": b""}),
    }
    assert len(versions) == 4 and VERSION not in versions


def test_styles_and_modules_are_all_that_lies_there() -> None:
    kinds = {path.suffix for path in Path(STATIC).rglob("*") if path.is_file()}
    assert kinds == {".js", ".css", ".svg", ".ts"}


def test_plotly_js_is_of_the_version_that_the_python_package_describes() -> None:
    """Charts are described in Python, and drawn by this."""
    whole = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    versions = [re.search(r"v(\d+\.\d+\.\d+)", path.read_text()[:200]) for path in (whole, PLOTLY)]
    assert versions[0] and versions[1] and versions[0][1] == versions[1][1]
    assert "Licensed under the MIT license" in PLOTLY.read_text()[:200]
