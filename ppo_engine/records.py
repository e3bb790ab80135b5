"""`StepRecord`: the record of a step, and the contract between the trainer and everything that displays it.

Arrays are NumPy, on the CPU, detached from the autograd graph. Floats are float32, and units are nats for
log-probabilities and the reward's unit for scores, rewards, values, advantages and returns.

A token's KL, KL penalty, score share, reward, delta and return follow bit for bit from the stored columns (by
the same float32 operations as in the trainer), so they are derived on reading: `TokenTable.column` gives
either kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .columns import COLUMNS, names

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

TRAIN, EVAL = "train", "eval"


@dataclass(frozen=True)
class Sample:
    """One continuation. `index` is its row in the batch; with run id and step, it identifies the sample."""

    index: int
    query: str
    response: str
    score: float
    score_parts: Mapping[str, float]
    response_length: int
    ended_by_eos: bool
    kl_sum: float


@dataclass(frozen=True)
class TokenTable:
    """The response tokens of a batch, one per row, by sample and position.

    sample, position, token_id: (tokens,) int32; text: tokens as displayed; old_logprob, ref_logprob, value,
    advantage, whitened: (tokens,) float32; new_logprob, ratio, new_value: (tokens, epochs) float32, and
    policy_clip, value_clip: (tokens, epochs) bool, where only the first `epochs_seen` entries of a row count:
    the update KL limit can end an update within an epoch. kl_estimate: (tokens,) float32, the estimate used
    in the penalty; stored unless it equals the KL. kl_coef, gamma: the values in force, from which the
    derived columns follow. scores: (samples,) float32.
    """

    sample: Array
    position: Array
    token_id: Array
    text: list[str]
    old_logprob: Array
    ref_logprob: Array
    value: Array
    advantage: Array
    whitened: Array
    kl_estimate: Array
    epochs_seen: Array
    new_logprob: Array
    ratio: Array
    new_value: Array
    policy_clip: Array
    value_clip: Array
    scores: Array
    kl_coef: float
    gamma: float

    def __len__(self) -> int:
        return len(self.token_id)

    def column(self, name: str) -> Array:
        """A stored or derived column by name (`return` is a Python keyword, hence a method)."""
        column: Array = getattr(self, name if COLUMNS[name].stored else f"_{name}")
        return column

    @cached_property
    def is_last(self) -> Array:
        """(tokens,) bool: the last response token of its sample."""
        return np.append(self.sample[1:] != self.sample[:-1], True) if len(self) else np.zeros(0, bool)

    @cached_property
    def _kl(self) -> Array:
        return self.old_logprob - self.ref_logprob

    @cached_property
    def _kl_penalty(self) -> Array:
        return np.float32(-self.kl_coef) * self.kl_estimate

    @cached_property
    def _score_share(self) -> Array:
        return np.where(self.is_last, self.scores[self.sample], np.float32(0))

    @cached_property
    def _reward(self) -> Array:
        return self._kl_penalty + self._score_share

    @cached_property
    def _delta(self) -> Array:
        following = np.where(self.is_last, np.float32(0), np.append(self.value[1:], np.float32(0)))
        return self._reward + np.float32(self.gamma) * following - self.value

    @cached_property
    def _return(self) -> Array:
        return self.advantage + self.value

    @cached_property
    def last_epoch(self) -> Array:
        """(tokens,) index of each token's last epoch entry, -1 where the update never reached it."""
        return self.epochs_seen.astype(np.int64) - 1

    def at_last_epoch(self, name: str, missing: float) -> Array:
        """(tokens,) a per-epoch column at each token's last entry; `missing` if it has none."""
        column = getattr(self, name)
        if not column.shape[1]:
            return np.full(len(self), missing, np.float32)
        picked = column[np.arange(len(self)), np.maximum(self.last_epoch, 0)]
        known: Array = np.where(self.last_epoch >= 0, picked, column.dtype.type(missing))
        return known

    def clip_epochs(self, name: str) -> Array:
        """(tokens,) number of epochs in which that column's clip (policy_clip, value_clip) bound."""
        counts: Array = (getattr(self, name) & self.entered).sum(1)
        return counts

    @cached_property
    def entered(self) -> Array:
        """(tokens, epochs) bool: the valid entries."""
        return np.arange(self.ratio.shape[1])[None, :] < self.epochs_seen[:, None]

    def head(self, samples: int) -> TokenTable:
        """The tokens of the first `samples` samples."""
        kept = self.sample < samples
        columns = {name: getattr(self, name)[kept] for name in (*_FLAT, *_PER_EPOCH, "epochs_seen")}
        return replace(self, text=self.text[: int(kept.sum())], scores=self.scores[:samples], **columns)

    def to_arrow(self) -> pa.Table:
        """The stored columns as an Arrow table; per-epoch columns as lists of `epochs_seen` entries."""
        offsets = np.concatenate([[0], np.cumsum(self.epochs_seen)]).astype(np.int32)
        columns: dict[str, Any] = {name: pa.array(getattr(self, name)) for name in _FLAT}
        if np.array_equal(self.kl_estimate, self._kl):
            del columns["kl_estimate"]
        columns["text"] = pa.array(self.text, pa.string()).dictionary_encode()
        for name in _PER_EPOCH:
            columns[name] = pa.ListArray.from_arrays(
                pa.array(offsets), pa.array(getattr(self, name)[self.entered])
            )
        metadata = {
            "kl_coef": repr(self.kl_coef),
            "gamma": repr(self.gamma),
            "epochs": str(self.ratio.shape[1]),
        }
        table = pa.table(columns)
        return table.replace_schema_metadata({**metadata, "scores": self.scores.astype("<f4").tobytes()})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> TokenTable:
        """The inverse of `to_arrow`."""
        metadata = table.schema.metadata
        epochs = int(metadata[b"epochs"])
        flat = {name: table[name].to_numpy() for name in _FLAT if name in table.column_names}
        flat.setdefault("kl_estimate", flat["old_logprob"] - flat["ref_logprob"])
        ratio = table["ratio"].combine_chunks()
        seen = ratio.value_lengths().to_numpy().astype(np.int16) if len(table) else np.zeros(0, np.int16)
        entered = np.arange(epochs)[None, :] < seen[:, None]
        spread = {}
        for name, dtype in _PER_EPOCH.items():
            spread[name] = np.zeros(entered.shape, dtype)
            spread[name][entered] = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return cls(
            text=table["text"].cast(pa.string()).to_pylist(),
            epochs_seen=seen,
            scores=np.frombuffer(metadata[b"scores"], "<f4"),
            kl_coef=float(metadata[b"kl_coef"]),
            gamma=float(metadata[b"gamma"]),
            **flat,
            **spread,
        )


