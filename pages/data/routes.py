"""The data door: what a run recorded, by `GET` as JSON, for the pages and for anybody else.

    /data/v1/runs/{run}/...         see VIEWS
    /data/v1/now, /data/v1/stream   how a run stands, and each change of that

What a step recorded never changes: such answers may be kept for good. Others carry an ETag. Errors are
{"error": "..."} with a status. Commands are not taken here.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pkgutil import resolve_name
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ppo_engine.errors import PPOEngineError

from .answers import Answer, Answers, RefusedError, encoding_for, error_answer
from .asked import FOLDER, Asked, check_names
from .folder import runs_folder
from .stream import Streams
from .watcher import Watcher

PATH = "data/v1"
LONGEST_QUERY = 2000
CODE = "code"
"""A parameter of all views, and without effect: the pages say there which version of the code they are of, so
that a browser never shows them what it kept of another.
"""

WATCHER = Watcher()
STREAMS = Streams(WATCHER)
ANSWERS = Answers()


@dataclass(frozen=True)
class View:
    """A kind of answer. made_by: the function, imported when it is first needed, since some bring torch
    along; names: its query's parameters; is_final: whether what it gives once never changes.
    """

    path: str
    made_by: str
    names: tuple[str, ...] = ()
    is_final: bool = False

    def make(self, asked: Asked) -> Any:
        return resolve_name(f"{__package__}.{self.made_by}")(asked)


_STEP, _SAMPLE = "runs/{run}/steps/{step}", "runs/{run}/steps/{step}/samples/{sample}"
VIEWS = (
    View("runs", "runs:every_run"),
    View("compare", "compare:compared", ("runs", "metrics", "points")),
    View("runs/{run}/head", "head:head", ("after", "events")),
    View("runs/{run}/line", "head:line"),
    View("runs/{run}/live", "live.answer:live", ("after", "have")),
    View("runs/{run}/curves", "live.answer:curves", ("from", "to", "points")),
    View("runs/{run}/evaluations", "evaluations:evaluations", ("after",)),
    View("runs/{run}/evaluations/{step}", "evaluations:evaluation", is_final=True),
    View("runs/{run}/prompts/{prompt}", "evaluations:prompt", ("at",), is_final=True),
    View("runs/{run}/steps", "steps:kept_steps", ("after",)),
    View(_STEP, "steps:batch", ("columns",), is_final=True),
    View(f"{_STEP}/tokens", "tokens.answer:tokens_batch", ("epoch",), is_final=True),
    View(_SAMPLE, "tokens.answer:sample", is_final=True),
    View(_SAMPLE + "/tokens/{token}", "tokens.answer:trace", is_final=True),
    View(f"{_STEP}/what-if", "whatif.answer:recorded", ("sample", "token", "what"), is_final=True),
    View("notebook/what-if", "whatif.answer:notebook", ("sample", "token", "what"), is_final=True),
    View("stages", "update.answer:words", is_final=True),
    View("runs/{run}/updates/{job}", "update.answer:update", ("token", "epoch"), is_final=True),
)


class Door:
    """An ASGI application that answers one view."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answered(scope, send, self._answer(scope))

    async def _answer(self, scope: Scope) -> Answer:
        view, path = self._view, {name: text for name, text in scope["path_params"].items() if name != "base"}
        query = query_of(scope)
        check_names(query, view.names)
        run = path.pop("run", "")
        folder = FOLDER.find(run) if run else runs_folder()
        asked = Asked(run, folder, path, query)
        version = "" if view.is_final or not run else (await to_thread(WATCHER.now, run)).version
        if not run and not view.is_final:
            return Answer.of(await _in_thread(view, asked))
        key = (view.path, folder, tuple(path.items()), tuple(sorted(query.items())), version)
        return await ANSWERS.get(key, lambda: Answer.of(view.make(asked), view.is_final))


async def _in_thread(view: View, asked: Asked) -> Any:
    return await ANSWERS.work(lambda: view.make(asked))


async def now(scope: Scope, receive: Receive, send: Send) -> None:
    """How the run of the query stands, as the stream tells it: for those whom no stream reaches."""
    await _answered(scope, send, _now(scope))


async def _now(scope: Scope) -> Answer:
    return Answer.of(asdict(await ANSWERS.work(lambda: WATCHER.now(_run_of(scope)))))


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """The changes of the run of the query, as server-sent events."""
    try:
        _only_get(scope)
        run, last = _run_of(scope), Headers(scope=scope).get("last-event-id", "")
        await STREAMS.serve(run, last, receive, send)
    except RefusedError as refusal:
        await _send(scope, send, error_answer(refusal))


def _run_of(scope: Scope) -> str:
    query = query_of(scope)
    check_names(query, ("run",))
    run = query.get("run", "")
    if run:
        FOLDER.find(run)
    return run


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of the query, each once."""
    if len(scope["query_string"]) > LONGEST_QUERY:
        raise RefusedError(414, f"the query has more than {LONGEST_QUERY} characters")
    pairs = QueryParams(scope["query_string"]).multi_items()
    query = dict(pairs)
    if len(query) < len(pairs):
        raise RefusedError(400, "a parameter is given twice")
    query.pop(CODE, None)
    return query


async def _answered(scope: Scope, send: Send, making: Any) -> None:
    try:
        _only_get(scope)
        answer = await making
    except RefusedError as refusal:
        making.close()
        answer = error_answer(refusal)
    except PPOEngineError as error:
        answer = error_answer(RefusedError(500, str(error)))
    await _send(scope, send, answer)


def _only_get(scope: Scope) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        raise RefusedError(405, f"{scope['method']}: only GET and HEAD; nothing can be changed here")


async def _send(scope: Scope, send: Send, answer: Answer) -> None:
    headers = Headers(scope=scope)
    encoding = encoding_for(headers.get("accept-encoding", ""), answer)
    own = [*answer.headers(encoding), (b"cross-origin-resource-policy", b"same-origin")]
    held = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    is_known = answer.status == 200 and answer.tag(encoding) in held
    body = b"" if is_known else await ANSWERS.encoded(answer, encoding)
    if not is_known:
        own.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 304 if is_known else answer.status, "headers": own})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class _App:
    """Makes a function an ASGI application in the eyes of Starlette's router."""

    def __init__(self, function: Callable[[Scope, Receive, Send], Any]) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._function(scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = RefusedError(404, f"{scope['path'][:200]}: no such view; see the README for those there are")
    await _send(scope, send, error_answer(refusal))


_APPS: dict[str, Any] = {
    **{view.path: Door(view) for view in VIEWS},
    "now": _App(now),
    "stream": _App(stream),
    "{rest:path}": _App(_nowhere),
}
ROUTES = [Route(f"{base}/{PATH}/{path}", app) for base in ("", "/{base:path}") for path, app in _APPS.items()]
"""At the root, and below any path that a proxy or `server.baseUrlPath` puts the pages."""
