"""The playground's jobs: answered between steps, on the run's own models, without leaving a trace
in the run.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ppo_engine import session
from ppo_engine.errors import CheckpointError, ConfigError, StoreError
from ppo_engine.records import first_difference
from ppo_engine.session.jobs import work as work_module
from ppo_engine.session.jobs.requests import PlaygroundRequest
from ppo_engine.session.jobs.work import work
from ppo_engine.store import DATABASE, Job, ask_job, checkpoint_files, read_job, take_job
from tests.engine.runs import PATIENCE_S, Run

QUESTION: dict[str, Any] = {
    "opening": "the film",
    "sources": ["policy", "reference"],
    "count": 3,
    "length": 6,
    "temperature": 1.0,
    "seed": 5,
}


def answer(folder: Path, number: int) -> Job:
    give_up = time.monotonic() + PATIENCE_S
    while (job := read_job(folder, number)).state in ("queued", "working"):
        assert time.monotonic() < give_up, "the job was never done"
        time.sleep(0.01)
    return job


def texts(job: Job, source: int) -> list[str]:
    assert job.result is not None and "error" not in job.result, job.result
    return [sample["text"] for sample in job.result["sources"][source]["samples"]]


def test_the_untrained_policy_and_the_reference_say_the_same_with_the_same_numbers(
    begin: Callable[..., Run],
) -> None:
    run = begin(steps=2)
    run.hold_at(0)
    first, again = (session.ask(run.folder, PlaygroundRequest(**QUESTION)) for _ in range(2))
    other = session.ask(run.folder, PlaygroundRequest(**{**QUESTION, "seed": 6}))
    run.let_go()
    run.join()
    jobs = [answer(run.folder, number) for number in (first, again, other)]
    assert jobs[0].state == "done"
    assert texts(jobs[0], 0) == texts(jobs[0], 1) == texts(jobs[1], 0)
    assert texts(jobs[2], 0) != texts(jobs[0], 0)
    sample = jobs[0].result["sources"][0]["samples"][0]  # type: ignore[index]
    assert 1 <= len(sample["tokens"]) <= QUESTION["length"] and all(0 < p <= 1 for _, p in sample["tokens"])


def test_a_paused_run_answers_with_checkpoints_too(begin: Callable[..., Run]) -> None:
    run = begin(steps=4, checkpoint_every=1, learning_rate=0.02)
    run.hold_at(2)
    run.tell("pause")
    run.let_go()
    run.wait_for_state("paused")
    job = answer(
        run.folder,
        session.ask(
            run.folder,
            PlaygroundRequest(**{**QUESTION, "sources": ["policy", 2, 1, "reference"], "count": 8}),
        ),
    )
    assert job.result is not None
    assert [source["name"] for source in job.result["sources"]] == [
        "policy after step 2",
        "policy after step 2",
        "policy after step 1",
        "reference",
    ]
    assert texts(job, 0) == texts(job, 1) != texts(job, 3)
    assert texts(job, 2) not in (texts(job, 1), texts(job, 3))


def test_a_run_that_was_asked_is_the_run_that_was_not(begin: Callable[..., Run]) -> None:
    quiet, asked = begin(steps=4), begin(steps=4)
    quiet.thread.start()
    quiet.join()
    asked.hold_at(1)
    number = session.ask(asked.folder, PlaygroundRequest(**{**QUESTION, "count": 5}))
    asked.let_go()
    asked.join()
    assert answer(asked.folder, number).state == "done"
    for one, other in zip(quiet.reader.steps(), asked.reader.steps(), strict=True):
        assert first_difference(one.metrics, other.metrics) == ""


IMPOSSIBLE_QUESTIONS: list[tuple[dict[str, Any], str]] = [
    ({"count": 17}, "count = 17: must be a whole number from 1 to 16"),
    ({"temperature": 0}, "temperature = 0: must be a number above 0 and at most 10"),
    ({"sources": []}, "sources: select at least one"),
    ({"sources": [99]}, "sources = 99: this checkpoint was deleted"),
    ({"opening": "film " * 80}, "the policy's context is 64 tokens"),
    ({"length": 0}, "length = 0: must be"),
]


def test_a_question_that_cannot_be_is_answered_with_why(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.hold_at(1)
    numbers = [
        session.ask(run.folder, PlaygroundRequest(**{**QUESTION, **change}))
        for change, _ in IMPOSSIBLE_QUESTIONS
    ]
    run.let_go()
    assert run.join() == "finished"
    for number, (_, problem) in zip(numbers, IMPOSSIBLE_QUESTIONS, strict=True):
        job = answer(run.folder, number)
        assert job.state == "failed" and job.result is not None and problem in job.result["error"]


def test_an_empty_opening_begins_a_text(begin: Callable[..., Run]) -> None:
    run = begin(steps=1)
    run.hold_at(0)
    number = session.ask(run.folder, PlaygroundRequest(**{**QUESTION, "opening": ""}))
    run.let_go()
    run.join()
    assert len(texts(answer(run.folder, number), 0)) == 3


def test_a_worker_answers_for_a_run_that_has_ended(begin: Callable[..., Run]) -> None:
    run = begin(steps=2)
    run.thread.start()
    run.join()
    try:
        job = answer(run.folder, session.ask(run.folder, PlaygroundRequest(**QUESTION)))
        assert job.result is not None and job.result["sources"][0]["name"] == "policy after step 2"
        assert run.reader.info().state == "finished", "a worker is no owner"
    finally:
        session.shutdown()


def test_what_a_dead_worker_had_taken_is_done_by_the_next(begin: Callable[..., Run]) -> None:
    run = begin(steps=1)
    run.thread.start()
    run.join()
    number = ask_job(run.folder, "playground", QUESTION)
    code = (
        "from pathlib import Path; from ppo_engine.store import take_job; "
        f"take_job(Path({json.dumps(str(run.folder))}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_job(run.folder, number).state == "working" and take_job(run.folder) is None
    work(run.folder, patience_s=0.5)
    assert read_job(run.folder, number).state == "done"


def test_a_worker_that_cannot_load_the_models_says_so(begin: Callable[..., Run]) -> None:
    run = begin(steps=1)
    run.thread.start()
    run.join()
    for made in checkpoint_files.list_checkpoints(run.folder):
        (made.folder / "trainer.json").write_text("[")
        manifest = json.loads((made.folder / "manifest.json").read_text())
        del manifest["files"]["trainer.json"]  # not told from what was written, so found out only on loading
        (made.folder / "manifest.json").write_text(json.dumps(manifest))
    number = ask_job(run.folder, "playground", QUESTION)
    with pytest.raises(CheckpointError):
        work(run.folder)
    job = read_job(run.folder, number)
    assert job.state == "failed" and job.result is not None and "could not be loaded" in job.result["error"]


def test_a_damaged_request_fails_alone(begin: Callable[..., Run]) -> None:
    """It neither ends the run that would have answered it nor holds up the next."""
    run = begin(steps=2)
    run.hold_at(1)
    damaged = session.ask(run.folder, PlaygroundRequest(**QUESTION))
    following = session.ask(run.folder, PlaygroundRequest(**QUESTION))
    with closing(sqlite3.connect(run.folder / DATABASE)) as connection, connection:
        connection.execute("update jobs set payload = '{bad' where id = ?", (damaged,))
    run.let_go()
    assert run.join() == "finished"
    assert read_job(run.folder, following).state == "done"
    with closing(sqlite3.connect(run.folder / DATABASE)) as connection:
        state, result = connection.execute(
            "select state, result from jobs where id = ?", (damaged,)
        ).fetchone()
    assert state == "failed" and "the request is damaged" in json.loads(result)["error"]


def test_an_answer_that_cannot_be_stored_ends_no_training(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    run = begin(steps=2)
    run.hold_at(1)
    number = session.ask(run.folder, PlaygroundRequest(**QUESTION))
    monkeypatch.setattr(work_module, "finish_job", full)
    run.let_go()
    assert run.join() == "finished" and run.reader.info().last_step == 2
    assert read_job(run.folder, number).state == "working"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"opening": 7}, "opening = 7: must be text"),
        ({"count": "3"}, "count = 3: must be a whole number from 1 to 16"),
        ({"temperature": "1"}, "temperature = 1: must be a number above 0 and at most 10"),
        ({"seed": 2**31}, f"seed = {2**31}: must be a whole number from 0 to {2**31 - 1}"),
        ({"sources": "policy"}, "sources: select at least one"),
        ({"sources": ["polcy"]}, "sources = polcy: must be policy, reference or the step of a checkpoint"),
        ({"sources": [True]}, "sources = True: must be policy, reference or the step of a checkpoint"),
        ({"wings": 2}, "playground: "),
    ],
)
def test_a_request_of_another_type_is_refused_by_field_and_value(
    change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        PlaygroundRequest.read({**QUESTION, **change})
    assert any(one.startswith(problem) for one in refused.value.problems)
