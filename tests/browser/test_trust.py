"""A few kills and presses of `trust.py`, which does them at full length."""

from __future__ import annotations

import random
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.conftest import Server
from tests.browser.trust import kill_again_and_again, press_from_two_tabs


def test_a_killed_server_loses_nothing_and_its_run_resumes_with_one_click(browser: Browser, tmp_path: Path) -> None:
    report = kill_again_and_again(browser, tmp_path, kills=2, rng=random.Random(0))
    assert report.kills == 2 and report.broken == []


def test_two_tabs_pressing_against_each_other_leave_a_legal_run(browser: Browser, server: Server) -> None:
    report = press_from_two_tabs(browser, server, presses=24, rng=random.Random(0))
    assert report.presses == 24 and report.broken == []
