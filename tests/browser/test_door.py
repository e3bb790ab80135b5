"""The data door from outside: what the README shows, whose pages may read, streams and their substitute."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from ppo_engine import Config, RunReader, session
from ppo_engine.store import list_runs
from tests.browser.board import SMALL, press, wait_for_state, wait_for_step
from tests.browser.conftest import Server

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def recorded(shared_server: Server, tiny: Callable[..., Config]) -> Path:
    """A finished run of three steps in the server's folder."""
    folder, owner = session.create(tiny(steps=3), "tiny-reviews", shared_server.runs)
    owner.run()
    return folder


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_readmes_examples_run(recorded: Path, shared_server: Server) -> None:
    def here(example: str) -> str:
        return example.replace("localhost:8501", f"127.0.0.1:{shared_server.port}").replace(
            "RUN", recorded.name
        )

    (example,) = (block for block in blocks("python") if "urlopen" in block)
    done = subprocess.run([sys.executable, "-c", here(example)], capture_output=True, text=True, timeout=60)
    score = RunReader(recorded).step(3).metrics["env/reward_mean"]
    assert done.returncode == 0 and f"{score:.6f}"[:6] in done.stdout, done
    (commands,) = (block for block in blocks("bash") if "curl" in block)
    runs, head, stream = here(commands).strip().splitlines()
    for command, words in ((runs, '"runs":'), (head, '"state":"finished"')):
        shown = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
        assert words in shown.stdout and json.loads(shown.stdout), command
    told = subprocess.run(
        stream.replace("curl", "curl -m 2"), shell=True, capture_output=True, text=True, timeout=60
    )
    assert '"state": "finished"' in told.stdout


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://127.0.0.1:9"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "example.org"}, 403),
    ],
)
@pytest.mark.parametrize("view", ["runs", "now", "runs/example/head"])
def test_runs_are_read_by_the_servers_own_pages_alone(
    view: str, headers: dict[str, str], status: int, shared_server: Server
) -> None:
    sent = {name: value.format(port=shared_server.port) for name, value in headers.items()}
    request = urllib.request.Request(f"{shared_server.url}/data/v1/{view}", headers=sent)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


