"""Sampling: what is captured equals a fresh forward pass, draws follow the distribution, and rows do not
interfere.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ppo_engine import ppo
from ppo_engine.records import Rollout
from ppo_engine.training.models import Policy
from ppo_engine.training.rollout import draw, left_pad, restricted, sample

EOS, PAD = 0, 1
QUERIES = [[5, 9, 4, 7], [7], [12, 3, 3, 20, 41, 6], [8, 8]]
LENGTHS = [12, 3, 1, 9]


def uniforms(rows: int, columns: int = 12, seed: int = 0) -> Tensor:
    return torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def roll(
    policy: Policy, queries: list[list[int]] = QUERIES, lengths: list[int] = LENGTHS, **changes: Any
) -> Rollout:
    arguments = {"uniforms": uniforms(len(queries)), "end_ids": (EOS,), "pad_id": PAD, **changes}
    return sample(policy, queries, torch.tensor(lengths), **arguments)


@torch.no_grad()
def forward(policy: Policy, rollout: Rollout, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    return policy(rollout.ids, rollout.attention_mask, rollout.mask.shape[1], temperature)


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
@pytest.mark.parametrize(
    "restriction", [{}, {"top_k": 5}, {"top_p": 0.6}, {"top_k": 20, "top_p": 0.5}], ids=str
)
def test_captured_numbers_are_those_of_a_fresh_forward_pass(
    policy: Policy, temperature: float, restriction: dict[str, Any]
) -> None:
    """Token by token with the cache, or all at once without: the same numbers, of the full softmax."""
    rollout = roll(policy, temperature=temperature, **restriction)
    logits, values = forward(policy, rollout, temperature)
    expected = {
        "logprobs": ppo.logprobs_from_logits(logits, rollout.response_ids),
        "values": values,
        "entropy": ppo.entropy_from_logits(logits),
    }
    for name, numbers in expected.items():
        captured = getattr(rollout, name)
        torch.testing.assert_close(captured[rollout.mask], numbers[rollout.mask], rtol=0, atol=2e-5)
        assert not captured[~rollout.mask].any()
        assert captured.dtype == torch.float32 and not captured.requires_grad


def test_the_cache_is_used(policy: Policy) -> None:
    """After the query, the model sees one new token at a time."""
    widths = []
    handle = policy.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    roll(policy, end_ids=())
    handle.remove()
    assert widths == [6] + [1] * 11


def test_each_row_stops_at_its_own_length(policy: Policy) -> None:
    rollout = roll(policy, end_ids=())
    assert rollout.mask.sum(1).tolist() == LENGTHS
    assert (rollout.response_ids[~rollout.mask] == PAD).all()
    assert torch.equal(rollout.mask, rollout.mask.cummin(dim=1).values)  # no hole


@pytest.mark.parametrize("pad", [PAD, EOS], ids=["own pad token", "pad is end-of-text"])
def test_end_of_text_ends_a_response_and_is_its_last_token(policy: Policy, pad: int) -> None:
    """Whatever token is named end-of-text. Here the one that the second row draws third without that rule."""
    free = roll(policy, lengths=[12] * 4, end_ids=())
    eos = int(free.response_ids[1, 2])
    assert eos not in free.response_ids[1, :2]
    rollout = roll(policy, lengths=[12] * 4, end_ids=(eos,), pad_id=eos if pad == EOS else PAD)
    for row in range(4):
        drawn = free.response_ids[row].tolist()
        length = drawn.index(eos) + 1 if eos in drawn else 12
        assert rollout.mask[row].sum() == length
        assert rollout.response_ids[row, :length].tolist() == drawn[:length]
    assert rollout.mask[1].sum() == 3


def test_sampling_ends_when_every_row_has_ended(policy: Policy) -> None:
    first = [int(token) for token in roll(policy, end_ids=()).response_ids[:1, 0]]
    assert roll(policy, QUERIES[:1], [12], end_ids=(first[0],)).mask.shape == (1, 1)


def test_one_token_is_a_response(policy: Policy) -> None:
    rollout = roll(policy, lengths=[1, 1, 1, 1])
    assert rollout.mask.tolist() == [[True]] * 4


def test_a_row_depends_on_its_own_numbers_alone(policy: Policy) -> None:
    """The same query, length and uniform numbers: the same tokens, alone, among others, or elsewhere in the
    batch.
    """
    together = roll(policy)
    for row in range(4):
        alone = roll(policy, [QUERIES[row]], [LENGTHS[row]], uniforms=uniforms(4)[row : row + 1])
        length = int(together.mask[row].sum())
        assert together.response_ids[row, :length].tolist() == alone.response_ids[0].tolist()
        torch.testing.assert_close(together.logprobs[row, :length], alone.logprobs[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(together.values[row, :length], alone.values[0], rtol=0, atol=2e-5)


def test_the_uniform_numbers_decide(policy: Policy) -> None:
    torch.manual_seed(1)
    once = roll(policy)
    torch.manual_seed(2)
    assert torch.equal(roll(policy).response_ids, once.response_ids)
    assert not torch.equal(roll(policy, uniforms=uniforms(4, seed=1)).response_ids[0], once.response_ids[0])


def test_a_response_is_drawn_from_the_policy(policy: Policy) -> None:
    """Each token is where the running sum of its position's probabilities passes its uniform number."""
    rollout, numbers = roll(policy, end_ids=()), uniforms(4)
    probabilities = torch.softmax(forward(policy, rollout)[0].double(), dim=-1).cumsum(-1)
    for row, t in rollout.mask.nonzero().tolist():
        token = int(rollout.response_ids[row, t])
        below = probabilities[row, t, token - 1] if token else 0.0
        assert below - 1e-6 <= numbers[row, t] <= probabilities[row, t, token] + 1e-6


