"""The score: the label found by name, batches that do not mix, and canaries that catch a wrong label."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from ppo_engine.builtin import CANARIES
from ppo_engine.errors import CanaryError, SourceError
from ppo_engine.rewards.classifier import SentimentClassifier, load_classifier
from tests.engine.checkpoints import make_classifier, make_policy, make_tokenizer, reviews, write_model

CPU = torch.device("cpu")
TEXTS = ["I loved it", "so very dull", "the film was long and the actor was terrible and I hated it", "a"]


@pytest.fixture(scope="module")
def scorer(tokenizer: Any) -> SentimentClassifier:
    return SentimentClassifier(make_classifier(tokenizer), tokenizer, "POSITIVE", CPU)


@torch.no_grad()
def test_a_score_is_the_raw_logit_of_the_positive_label(scorer: SentimentClassifier, tokenizer: Any) -> None:
    """Checked one text at a time, without padding: the batch must not mix its rows."""
    model = make_classifier(tokenizer)
    scores = scorer.score_texts(TEXTS)
    for row, text in enumerate(TEXTS):
        logits = model(
            **{name: torch.tensor([tokenizer(text)[name]]) for name in ("input_ids", "attention_mask")}
        ).logits[0]
        torch.testing.assert_close(scores.total[row], logits[1], rtol=0, atol=1e-5)
        torch.testing.assert_close(scores.parts["NEGATIVE"][row], logits[0], rtol=0, atol=1e-5)
    assert torch.equal(scores.parts["POSITIVE"], scores.total)
    assert scores.total.std() > 0.1


def test_a_score_is_of_query_and_response(scorer: SentimentClassifier) -> None:
    query, response = "I saw this ", "wonderful film"
    whole, without_query, without_response = scorer.score_texts(
        [query + response, response, query]
    ).total.tolist()
    assert len({round(score, 3) for score in (whole, without_query, without_response)}) == 3


@pytest.mark.parametrize("asked", ["POSITIVE", "positive", "Positive"])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_label_is_found_by_its_name(tokenizer: Any, asked: str, swapped: bool) -> None:
    """The same classifier with its two outputs, and their names, the other way round gives
    the same scores.
    """
    expected = (
        SentimentClassifier(make_classifier(tokenizer), tokenizer, "POSITIVE", CPU).score_texts(TEXTS).total
    )
    model = make_classifier(tokenizer)
    if swapped:
        with torch.no_grad():
            model.classifier.weight.copy_(model.classifier.weight.flip(0))
            model.classifier.bias.copy_(model.classifier.bias.flip(0))
        model.config.id2label = {0: "POSITIVE", 1: "NEGATIVE"}
    scores = SentimentClassifier(model, tokenizer, asked, CPU).score_texts(TEXTS)
    torch.testing.assert_close(scores.total, expected, rtol=0, atol=1e-6)


def test_a_label_that_is_not_there_is_refused_with_those_that_are(tokenizer: Any) -> None:
    with pytest.raises(CanaryError, match=r"positive_label = GOOD: .* allowed: NEGATIVE, POSITIVE"):
        SentimentClassifier(make_classifier(tokenizer), tokenizer, "GOOD", CPU)


def test_a_classifier_that_prefers_the_bad_canary_is_refused(tokenizer: Any) -> None:
    model = make_classifier(tokenizer)
    good, bad = SentimentClassifier(model, tokenizer, "POSITIVE", CPU).score_texts(CANARIES).total.tolist()
    with torch.no_grad():
        model.classifier.weight.neg_()
    with pytest.raises(CanaryError, match="which is inverted") as caught:
        SentimentClassifier(model, tokenizer, "POSITIVE", CPU)
    assert f"{-good:+.2f}" in str(caught.value) and f"{-bad:+.2f}" in str(caught.value)
    assert isinstance(caught.value, SourceError)


def test_a_classifier_that_cannot_tell_is_refused(tokenizer: Any) -> None:
    model = make_classifier(tokenizer)
    with torch.no_grad():
        model.classifier.weight.zero_()
    with pytest.raises(CanaryError, match=r"\+0\.00"):
        SentimentClassifier(model, tokenizer, "POSITIVE", CPU)


def test_a_text_longer_than_the_classifier_takes_is_cut_at_its_end(
    scorer: SentimentClassifier, tokenizer: Any
) -> None:
    (long,) = reviews("train", 1)
    ids = tokenizer(long)["input_ids"]
    assert len(ids) > 64
    cut = tokenizer.decode(ids[:64], clean_up_tokenization_spaces=False)
    torch.testing.assert_close(
        scorer.score_texts([long]).total, scorer.score_texts([cut]).total, rtol=0, atol=1e-5
    )
    shorter = tokenizer.decode(ids[:63], clean_up_tokenization_spaces=False)
    assert abs(scorer.score_texts([long]).total - scorer.score_texts([shorter]).total) > 1e-3


def test_scoring_leaves_no_graph_and_has_no_dropout(scorer: SentimentClassifier) -> None:
    scorer.model.train()
    first, second = scorer.score_texts(TEXTS), scorer.score_texts(TEXTS)
    assert torch.equal(first.total, second.total)
    assert not first.total.requires_grad and first.total.dtype == torch.float32
    assert not any(parameter.requires_grad for parameter in scorer.model.parameters())


def test_a_folder_with_a_classifier(world: Any, scorer: SentimentClassifier) -> None:
    loaded = load_classifier(str(world / "classifier"), "POSITIVE", CPU)
    assert torch.equal(loaded.score_texts(TEXTS).total, scorer.score_texts(TEXTS).total)


def test_a_language_model_is_no_classifier(tmp_path: Any, tokenizer: Any) -> None:
    """Its classification head would be drawn at random."""
    write_model(tmp_path, make_policy(tokenizer), tokenizer)
    with pytest.raises(SourceError, match=r"not a sequence classifier \(type gpt2"):
        load_classifier(str(tmp_path), "POSITIVE", CPU)


def classifier(kind: str, tokenizer: Any, labels: int = 2, **changes: Any) -> Any:
    """A tiny random classifier of that type whose last label prefers the good canary; it has as many
    positions as it says it has.
    """
    torch.manual_seed(0)
    names = {number: f"STARS {number}" for number in range(labels)}
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    config = transformers.CONFIG_MAPPING[kind](
        **{**sizes, "num_labels": labels, "id2label": names, "initializer_range": 0.3, **changes}
    )
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    head = [
        parameter for name, parameter in model.named_parameters() if "score" in name or "classifier" in name
    ][-2 if kind == "roberta" else -1]
    with torch.no_grad():
        good, bad = (
            model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1] for text in CANARIES
        )
        if good < bad:
            head.neg_()
    return model


@pytest.mark.parametrize(("kind", "labels", "changes"), [
    ("gpt2", 2, {"n_positions": 48}), ("bloom", 3, {}), ("llama", 1, {"max_position_embeddings": 64}),
    ("roberta", 5, {"max_position_embeddings": 50}), ("fnet", 2, {}),
])  # fmt: skip
@torch.no_grad()
def test_any_classifier_scores_a_text_as_it_scores_it_alone(
    kind: str, labels: int, changes: dict[str, Any]
) -> None:
    """No pad token, no limit of length, one label or five, positions that count from 2, and one that padding
    moves.
    """
    tokenizer = make_tokenizer(pad="[PAD]" if kind in ("roberta", "fnet") else None)
    tokenizer.model_max_length = int(1e30)  # what a tokenizer says that knows no limit
    if kind in ("roberta", "fnet"):
        changes = {**changes, "pad_token_id": 1}
    model = classifier(kind, tokenizer, labels, **changes)
    texts = [*TEXTS, "good " * 400]
    alone = []
    for text in texts:
        ids = tokenizer(text)["input_ids"][
            : {"gpt2": 48, "roberta": 48, "llama": 64, "fnet": 512}.get(kind, 1024)
        ]
        alone.append(model(input_ids=torch.tensor([ids])).logits[0])
    scorer = SentimentClassifier(model, tokenizer, f"STARS {labels - 1}", CPU)
    scores = scorer.score_texts(texts)
    torch.testing.assert_close(scores.total, torch.stack(alone)[:, -1], rtol=0, atol=1e-4)
    assert list(scores.parts) == [f"STARS {number}" for number in range(labels)]
    assert bool(scorer.remarks) == (kind == "fnet")


def test_labels_of_one_name_are_told_apart(tokenizer: Any) -> None:
    model = make_classifier(tokenizer)
    model.config.id2label = {0: "LABEL", 1: "LABEL"}
    with pytest.raises(CanaryError, match=r"allowed: LABEL \(0\), LABEL \(1\)"):
        SentimentClassifier(model, tokenizer, "POSITIVE", CPU)


def test_a_classifiers_tokenizer_larger_than_its_embeddings_is_refused_with_both_counts(
    tmp_path: Any,
) -> None:
    longer = make_tokenizer()
    write_model(tmp_path, make_classifier(longer), longer)
    longer.add_tokens(["<one>", "<two>"])
    longer.save_pretrained(tmp_path)
    with pytest.raises(
        SourceError,
        match=r"reward_model = .* tokenizer has 332 tokens, but the model has only 330 embeddings",
    ):
        load_classifier(str(tmp_path), "POSITIVE", CPU)


def test_scores_that_are_no_numbers_or_all_the_same_are_called_so(tokenizer: Any) -> None:
    model = make_classifier(tokenizer)
    with torch.no_grad():
        model.classifier.weight.zero_()
        with pytest.raises(CanaryError, match=r"both score .* ignores the text"):
            SentimentClassifier(model, tokenizer, "POSITIVE", CPU)
        model.classifier.weight.fill_(torch.nan)
    with pytest.raises(CanaryError, match="not finite"):
        SentimentClassifier(model, tokenizer, "POSITIVE", CPU)
