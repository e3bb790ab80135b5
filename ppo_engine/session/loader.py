"""Loads a run's trainer at a checkpoint, and records what it was loaded from."""

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
    """Of one run. accept_changed: go on though models or data are not those recorded; that is journalled."""

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
        """The trainer at that checkpoint, or at the start. Notes changed sources before the run fails."""
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
        """Records what the run is trained on, and journals what a person should know of it, once.

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
    """Gives back the memory of models that nobody holds any more."""
    gc.collect()
    if not gc.get_freeze_count():  # half a million lasting objects of libraries, never looked at again
        gc.freeze()