def test_top_k_draws_among_the_likeliest_only(policy: Policy) -> None:
    rollout = roll(policy, top_k=3, end_ids=())
    likeliest = forward(policy, rollout)[0].topk(3, dim=-1).indices
    drawn = (likeliest == rollout.response_ids.unsqueeze(-1)).any(-1)[rollout.mask]
    assert drawn.all()
    free = roll(policy, end_ids=())
    assert (
        not (forward(policy, free)[0].topk(3, dim=-1).indices == free.response_ids.unsqueeze(-1))
        .any(-1)[free.mask]
        .all()
    )


def test_top_k_1_is_greedy(policy: Policy) -> None:
    rollout = roll(policy, top_k=1, end_ids=())
    assert torch.equal(
        rollout.response_ids[rollout.mask], forward(policy, rollout)[0].argmax(-1)[rollout.mask]
    )


@pytest.mark.parametrize(("top_k", "top_p", "kept"), [
    (0, 1.0, [0.1, 0.4, 0.2, 0.3]),
    (2, 1.0, [0, 0.4, 0, 0.3]),
    (9, 1.0, [0.1, 0.4, 0.2, 0.3]),  # more than there are
    (0, 0.6, [0, 0.4, 0, 0.3]),  # 0.4 is less than 0.6, 0.4 + 0.3 is enough
    (0, 0.3, [0, 0.4, 0, 0]),
    (0, 0.75, [0, 0.4, 0.2, 0.3]),
    (0, 1e-9, [0, 0.4, 0, 0]),  # never nothing
    (3, 0.5, [0, 0.4, 0, 0.3]),  # half of what top k left, 0.45 of 0.9
    (2, 0.5, [0, 0.4, 0, 0]),  # half of 0.7 is less than 0.4
])  # fmt: skip
def test_restrictions(top_k: int, top_p: float, kept: list[float]) -> None:
    log_softmax = torch.tensor([[0.1, 0.4, 0.2, 0.3]], dtype=torch.float64).log()
    torch.testing.assert_close(
        restricted(log_softmax, top_k, top_p), torch.tensor([kept], dtype=torch.float64)
    )


def test_the_likeliest_token_is_drawn_however_small_top_p_is() -> None:
    kept = restricted(torch.log(torch.tensor([[0.2, 0.5, 0.3]])), 0, 5e-324)
    torch.testing.assert_close(kept, torch.tensor([[0.0, 0.5, 0.0]]))


def test_any_of_several_end_tokens_ends_a_response(policy: Policy) -> None:
    free = roll(policy, lengths=[12] * 4, end_ids=())
    ends = [int(free.response_ids[0, 3]), int(free.response_ids[1, 2])]
    rollout = roll(policy, lengths=[12] * 4, end_ids=ends)
    for row in range(4):
        drawn = free.response_ids[row].tolist()
        stops = [place for place, token in enumerate(drawn) if token in ends]
        length = stops[0] + 1 if stops else 12
        assert rollout.response_ids[row][rollout.mask[row]].tolist() == drawn[:length]


def test_top_p_stops_where_the_share_is_reached_exactly() -> None:
    """One half is enough for one half: the smallest set that holds it."""
    log_softmax = torch.tensor([[0.25, 0.5, 0.25]]).log()
    assert restricted(log_softmax, 0, 0.5).tolist() == [[0, 0.5, 0]]


@pytest.mark.parametrize(("uniform", "index"), [
    (0.0, 1),  # the first has no weight
    (0.2499, 1),
    (0.25, 2),  # a number on the boundary belongs to the next
    (0.7499, 2),
    (0.75, 4),  # past the one without weight
    (1 - 2**-53, 4),  # the largest that torch.rand gives in float64; the last has no weight
])  # fmt: skip
def test_draw_is_the_inverse_of_the_running_sum(uniform: float, index: int) -> None:
    weights = torch.tensor([[0.0, 1.0, 2.0, 0.0, 1.0, 0.0]])
    assert draw(weights, torch.tensor([uniform], dtype=torch.float64)).tolist() == [index]


def test_draws_follow_the_weights() -> None:
    """Pearson's chi-square of 20 000 draws from 8 weights: below 24.3 in 999 of 1000 samples (7 degrees of
    freedom).
    """
    weights = torch.tensor([5.0, 1.0, 0.5, 3.0, 2.0, 0.01, 7.0, 1.49])
    numbers = uniforms(20_000, 1).squeeze(1)
    counts = draw(weights.expand(20_000, -1), numbers).bincount(minlength=8)
    expected = 20_000 * weights.double() / weights.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 24.3


def test_rare_tokens_of_a_large_vocabulary_are_drawn() -> None:
    """In float32 the running sum would not move for a token of 1e-9 near its end."""
    weights = torch.full((1, 50_000), 1e-9)
    weights[0, 0] = 1.0
    number = 1 - 0.5e-9 / (1 + 49_999e-9)  # in the middle of the very last token
    assert draw(weights, torch.tensor([number], dtype=torch.float64)).item() == 49_999


def test_left_padding() -> None:
    ids, mask = left_pad([[5], [6, 7, 8]], PAD, torch.device("cpu"))
    assert ids.tolist() == [[PAD, PAD, 5], [6, 7, 8]]
    assert mask.tolist() == [[False, False, True], [True, True, True]]


def test_sampling_can_be_given_up_between_tokens(policy: Policy) -> None:
    asked = []

    def give_up() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        roll(policy, end_ids=(), between_tokens=give_up)
    assert len(asked) == 3