def pack(tokens: TokenTable) -> bytes:
    """The table as one compressed Arrow stream, as the store keeps it."""
    return pack_table(tokens.to_arrow())


def pack_table(table: pa.Table) -> bytes:
    """A table as one compressed Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def unpack(block: bytes) -> TokenTable:
    """The inverse of `pack`."""
    return TokenTable.from_arrow(pa.ipc.open_stream(block).read_all())


_FLAT = names(stored=True, per_epoch=False, kinds=("int", "float"))
_PER_EPOCH = {name: bool if COLUMNS[name].kind == "flag" else np.float32 for name in names(per_epoch=True)}


@dataclass(frozen=True)
class StepRecord:
    """The full record of a step. Step 0 is the untrained policy: `eval/` metrics and held-out samples only.

    step: PPO updates done, this one included; wall_time: its end, UTC; config_version: the journalled
    configuration in force, 0 for the first; metrics: name to float, names of `metrics.METRICS`, phase times
    in seconds among them; samples and tokens: the training batch; eval_samples: the held-out batch, where
    this step evaluated.
    """

    step: int
    wall_time: datetime
    config_version: int
    metrics: Mapping[str, float]
    samples: tuple[Sample, ...] = ()
    tokens: TokenTable | None = None
    eval_samples: tuple[Sample, ...] = field(default=())


@dataclass(frozen=True)
class Rollout:
    """A batch of openings and their continuations, detached tensors on the device.

    query_ids, query_mask: (batch, query), padded on the left; response_ids, mask: (batch, response), padded
    on the right; logprobs, values, entropy: (batch, response) float32, 0 outside the mask: captured while
    sampling; in bf16, the first two are recomputed in the update's numerics.
    """

    query_ids: Tensor
    query_mask: Tensor
    response_ids: Tensor
    mask: Tensor
    logprobs: Tensor
    values: Tensor
    entropy: Tensor

    def head(self, rows: int) -> Rollout:
        """The first `rows` rows."""
        return Rollout(**{name: getattr(self, name)[:rows] for name in self.__dataclass_fields__})

    @property
    def ids(self) -> Tensor:
        """(batch, query + response) token ids."""
        import torch  # here alone, so that readers of records need no torch

        return torch.cat([self.query_ids, self.response_ids], dim=1)

    @property
    def attention_mask(self) -> Tensor:
        """(batch, query + response), True at real tokens."""
        import torch

        return torch.cat([self.query_mask, self.mask], dim=1)


def first_difference(recorded: Mapping[str, float], again: Mapping[str, float]) -> str:
    """The first metric, times aside, that differs from the record, and how; "" if none."""
    for name in sorted(set(recorded) | set(again)):
        old, new = recorded.get(name), again.get(name)
        if not name.startswith("time/") and old != new and not (old != old and new != new):
            return f"{name} was {old!r}, now {new!r}"
    return ""
