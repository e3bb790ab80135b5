"""Loads a run's trainer at a checkpoint, and records its sources."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import ChangedSourcesError
from ..sources.locate import abandonable
from ..store import RunStore
from ..store.checkpoint_files import Checkpoint

if TYPE_CHECKING:
    from .replay import JournaledTrainer


class RunLoader:
    """The loading of one run. accept_changed: continue although models or data differ; journalled."""

    def __init__(self, store: RunStore, accept_changed: bool) -> None:
        self.store = store
        self.reader = store.reader()
        self._accept_changed = accept_changed

    def load(
        self,
        checkpoint: Checkpoint | None,
        wait: Callable[[str], None],
        on_stage: Callable[[str], None],
        must_give_up: Callable[[], bool],
    ) -> JournaledTrainer:
        """The trainer at that checkpoint, or at the start. Records changed sources before the run fails."""
        journal = abandonable("importing", lambda: import_module("ppo_engine.session.replay"), wait)
        try:
            trainer_run: JournaledTrainer = journal.JournaledTrainer(
                self.store.folder,
                checkpoint,
                on_stage,
                must_give_up,
                self._accept_changed,
                reader=self.reader,
            )
        except ChangedSourcesError as error:
            self.store.update_run(changed=json.dumps(error.changed))
            raise
        return trainer_run

    def journal_sources(self, trainer_run: JournaledTrainer, recorded: int) -> None:
        """Records the sources of the run, and journals remarks for the user, once.

        recorded: the last recorded step.
        """
        trainer = trainer_run.trainer
        if trainer_run.changed:
            self.store.event(
                recorded,
                "accepted",
                {"changed": trainer_run.changed, "fingerprints": dict(trainer.fingerprints)},
            )
        self._accept_changed = False  # what changes after this was not accepted
        self.store.keep_sources(trainer.fingerprints, trainer.machine)
        known = {event.payload.get("message") for event in self.reader.events() if event.kind == "remark"}
        for remark in trainer_run.remarks:
            if remark not in known:
                self.store.event(recorded, "remark", {"message": remark})


def collect() -> None:
    """Frees the memory of unreferenced models."""
    gc.collect()
    if not gc.get_freeze_count():  # half a million lasting objects of libraries, never looked at again
        gc.freeze()
