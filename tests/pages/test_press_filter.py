"""What a timer's message loses on its way in, and what no message may lose."""

from __future__ import annotations

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from pages.ui.press_filter import without_timed_presses


def message(timed: bool, pressed: bool = True) -> BackMsg:
    made = BackMsg()
    made.rerun_script.is_auto_rerun = timed
    made.rerun_script.fragment_id = "buttons"
    made.rerun_script.widget_states.widgets.add(id="speed", int_value=3)
    if pressed:
        made.rerun_script.widget_states.widgets.add(id="step", trigger_value=True)
        made.rerun_script.widget_states.widgets.add(id="board", json_trigger_value="[1]")
    return made


def test_a_timer_presses_nothing() -> None:
    passed = without_timed_presses(message(timed=True).SerializeToString())
    assert BackMsg.FromString(passed) == message(timed=True, pressed=False)


@pytest.mark.parametrize(
    "frame",
    [
        message(timed=False).SerializeToString(),
        message(timed=True, pressed=False).SerializeToString(),
        BackMsg(stop_script=True).SerializeToString(),
        b"\xff not a message",
        b"",
    ],
)
def test_everything_else_passes_as_it_came(frame: bytes) -> None:
    assert without_timed_presses(frame) == frame
