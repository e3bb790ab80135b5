"""Where models and reviews come from: a built-in name, a local folder, or a name on the Hugging Face Hub.

One way for all three: `locate` turns a source into a path or a Hub name, and `loading` turns whatever goes wrong while it is
read into a `SourceError` that names the field, the source, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import builtin
from .errors import PPOEngineError, SourceError

BUILTIN_PREFIX = "builtin:"
BUILTIN_NAMES = ("policy", "classifier", "reviews")
_PATIENCE_S = 5.0
_OFFER = "To go on without the network, choose the preset tiny-reviews, which is built in."


def locate(field: str, source: str) -> str:
    """The folder that `source` names, or `source` itself where it is a name for the Hub. Built-in files are checked first."""
    if source.startswith(BUILTIN_PREFIX):
        name = source.removeprefix(BUILTIN_PREFIX)
        if name not in BUILTIN_NAMES:
            allowed = ", ".join(BUILTIN_PREFIX + known for known in BUILTIN_NAMES)
            raise SourceError(f"{field} = {source}: there is no such built-in; allowed: {allowed}")
        builtin.verify()
        return str(builtin.ASSETS / name)
    if _is_folder(source):
        return str(Path(source).expanduser())
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise SourceError(f"{field} = {source}: there is no such folder; give an existing folder or a name on the Hugging Face Hub")
    return source


@contextmanager
def loading(field: str, source: str) -> Iterator[None]:
    """Turns any failure inside into a `SourceError` about `field` and `source`."""
    from transformers.utils import logging

    from .machine import is_out_of_memory

    logging.disable_progress_bar()  # a library's bar would be drawn over the command line's own
    try:
        with _offline_if_the_hub_is_out_of_reach(source):
            yield
    except PPOEngineError:
        raise
    except Exception as error:
        # Deliberately broad: transformers, datasets, safetensors and httpx each raise their own kinds for the same few causes.
        if is_out_of_memory(error):
            raise
        raise SourceError(_explanation(field, source, error)) from error


@contextmanager
def _offline_if_the_hub_is_out_of_reach(source: str) -> Iterator[None]:
    """Without a network the Hub's clients retry for a minute before they use what they have or give up; in offline mode, at once."""
    from huggingface_hub import constants

    if _is_local(source) or constants.HF_HUB_OFFLINE or _hub_answers(constants.ENDPOINT):
        yield
        return
    import datasets.config  # before the switch, which it copies when it is first imported

    switches: tuple[Any, ...] = (constants, datasets.config)
    before = [switch.HF_HUB_OFFLINE for switch in switches]
    try:
        for switch in switches:
            switch.HF_HUB_OFFLINE = True
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.HF_HUB_OFFLINE = value


def _hub_answers(endpoint: str) -> bool:
    from huggingface_hub import get_session

    try:
        get_session().head(endpoint, timeout=_PATIENCE_S)
    except Exception:  # each version of the client has another HTTP library, with errors of its own
        return False
    return True


def _is_local(source: str) -> bool:
    return source.startswith(BUILTIN_PREFIX) or _is_folder(source)


def _is_folder(source: str) -> bool:
    return Path(source).expanduser().is_dir()


def _explanation(field: str, source: str, error: Exception) -> str:
    detail = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    if _is_local(source):
        return f"{field} = {source}: the folder is there but could not be loaded; a file is missing or damaged ({detail}). {_OFFER}"
    return (
        f"{field} = {source}: it is neither built in nor a folder here, and it could not be loaded from the Hugging Face Hub: "
        f"no network, no such name, not public, or not what is needed here ({detail}). {_OFFER}"
    )