LIVE = [
    ({"step": "77", "sample": "2"}, "step = 77: the last step is 3; showing step 3"),
    ({"step": "0", "sample": "2"}, "step = 0: its batch is not stored; showing step 1"),
    ({"step": "x", "sample": "2"}, "step = x: must be a whole number, 0 or more"),
    ({"step": "9" * 30}, "must be a whole number, 0 or more"),
    ({"step": "2", "sample": "99"}, "sample = 99: step 2 has samples 0 to 7"),
    ({"sample": "2"}, "sample = 2: the step must be given too"),
]
TOKENS = [
    ({"step": "2", "sample": "99"}, "sample = 99: step 2 has samples 0 to 7; showing 0"),
    ({"step": "2", "sample": "0", "token": "99"}, "token = 99: sample 0 has"),
    ({"step": "2", "epoch": "9"}, "epoch = 9: the update of step 2 has epochs 0 to 1; showing 1"),
    ({"colour": "red"}, "colour = red: must be one of old_logprob, ref_logprob, value, advantage"),
    ({"step": "-1"}, "step = -1: must be a whole number, 0 or more"),
]
WHAT_IF = [
    ({"step": "2", "sample": "99"}, "sample = 99: the batch has samples 0 to 7; showing 7"),
    ({"step": "2", "what": "nope:1"}, "nope: no such what-if setting; allowed: gamma, lam"),
    ({"step": "2", "what": "gamma:7"}, "gamma = 7: must be a number from 0 to 1"),
    ({"example": "other"}, "example = other: must be notebook"),
]
UPDATE = [
    ({"stage": "77"}, "stage = 77: must be from 1 to 11; showing 11"),
    ({"job": "x"}, "job = x: must be"),
]


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        *(("", *one) for one in LIVE),
        *(("tokens", *one) for one in TOKENS),
        *(("what_if", *one) for one in WHAT_IF),
        *(("update", *one) for one in UPDATE),
    ],
    ids=lambda x: str(x)[:40],
)
def test_what_an_address_asks_for_in_vain_is_named(
    path: str, query: dict[str, str], words: str, recorded: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{path}?{urlencode({**query, 'run': recorded.name})}")
    problems = page.locator(".ppo-board .problems:visible, .ppo-board .notice.bad:visible")
    expect(problems.filter(has_text=words)).to_have_count(1)


def test_what_is_there_is_shown_without_a_word(recorded: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(f"?{urlencode({'run': recorded.name, 'step': 1, 'sample': 3})}")
    expect(page.locator(".ppo-board h2", has_text="Sample 3 of step 1")).to_be_visible()
    assert page.locator(".ppo-board .problems:visible").count() == 0
    page.goto(page.url.replace("?", "tokens?") + "&token=0&epoch=1&colour=kl")
    expect(page.locator(".microscope h2", has_text="Sample 3 of 8")).to_be_visible()
    expect(page.get_by_label("What colours the tokens")).to_have_value("kl")
    assert page.locator(".ppo-board .problems:visible").count() == 0


def test_choosing_runs_no_script(recorded: Path, open_page: Callable[..., Page]) -> None:
    """A sample, a token, a step, an epoch, a colour: the browser fetches them, and its address has them."""
    page = open_page(f"tokens?run={recorded.name}")
    page.locator(".microscope .strip .token").first.wait_for()
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    page.locator(".microscope .strip .token").first.wait_for()
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
    )
    before = len(sent)
    page.keyboard.press("j")
    expect(page.locator(".microscope h2", has_text="Sample 1 of 8")).to_be_visible()
    page.locator(".microscope .strip .token").nth(1).click()
    expect(page.locator(".microscope .token.chosen")).to_have_attribute("data-token", "1")
    page.keyboard.press("[")
    expect(page.locator(".microscope h2", has_text="Step 2")).to_be_visible()
    page.get_by_label("Epoch of the update").select_option("0")
    page.get_by_label("What colours the tokens").select_option("ratio")
    page.wait_for_url("**colour=ratio**")
    for part in ("step=2", "sample=1", "token=1", "epoch=0", f"run={recorded.name}"):
        assert part in page.url
    assert len(sent) == before


def test_pages_beyond_a_browsers_streams_and_without_any_follow_the_run_too(
    open_page: Callable[..., Page], tabs: BrowserContext, server: Server
) -> None:
    """A browser has six connections to a server; and a proxy may keep a stream's events to itself."""
    pages = [open_page(f"?{SMALL}&steps=100000".replace("steps=400&", "")) for _ in range(8)]
    press(pages[0], "Start")
    for page in pages:
        wait_for_step(page, 3)
    swallowed = tabs.new_page()

    def swallow(route: Route) -> None:
        if "/stream" not in route.request.url:
            route.fallback()  # else it is never answered

    swallowed.route("**/data/v1/**", swallow)
    swallowed.goto(server.url)
    wait_for_step(swallowed, RunReader(list_runs(server.runs)[0]).info().last_step + 2)
    press(pages[0], "Pause")
    wait_for_state(swallowed, "paused")
    swallowed.close()


def test_a_run_of_another_process_appears_live(open_page: Callable[..., Page], server: Server) -> None:
    page = open_page()
    before = list_runs(server.runs)
    command = [sys.executable, "-m", "ppo_engine", "train", "--preset", "tiny-reviews"]
    settings = [part for one in SMALL.replace("steps=400", "steps=6").split("&") for part in ("--set", one)]
    with subprocess.Popen(
        [*command, *settings, "--runs", str(server.runs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as trainer:
        page.wait_for_function(
            "name => document.querySelector('.ppo-board .top .name')?.textContent !== name",
            arg=page.locator(".ppo-board .top .name").first.inner_text(),
        )
        wait_for_state(page, "finished")
        assert trainer.wait(60) == 0
    newest = list_runs(server.runs)[0]
    assert newest not in before
    assert page.locator(".ppo-board .top .name").first.inner_text() == RunReader(newest).info().name


def test_ctrl_c_does_not_wait_for_those_who_look_on(tmp_path: Path) -> None:
    server = Server(tmp_path / "runs")
    looking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    looking.request("GET", "/data/v1/stream")
    answer = looking.getresponse()
    assert answer.status == 200 and answer.readline().startswith(b"retry")
    server.stop()  # fails after 15 s
    answer.read()  # comes to an end
    looking.close()
