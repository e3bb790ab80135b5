"""The data door as a client meets it: its real routes, without a server, every answer checked against its
type.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, get_type_hints
from urllib.parse import unquote

import pyarrow as pa
from starlette.applications import Starlette

from pages.data.routes import PATH, ROUTES, VIEWS, View
from tests.asgi import request
from tests.static.conforming import mismatches

APP = Starlette(routes=ROUTES)


@dataclass(frozen=True)
class Reply:
    """What a client is sent."""

    status: int
    headers: dict[str, str]
    sent: bytes = field(repr=False)

    @property
    def body(self) -> bytes:
        """The text, decompressed."""
        encoding = self.headers.get("content-encoding", "")
        if encoding == "zstd":
            with pa.CompressedInputStream(pa.BufferReader(self.sent), "zstd") as stream:
                return bytes(stream.read())
        return gzip.decompress(self.sent) if encoding == "gzip" else self.sent

    @property
    def data(self) -> Any:
        """The JSON, as strict as a browser's."""
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def error(self) -> str:
        """The sentence of an answer that is nothing but an error."""
        assert self.headers["content-type"] == "application/json" and set(self.data) == {"error"}, self.body
        return str(self.data["error"])


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


async def fetch(
    path: str, headers: Mapping[str, str] | None = None, method: str = "GET", base: str = ""
) -> Reply:
    """path: below the door, with its query, percent-encoded as in an address."""
    place, _, query = path.partition("?")
    whole = unquote(f"{base}/{PATH}/{place}")
    return Reply(*await request(APP, whole, query.encode("latin-1"), headers, method))


def ask(path: str, headers: Mapping[str, str] | None = None, method: str = "GET", base: str = "") -> Reply:
    return asyncio.run(fetch(path, headers, method, base))


def answer(path: str) -> Any:
    """The data of an answer, which is there and is as its type says."""
    reply = ask(path)
    assert reply.status == 200, reply.body
    found = mismatches(reply.data, kind_of(view_at(path)), path)
    assert not found, "\n".join(found)
    return reply.data


def view_at(path: str) -> View:
    """The view that an address is of."""
    place = path.partition("?")[0]
    return next(view for view in VIEWS if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", view.path), place))


def kind_of(view: View) -> Any:
    """The type of a view's answers."""
    return get_type_hints(resolve_name(f"pages.data.{view.made_by}"))["return"]
