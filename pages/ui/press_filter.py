"""A press counts once.

Streamlit's browser side sends a press at the next turn of the page's event loop. A fragment's timer that
comes first sends it too, along with its refresh (in 1.67: 3 of 120 presses on a busy machine), and one press
of Step would take two steps. The press always follows in a message of its own, so in a timer's message it can
be left out.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

_PRESSES = ("trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value")
"""The kinds of widget value that say that something was done, rather than how something stands."""


class PressesOnce:
    """ASGI middleware that takes presses out of the messages that timers send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_once() -> Message:
            message = await receive()
            return (
                {**message, "bytes": without_timed_presses(message["bytes"])}
                if message.get("bytes")
                else message
            )

        await self._app(scope, receive_once if scope["type"] == "websocket" else receive, send)


def without_timed_presses(frame: bytes) -> bytes:
    """The frame as it came, unless a timer sent it with a press in it: then without the press."""
    message = BackMsg()
    try:
        message.ParseFromString(frame)
    except DecodeError:
        return frame  # Streamlit has its own answer to that
    if message.WhichOneof("type") != "rerun_script" or not message.rerun_script.is_auto_rerun:
        return frame
    widgets = message.rerun_script.widget_states.widgets
    kept = [widget for widget in widgets if widget.WhichOneof("value") not in _PRESSES]
    if len(kept) == len(widgets):
        return frame
    del widgets[:]
    widgets.extend(kept)
    shortened: bytes = message.SerializeToString()
    return shortened
