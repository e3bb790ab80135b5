"""A few kills and presses of `trust.py`, which does them at full length."""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from ppo_engine import RunReader
from ppo_engine.store import list_runs
from tests.browser.board import LONG, press, wait_for_state, wait_for_step
from tests.browser.conftest import Server
from tests.browser.trust import kill_again_and_again, open_on, press_from_two_tabs


def test_a_killed_server_loses_nothing_and_its_run_resumes_with_one_click(
    tabs: BrowserContext, tmp_path: Path
) -> None:
    report = kill_again_and_again(tabs, tmp_path, kills=1, rng=random.Random(0))
    assert report.kills == 1 and report.broken == []


def test_two_tabs_pressing_against_each_other_leave_a_legal_run(tabs: BrowserContext, server: Server) -> None:
    report = press_from_two_tabs(tabs, server, presses=5, rng=random.Random(0))
    assert report.presses >= 5 and report.broken == []


def test_a_second_server_watches_and_takes_over_only_from_the_dead(
    tabs: BrowserContext, tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as both:
        first, second = both.map(Server, [tmp_path / "runs"] * 2)
    owner, guest = open_on(tabs, first, f"?{LONG}"), open_on(tabs, second)
    try:
        press(owner, "Start")
        wait_for_state(guest, "running")
        wait_for_step(guest, 2)
        for name in ("Pause", "Step", "Stop"):
            expect(guest.get_by_role("button", name=name).first).to_be_disabled()
        expect(guest.get_by_text(f"Owned by process {first.process.pid}")).to_be_visible()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        wait_for_state(guest, "interrupted")
        press(guest, "Resume")
        wait_for_state(guest, "running")
        assert RunReader(list_runs(second.runs)[0]).info().owner.pid == second.process.pid
        wait_for_step(guest, 4)
    finally:
        owner.close()
        guest.close()
        for server in (first, second):
            if server.process.poll() is None:
                server.stop()
