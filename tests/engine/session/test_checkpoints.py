"""Checkpoints: whole or not there, the same trainer after as before, and thinned by the rule
that is stated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ppo_engine import Config, Trainer
from ppo_engine.errors import CheckpointError, StoreError
from ppo_engine.records import first_difference
from ppo_engine.session import checkpoints
from ppo_engine.store import checkpoint_files


@pytest.fixture
def trainer(tiny: Callable[..., Config]) -> Trainer:
    made = Trainer(tiny(steps=9))
    made.load()
    made.step()
    return made


def test_a_restored_trainer_goes_on_bit_for_bit(
    trainer: Trainer, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    kept = checkpoints.save(trainer, tmp_path)
    again = Trainer(tiny(steps=9))
    again.load()
    checkpoints.restore(again, kept)
    for _ in range(3):
        was, now = trainer.step(), again.step()
        assert was.step == now.step and first_difference(was.metrics, now.metrics) == ""
        assert was.samples == now.samples
    assert (
        trainer.kl_control.controller.value
        == again.kl_control.controller.value
        != trainer.config.init_kl_coef
    )


def test_what_a_checkpoint_carries_matters(
    trainer: Trainer, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    """Without any one of its parts the next step comes out otherwise."""
    kept = checkpoints.save(trainer, tmp_path)
    right = trainer.step()
    for part in (
        "generator.openings",
        "generator.lengths",
        "generator.sampling",
        "generator.minibatches",
        "openings",
        "kl_coef",
    ):
        other = Trainer(tiny(steps=9))
        other.load()
        before, tensors = other.state()
        checkpoints.restore(other, kept)
        if part == "kl_coef":
            other.kl_control.controller.value = before.kl_coef
        elif part == "openings":
            other._openings.order = tensors[part].tolist()
        else:
            other._generators[part.removeprefix("generator.")].set_state(tensors[part])
        assert first_difference(right.metrics, other.step().metrics), part


def test_another_seed_starts_the_generators_anew(
    trainer: Trainer, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    kept = checkpoints.save(trainer, tmp_path)
    other = Trainer(tiny(steps=9, seed=5))
    other.load()
    fresh = other.state()[1]["generator.sampling"]
    checkpoints.restore(other, kept)
    assert torch.equal(other.state()[1]["generator.sampling"], fresh)
    assert other.done_steps == 1


def test_a_damaged_checkpoint_is_told_from_a_sound_one(trainer: Trainer, tmp_path: Path) -> None:
    first = checkpoints.save(trainer, tmp_path)
    trainer.step()
    second = checkpoints.save(trainer, tmp_path)
    assert checkpoint_files.newest_sound(tmp_path) == second
    weights = second.folder / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: missing or modified since it was written"
    ):
        second.verify()
    assert checkpoint_files.newest_sound(tmp_path) == first
    (first.folder / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        first.verify()
    assert checkpoint_files.newest_sound(tmp_path) is None


def test_a_half_written_one_is_no_checkpoint_and_is_cleared(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(trainer.accelerator, "save_state", fail)
    with pytest.raises(
        StoreError, match=r"could not be written \(no space left on device\); free some disk space"
    ):
        checkpoints.save(trainer, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir()) == []
    killed = tmp_path / "checkpoints" / ".making-step-000007"
    killed.mkdir()
    (killed / "model.safetensors").write_bytes(b"half")
    assert checkpoint_files.list_checkpoints(tmp_path) == []
    checkpoint_files.clear_unfinished(tmp_path)
    assert not killed.exists()


def test_nothing_in_a_checkpoint_is_unpickled_freely(trainer: Trainer, tmp_path: Path) -> None:
    """Everything that is not safetensors or JSON loads with weights_only."""
    kept = checkpoints.save(trainer, tmp_path)
    for path in kept.folder.iterdir():
        if path.suffix not in (".safetensors", ".json"):
            assert path.name in ("optimizer.bin", "random_states_0.pkl")
    torch.load(kept.folder / "optimizer.bin", weights_only=True)


class _Trap:
    """Opens a file for writing when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def test_a_hostile_optimizer_file_runs_nothing(
    trainer: Trainer, tiny: Callable[..., Config], tmp_path: Path
) -> None:
    kept = checkpoints.save(trainer, tmp_path)
    torch.save({"state": _Trap(tmp_path / "sprung")}, kept.folder / "optimizer.bin")
    manifest = json.loads((kept.folder / "manifest.json").read_text())
    manifest["files"]["optimizer.bin"]["sha256"] = checkpoint_files.sha256(kept.folder / "optimizer.bin")
    (kept.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="does not fit the policy"):
        checkpoints.restore(trainer, kept)
    assert not (tmp_path / "sprung").exists()


def _stub(run: Path, step: int, size: int) -> None:
    folder = checkpoint_files.path_of(run, step)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({"step": step, "files": {"model": {"sha256": "", "bytes": size}}})
    )


@pytest.mark.parametrize(
    ("pointed_at", "budget", "kept"),
    [
        ((), 1000, [0, 10, 20, 30, 31, 32, 33]),
        ((7,), 1000, [0, 7, 10, 20, 30, 31, 32, 33]),
        ((), 50, [20, 30, 31, 32, 33]),
        ((7, 0), 50, [0, 7, 31, 32, 33]),
        ((), 0, [31, 32, 33]),
    ],
)
def test_old_checkpoints_are_thinned_by_the_rule(
    tmp_path: Path, pointed_at: tuple[int, ...], budget: int, kept: list[int]
) -> None:
    steps = [0, 3, 7, 10, 15, 20, 25, 30, 31, 32, 33]
    for step in steps:
        _stub(tmp_path, step, 10)
    gone = checkpoint_files.thin(tmp_path, pointed_at, budget)
    assert [one.step for one in checkpoint_files.list_checkpoints(tmp_path)] == kept
    assert gone == sorted(set(steps) - set(kept))


@pytest.mark.parametrize("damage", [{"files": {}}, None])
def test_a_damaged_checkpoint_is_made_anew_when_its_step_is_taken_again(
    trainer: Trainer, tmp_path: Path, damage: object
) -> None:
    kept = checkpoints.save(trainer, tmp_path)
    name = "model.safetensors" if damage is None else "manifest.json"
    (kept.folder / name).write_text("{}" if damage is None else json.dumps(damage))
    assert checkpoint_files.newest_sound(tmp_path) is None
    checkpoints.save(trainer, tmp_path).verify()


def test_a_checkpoint_gives_way_only_to_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be verified just now, because a file could not be opened, may be sound."""

    def fill(folder: Path) -> None:
        (folder / "a").write_text("a")

    written = checkpoint_files.write(tmp_path, 1, fill)

    def unreadable(path: Path) -> str:
        raise OSError(24, "too many open files")

    def full(folder: Path) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_files, "sha256", unreadable)
        with pytest.raises(StoreError, match="no space left"):
            checkpoint_files.write(tmp_path, 1, full)
    assert checkpoint_files.list_checkpoints(tmp_path) == [written]
    written.verify()
