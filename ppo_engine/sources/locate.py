"""Where models and reviews come from: a built-in name, a local folder or file, or a name on the Hugging Face
Hub.

`locate` turns a source into a local path, downloading it if needed; `loading` turns any failure to read it
into a `SourceError` that names the field, the source, the cause and the remedy. `abandonable` lets a run end
while it loads. Code shipped with a model or data set is never run.
"""

from __future__ import annotations

import contextvars
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from .. import builtin
from ..console import LOADER
from ..errors import PPOEngineError, SourceError, StepAbandonedError
from . import download
from .faults import adapter_base, encoder, is_out_of_memory, lacks_tokenizer, model_fault, other_kind

BUILTIN_PREFIX = "builtin:"
BUILTIN_NAMES = ("policy", "classifier", "reviews")
DATA = "query_dataset"
"""The only field whose source is data; the others are models."""
DEFAULT_LIMIT_MB = 10_000

_OFFER = "The built-in preset tiny-reviews works offline."
_LACKING = re.compile("^Unrecognized configuration class|^its weights lack")
"""Beginnings of errors that a model of the wrong kind may cause."""
_KINDS = {
    "model_name": ("causal language model", ("ForCausalLM", "LMHeadModel")),
    "reward_model": ("sequence classifier", ("ForSequenceClassification",)),
}
"""The kind of model a field takes, and the suffixes of its class names."""
_POLL_S = 0.1
T = TypeVar("T")


@dataclass
class Watch:
    """The channel from a loader to the thread that waits for it."""

    stage: str = ""
    limit_mb: int = DEFAULT_LIMIT_MB
    abandoned: threading.Event = field(default_factory=threading.Event)

    def tell(self, stage: str = "") -> None:
        """Reports the current stage. Raises `StepAbandonedError` if nobody waits any more."""
        self.stage = stage or self.stage
        if self.abandoned.is_set():
            raise StepAbandonedError("loading was cancelled because the run was stopped")


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_located: ContextVar[str] = ContextVar("located", default="")
"""The last result of `locate` within `loading`."""


def watch() -> Watch:
    """The one of the current load on this thread, else an unobserved one."""
    return _watch.get() or Watch()


def abandonable(
    stage: str, work: Callable[[], T], tell: Callable[[str], None], limit_mb: int = DEFAULT_LIMIT_MB
) -> T:
    """The result of `work`, run on a separate thread while `tell` is called ten times a second with the
    current stage.

    If `tell` raises (`StepAbandonedError`, if the run has to end), the thread is abandoned: it may be stuck
    in a disk or a library. limit_mb: the largest source that `work` may download or read.
    """
    mine, outcome = Watch(stage, limit_mb), _Outcome[T]()
    context = contextvars.copy_context()
    context.run(_watch.set, mine)
    thread = threading.Thread(target=context.run, args=(outcome.get, work), name=LOADER, daemon=True)
    tell(stage)
    thread.start()
    try:
        while not outcome.done.wait(_POLL_S):
            tell(mine.stage)
    except BaseException:
        mine.abandoned.set()
        raise
    thread.join()
    return outcome.result()


class _Outcome(Generic[T]):
    """The outcome of a thread's work."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self._value: list[T] = []
        self._error: BaseException | None = None

    def get(self, work: Callable[[], T]) -> None:
        try:
            self._value.append(work())
        except BaseException as error:
            self._error = error
        finally:
            self.done.set()

    def result(self) -> T:
        try:
            if self._error is not None:
                raise self._error
            return self._value.pop()
        finally:
            self._error = None  # its traceback holds on to what was loaded


def locate(field: str, source: str) -> str:
    """The local folder (or data file) of `source`, downloaded if needed; built-in files are verified."""
    if source.startswith(BUILTIN_PREFIX):
        name = source.removeprefix(BUILTIN_PREFIX)
        if name not in BUILTIN_NAMES:
            allowed = ", ".join(BUILTIN_PREFIX + known for known in BUILTIN_NAMES)
            raise SourceError(f"{field} = {source}: not a built-in source; allowed: {allowed}")
        builtin.verify()
        return str(builtin.ASSETS / name)
    path = _here(source)
    if path.exists():
        _refuse_what_is_no_folder(field, source, path)
    elif source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source:
        or_file = " or file" if field == DATA else ""
        raise SourceError(
            f"{field} = {source}: no such folder{or_file}; enter an existing folder{or_file} or a "
            "Hugging Face Hub name"
        )
    else:
        path = download.download(
            "datasets" if field == DATA else "models", source, watch().limit_mb, watch().tell
        )
    if field != DATA:
        _refuse_what_would_not_be_itself(field, source, path)
    _located.set(str(path))
    return str(path)


def _here(source: str) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError:  # ~somebody, who has no home here
        return Path(source)


def _refuse_what_would_not_be_itself(field: str, source: str, folder: Path) -> None:
    """Rejects folders that would load as something else: an adapter's base, no tokenizer, an encoder."""
    if base := adapter_base(folder):
        raise SourceError(
            f"{field} = {source}: a PEFT adapter of {base}, not a full model; load it with its base, "
            "merge them with merge_and_unload(), save the result with save_pretrained, and use that folder"
        )
    if fault := folder.is_dir() and lacks_tokenizer(folder):
        raise SourceError(f"{field} = {source}: {fault}")
    if field == "model_name" and (made := encoder(folder)):
        raise SourceError(
            f"{field} = {source}: an encoder ({made}), not a {_KINDS[field][0]}; choose another model"
        )


def _refuse_what_is_no_folder(field: str, source: str, path: Path) -> None:
    if path.is_dir() or (field == DATA and path.is_file()):
        return
    if path.is_file():
        raise SourceError(f"{field} = {source}: a file, not a folder; use the model's folder, {path.parent}")
    raise SourceError(f"{field} = {source}: neither a folder nor a regular file")


@contextmanager
def loading(field: str, source: str) -> Iterator[None]:
    """Turns any failure inside into a `SourceError` about `field` and `source`."""
    from transformers.utils import logging

    _located.set("")
    logging.disable_progress_bar()  # a library's bar would be drawn over the command line's own
    try:
        yield
    except PPOEngineError:
        raise
    except download.HubError as error:
        raise SourceError(
            f"{field} = {source}: not a built-in source or a local folder, and not available from the "
            f"Hugging Face Hub: {error}. {_OFFER}"
        ) from error
    except Exception as error:
        # Deliberately broad: transformers, pyarrow, safetensors and torch each raise their own kinds for the
        # same few causes.
        if is_out_of_memory(error):
            raise
        raise SourceError(_explanation(field, source, error)) from error


def _explanation(field: str, source: str, error: Exception) -> str:
    """Why an existing source cannot be loaded: by its folder, else by the exception."""
    detail = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    if field == DATA:
        return f"{field} = {source}: {detail}"
    try:
        folder = Path(_located.get())
        fault = _located.get() and (
            model_fault(folder) or (_LACKING.search(detail) and other_kind(folder, *_KINDS[field]))
        )
    except (OSError, TypeError):
        fault = ""
    return f"{field} = {source}: {fault or f'found but could not be loaded ({detail})'}"
