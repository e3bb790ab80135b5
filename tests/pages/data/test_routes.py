"""The door from outside: every view answers, what it may be told to keep, how it is compressed, what it
refuses and with which words.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pages.data import watcher
from pages.data.folder import EXAMPLE
from pages.data.routes import LONGEST_QUERY, VIEWS, View
from ppo_engine import RunReader
from ppo_engine.store import add_note, read_job
from ppo_engine.store.batches import _DELETIONS
from ppo_engine.store.catalog import move_to_trash
from ppo_engine.store.checks import seal_step
from ppo_engine.store.schema import connect
from tests.pages.door import answer, ask

QUERIES = {"compare": "?runs={run}", "runs/{run}/prompts/{prompt}": "?at={step}"}
"""What a view cannot do without."""


def filled(view: View, run: str, step: int) -> str:
    return (view.path + QUERIES.get(view.path, "")).format(
        run=run, step=step, sample=1, token=0, prompt=0, job=1
    )


OF_RUNS = [view for view in VIEWS if view.path not in ("runs", "stages", "notebook/what-if")]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.path)
def test_every_view_answers_for_a_run_that_was_just_trained(view: View, recorded: Path) -> None:
    assert answer(filled(view, recorded.name, 3))


@pytest.mark.parametrize(
    "view", [view for view in OF_RUNS if "{job}" not in view.path], ids=lambda view: view.path
)
def test_every_view_answers_for_the_recorded_example(view: View, runs: Path) -> None:
    assert answer(filled(view, EXAMPLE.name, 40))


def test_only_what_a_run_can_still_change_is_asked_for_again() -> None:
    growing = {"head", "line", "live", "curves", "evaluations", "steps"}
    asked_again = {"runs", "compare", *(f"runs/{{run}}/{name}" for name in growing)}
    assert {view.path for view in VIEWS if not view.is_final} == asked_again


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.path)
def test_what_may_be_kept_for_good_is_said(view: View, recorded: Path) -> None:
    reply = ask(filled(view, recorded.name, 3))
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == (
        "public, max-age=31536000, immutable" if view.is_final else "no-cache"
    )
    assert re.fullmatch(r'"[0-9a-f]+"', reply.headers["etag"]), "strong, since it has no W/"
    assert reply.headers["vary"] == "accept-encoding"
    assert int(reply.headers["content-length"]) == len(reply.sent)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.path)
@pytest.mark.parametrize("encoding", ["", "gzip", "zstd"])
def test_what_a_client_has_is_not_sent_again(view: View, encoding: str, recorded: Path) -> None:
    path, accepted = filled(view, recorded.name, 3), {"Accept-Encoding": encoding}
    tag = ask(path, accepted).headers["etag"]
    for held in (tag, f'"other", {tag}', f"W/{tag}"):
        again = ask(path, {**accepted, "If-None-Match": held})
        assert (again.status, again.sent, again.headers["etag"]) == (304, b"", tag)
    assert ask(path, {**accepted, "If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("GZIP", "gzip"),
        ("zstd;q=0, gzip;q=0.5", "gzip"),
        ("zstd; q=0.0, gzip; q=0", None),
        ("gzip;q=much", None),
        ("br", None),
        ("identity", None),
        ("", None),
    ],
)
def test_a_client_gets_what_it_can_read(accepted: str, encoding: str | None, recorded: Path) -> None:
    path = f"runs/{recorded.name}/steps/3"
    plain, reply = ask(path), ask(path, {"Accept-Encoding": accepted})
    assert reply.headers.get("content-encoding") == encoding and reply.body == plain.sent
    assert len(reply.sent) < len(plain.sent) / 2 if encoding else reply.sent == plain.sent
    assert (reply.headers["etag"] == plain.headers["etag"]) == (encoding is None), "of the bytes as sent"


def test_what_is_small_is_not_compressed(recorded: Path) -> None:
    reply = ask(f"runs/{recorded.name}/steps", {"Accept-Encoding": "gzip, zstd"})
    assert "content-encoding" not in reply.headers and json.loads(reply.sent) == {"steps": [1, 2, 3]}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["runs", "stages", "now", "stream", "nowhere"])
def test_nothing_is_changed_here(method: str, path: str, runs: Path) -> None:
    reply = ask(path, method=method)
    assert reply.status == (404 if path == "nowhere" else 405) and reply.error
    assert "etag" not in reply.headers and reply.headers["cache-control"] == "no-store"


def test_head_is_get_without_the_body(recorded: Path) -> None:
    path = f"runs/{recorded.name}/steps/3"
    get, head = ask(path), ask(path, method="HEAD")
    assert (head.status, head.sent, head.headers) == (200, b"", get.headers)


REFUSED = [
    ("nowhere", 404, "/data/v1/nowhere: no such view"),
    ("runs/{run}", 404, "no such view"),
    ("runs/{run}/steps/1/extra/2", 404, "no such view"),
    ("runs/20200101-nobody/head", 404, "run = 20200101-nobody: no such run"),
    ("runs/{run}/steps/77", 404, "step = 77: its tokens are not stored; choose one of those"),
    ("runs/{run}/steps/0", 404, "step = 0: its tokens are not stored"),
    ("runs/{run}/steps/x", 400, "step = x: must be a whole number, 0 or more"),
    ("runs/{run}/steps/-1", 400, "step = -1: must be a whole number, 0 or more"),
    ("runs/{run}/steps/%C2%B2", 400, "step = ²: must be a whole number"),
    ("runs/{run}/steps/1.5", 400, "step = 1.5: must be a whole number"),
    ("runs/{run}/steps/" + "9" * 90, 400, "step = " + "9" * 60 + ": must be"),
    ("runs/{run}/steps/3?columns=reward,nope", 400, "columns = nope: no such column; allowed: token_id"),
    ("runs/{run}/steps/3/tokens?epoch=9", 404, "epoch = 9: the update of step 3 has epochs 0 to 2"),
    ("runs/{run}/steps/3/tokens?epoch=-1", 400, "epoch = -1: must be a whole number, 0 or more"),
    ("runs/{run}/steps/3/tokens?epoch=", 400, "epoch = : must be a whole number"),
    ("runs/{run}/steps/3/samples/99", 404, "sample = 99: step 3 has samples 0 to 23"),
    ("runs/{run}/steps/77/samples/0", 404, "step = 77: its tokens are not stored"),
    ("runs/{run}/steps/3/samples/99/tokens/0", 404, "sample = 99: step 3 has samples 0 to 23"),
    ("runs/{run}/steps/3/samples/0/tokens/99", 404, "token = 99: sample 0 of step 3 has token"),
    ("runs/{run}/steps/77/what-if", 404, "step = 77: its tokens are not stored"),
    ("runs/{run}/steps/3/what-if?sample=x", 400, "sample = x: must be a whole number"),
    ("runs/{run}/evaluations/77", 404, "step = 77: no held-out texts; `evaluations` lists"),
    ("runs/{run}/prompts/0?at=77", 404, "at = 77: no evaluation; `evaluations` lists"),
    ("runs/{run}/updates/88", 404, "job = 88: the run has only job 1"),
    ("runs/{run}/updates/0", 404, "job = 0: the run has only job 1"),
    ("runs/{run}/updates/x", 400, "job = x: must be a whole number"),
    ("runs/{run}/updates/1?token=99.0", 404, "token = 99.0: sample 99 does not exist"),
    ("runs/{run}/updates/1?token=0.99", 404, "token = 0.99: sample 0 has tokens 0 to"),
    ("runs/{run}/updates/1?token=x", 400, "token = x: must be a sample index and a token index, as in 0.3"),
    ("runs/{run}/updates/1?epoch=99", 404, "epoch = 99: must be one of 1, 2, 3, 0, where 0 is after"),
    ("runs/{run}/head?after=-2", 400, "after = -2: must be a whole number, -1 or more"),
    ("runs/{run}/head?events=x", 400, "events = x: must be a whole number"),
    ("runs/{run}/line?after=1", 400, "after: no such parameter; there are none here"),
    ("runs/{run}/curves?step=1", 400, "step: no such parameter; allowed: from, to, points"),
    ("runs/{run}/curves?from=1&from=2", 400, "a parameter is given twice"),
    ("runs/{run}/curves?points=" + "1" * 2000, 414, f"the query has more than {LONGEST_QUERY} characters"),
    ("compare", 400, "runs = : must be 1 to 20 run ids"),
    ("compare?runs={run},nobody", 404, "run = nobody: no such run"),
    ("compare?runs={run}&metrics=nope", 400, "metrics = nope: no such metric"),
    ("compare?runs=" + ",".join(map(str, range(21))), 400, "must be 1 to 20 run ids"),
    ("now?run=nobody", 404, "run = nobody: no such run"),
    ("now?step=1", 400, "step: no such parameter; allowed: run"),
    ("stream?run=nobody", 404, "run = nobody: no such run"),
]


@pytest.mark.parametrize(("path", "status", "words"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_refusal_names_what_was_asked_and_what_is_there(
    path: str, status: int, words: str, recorded: Path
) -> None:
    reply = ask(path.replace("{run}", recorded.name))
    assert (reply.status, words in reply.error) == (status, True), (reply.status, reply.error)
    assert "etag" not in reply.headers and reply.headers["cache-control"] == "no-store"


OUTSIDE = ["..", ".", "%2e%2e", "%2e%2e%2f", "../outside", "..%2Foutside", "a/b", "a%2Fb", "%2Fetc", ".trash",
           "outside%00", "..\\outside", "{folder}"]  # fmt: skip


@pytest.mark.parametrize("path", ["runs/{}/head", "runs/{}/steps/1", "now?run={}", "stream?run={}",
                                  "compare?runs={}"])  # fmt: skip
def test_no_id_leads_out_of_the_folder(path: str, finished: Path, runs: Path) -> None:
    """A run lies beside the folder, and nothing finds it."""
    outside = shutil.copytree(finished, runs.parent / "outside")
    for run in OUTSIDE:
        reply = ask(path.format(run.replace("{folder}", quote(str(outside), safe=""))))
        assert reply.status == 404 and reply.error, run


def test_a_run_in_the_trash_is_not_there(finished: Path) -> None:
    assert ask(f"runs/{finished.name}/head").status == 200
    move_to_trash(finished)
    for path in ("runs/{run}/head", "runs/{run}/steps/1", "now?run={run}", "compare?runs={run}"):
        reply = ask(path.format(run=finished.name))
        assert reply.status == 404 and f"run = {finished.name}: no such run" in reply.error, path
    assert answer("runs") == {"runs": [], "damaged": []}


HOSTILE = "</script><script>alert(1)</script> \u202eRTL\u200f \u2028 '\"&amp; \x1b[31m"


def test_hostile_text_stays_text(finished: Path) -> None:
    texts = [HOSTILE, "NUL \0 inside", "half of a pair: \ud800"]
    with closing(connect(finished, read_only=False)) as connection:
        connection.execute(
            "update samples set query = ?, response = ? where step = 2 and split = 'train'",
            (HOSTILE, texts[1]),
        )
        seal_step(connection, 2)
        connection.execute("update run set name = ?", (HOSTILE,))
    add_note(finished, 1, texts[2])
    reply = ask(f"runs/{finished.name}/steps/2")
    assert reply.headers["content-type"] == "application/json"
    assert [(one["query"], one["response"]) for one in reply.data["samples"]] == [(HOSTILE, texts[1])] * 8
    assert answer(f"runs/{finished.name}/line")["run"]["name"] == HOSTILE
    shown = answer(f"runs/{finished.name}/live")["parts"]["history"]["items"]
    assert any("half of a pair" in item["text"] for item in shown)


def test_a_hostile_address_is_answered_in_json(runs: Path) -> None:
    reply = ask(f"runs/{quote(HOSTILE, safe='')}/head")
    assert reply.status == 404 and HOSTILE[:20] in reply.error
    assert ask(f"runs?{quote(HOSTILE)}=1").status == 400


def test_what_is_not_finite_is_null(finished: Path) -> None:
    with closing(connect(finished, read_only=False)) as connection:
        connection.execute("update samples set score = ? where sample = 0", (float("inf"),))
        seal_step(connection, 2)
    reply = ask(f"runs/{finished.name}/steps/2")
    assert reply.data["samples"][0]["score"] is None and reply.data["samples"][1]["score"] is not None


def test_a_mutable_answer_follows_the_store_and_reads_it_once_a_version(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    columns = RunReader.columns
    monkeypatch.setattr(RunReader, "columns", lambda *a, **k: read.append(a) or columns(*a, **k))
    path = f"runs/{finished.name}/live"
    first = ask(path)
    count = len(read)
    assert count
    for _ in range(3):
        assert ask(path, {"If-None-Match": first.headers["etag"]}).status == 304
    assert len(read) == count
    add_note(finished, 1, "a remark")
    second = ask(path, {"If-None-Match": first.headers["etag"]})
    assert second.status == 200 and "a remark" in second.body.decode() and len(read) > count


@pytest.mark.parametrize("base", ["/x", "/at/a/proxy"])
def test_the_door_is_below_whatever_path_the_pages_are(base: str, recorded: Path) -> None:
    path = f"runs/{recorded.name}/steps/3"
    assert ask(path, base=base).sent == ask(path).sent
    assert ask("now", base=base).status == 200
    assert ask("nowhere", base=base).error


def test_the_codes_version_changes_nothing(recorded: Path) -> None:
    assert ask("stages?code=abc").sent == ask("stages").sent
    assert ask(f"runs/{recorded.name}/steps?code=abc&after=1").data == {"steps": [2, 3]}


def test_a_step_whose_batch_was_thinned_is_not_there(finished: Path) -> None:
    with closing(connect(finished, read_only=False)) as connection:
        for deletion in _DELETIONS:
            connection.execute(deletion, (1,))
    assert answer(f"runs/{finished.name}/steps") == {"steps": [2]}
    for rest in ("", "/tokens", "/samples/0", "/samples/0/tokens/0", "/what-if"):
        reply = ask(f"runs/{finished.name}/steps/1{rest}")
        assert reply.status == 404 and reply.error.startswith("step = 1: its tokens are not stored")


def test_a_damaged_store_is_said_in_a_sentence(finished: Path) -> None:
    with closing(connect(finished, read_only=False)) as connection:
        connection.execute("update token_blocks set block = substr(block, 1, 100)")
    for rest in ("", "/tokens", "/samples/0", "/what-if"):
        reply = ask(f"runs/{finished.name}/steps/2{rest}")
        assert reply.status == 500 and "damaged tokens" in reply.error and "Traceback" not in reply.error


def test_now_says_how_a_run_stands(finished: Path) -> None:
    told = ask(f"now?run={finished.name}").data
    assert (told["run"], told["step"], told["state"]) == (finished.name, 2, "finished")
    assert told["stamp"] == watcher.read_change(finished.name).stamp
    nothing = ask("now").data
    assert (nothing["run"], nothing["step"], nothing["state"]) == ("", -1, "")


def test_an_update_is_asked_for_by_its_number_only(recorded: Path) -> None:
    assert read_job(recorded, 1).state == "done"
    assert answer(f"runs/{recorded.name}/updates/1")["token"]
