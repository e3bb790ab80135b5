"""The configuration: what it refuses and how it says so, text and back, and that every field is fit for a
form.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ppo_engine import ConfigError
from ppo_engine.config import FIELDS, GROUPS, PRESETS, Config, Field

NUMBERS = [name for name, knob in FIELDS.items() if knob.kind in (int, float)]
CLOSED_ORDER = {
    "batch_size": "mini_batch_size",
    "output_max_length": "output_min_length",
    "input_max_text_length": "input_min_text_length",
}


def problems(**values: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config(**values)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


BAD = [
    ("steps", 0, "a whole number from 1 to 1 000 000"),
    ("batch_size", -1, "a whole number from 1 to 4 096"),
    ("batch_size", 2.5, "a whole number from 1 to 4 096"),
    ("mini_batch_size", 0, "a whole number from 1 to 4 096"),
    ("ppo_epochs", "many", "a whole number from 1 to 100"),
    ("output_min_length", 0, "a whole number from 1 to 256"),
    ("seed", -1, "a whole number from 0 to 2 147 483 647"),
    ("lam", 1.01, "a number from 0 to 1"),
    ("gamma", -0.1, "a number from 0 to 1"),
    ("cliprange", 0, "a number above 0 to 1"),
    ("temperature", 0, "a number from 0.01 to 10"),
    ("top_p", 0, "a number above 0 to 1"),
    ("learning_rate", math.nan, "a number above 0 to 1"),
    ("learning_rate", math.inf, "a number above 0 to 1"),
    ("target", -math.inf, "a number above 0 to 1000"),
    ("vf_coef", None, "a number from 0 to 100"),
    ("adap_kl_ctrl", "perhaps", "true or false"),
    ("device", "tpu", "one of auto, cpu, cuda, mps"),
    ("precision", "fp64", "one of fp32, bf16"),
    ("model_name", 7, "non-empty text"),
    ("model_name", "", "non-empty text"),
    ("top_k", [5], "a whole number from 0 to 1 000 000"),
]


@pytest.mark.parametrize(
    "name",
    ["self", "cls", "name", "preset", "changes", "values", "model_config", "__init__", "a = b", "x:y", ""],
)
def test_no_name_is_taken_for_an_argument(name: str) -> None:
    """Links and command lines bring in any name: each that is no setting's is refused as one."""
    for make in (
        Config,
        Config.preset("tiny-reviews").changed,
        lambda **values: Config.from_strings("tiny-reviews", values),
    ):
        with pytest.raises(ConfigError, match="unknown setting"):
            make(**{name: "1"})
    with pytest.raises(ConfigError, match="unknown setting"):
        Config.preset("tiny-reviews", **{name: "1"})


@pytest.mark.parametrize(("name", "value", "allowed"), BAD, ids=[f"{name}={value}" for name, value, _ in BAD])
def test_a_bad_value_is_refused_by_field_value_and_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    assert problems(**{name: value}) == [f"{name} = {value}: must be {allowed}"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, True, "", "1e999", None])
def test_no_number_takes_what_is_not_a_number(name: str, value: Any) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name} = {value}: must be ")


@pytest.mark.parametrize("name", NUMBERS)
def test_the_range_is_the_one_it_says(name: str) -> None:
    """Each end of the range is accepted if it is said to be, and the next number beyond is refused."""
    knob = FIELDS[name]
    assert knob.minimum is not None and knob.maximum is not None
    step = 1 if knob.kind is int else 1e-9
    inside = [knob.maximum] if knob.open_minimum else [knob.minimum, knob.maximum]
    outside = [
        knob.minimum if knob.open_minimum else knob.minimum - step,
        knob.maximum + max(step, knob.maximum * 1e-9),
    ]
    for value in inside:
        assert getattr(config_with(name, knob.kind(value)), name) == value
    for value in outside:
        assert problems(**{name: value if knob.kind is float else math.ceil(value)})[0].startswith(
            f"{name} = "
        )


def config_with(name: str, value: Any) -> Config:
    """With the one or two others that this value would contradict moved out of its way."""
    others: dict[str, Any] = {}
    for larger, smaller in CLOSED_ORDER.items():
        if name in (larger, smaller):
            others = {larger: value, smaller: value}
    return Config(**{**others, name: value})


@pytest.mark.parametrize(("larger", "smaller"), CLOSED_ORDER.items())
def test_a_contradiction_names_both_fields(larger: str, smaller: str) -> None:
    assert problems(**{larger: 3, smaller: 4}) == [f"{smaller} = 4: must be at most {larger}, which is 3"]
    Config(**{larger: 4, smaller: 4})


def test_all_contradictions_are_reported_together() -> None:
    both = problems(batch_size=3, mini_batch_size=4, output_max_length=3, output_min_length=4)
    assert [problem.split(" = ")[0] for problem in both] == ["mini_batch_size", "output_min_length"]


def test_all_bad_fields_are_reported_together() -> None:
    assert [problem.split(" ")[0] for problem in problems(steps=0, lam=2, learning_rate="fast", batch=3)] == [
        "steps",
        "lam",
        "learning_rate",
        "batch:",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("learning_rat", "learning_rate"), ("minibatch_size", "mini_batch_size"), ("lamda", "lam")],
)
def test_an_unknown_field_is_refused_with_a_suggestion(name: str, meant: str) -> None:
    assert problems(**{name: 1}) == [f"{name}: unknown setting; did you mean {meant}?"]


def test_an_unknown_field_that_resembles_none_lists_them_all() -> None:
    (problem,) = problems(zzzzzzzz=1)
    assert problem.startswith("zzzzzzzz: unknown setting") and all(name in problem for name in FIELDS)


def test_a_very_long_value_is_shortened() -> None:
    (problem,) = problems(steps="9" * 5000)
    assert len(problem) < 150


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^preset = huge: must be one of tiny-reviews, gpt2-imdb$"):
        Config.preset("huge")


def test_a_config_error_is_a_value_error_and_of_the_tree() -> None:
    from ppo_engine import PPOEngineError

    assert issubclass(ConfigError, ValueError) and issubclass(ConfigError, PPOEngineError)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_name_only_what_differs_from_the_notebook(preset: str) -> None:
    config = Config.preset(preset)
    assert PRESETS[preset].values == {name: getattr(config, name) for name in PRESETS[preset].values}
    assert all(value != FIELDS[name].default for name, value in PRESETS[preset].values.items())
    assert PRESETS[preset].title and PRESETS[preset].help


def test_the_defaults_are_the_notebooks() -> None:
    config = Config()
    assert (config.batch_size, config.mini_batch_size, config.ppo_epochs, config.learning_rate) == (
        256,
        16,
        4,
        1.41e-5,
    )
    assert (config.gamma, config.lam, config.cliprange, config.cliprange_value, config.vf_coef) == (
        1,
        0.95,
        0.2,
        0.2,
        0.1,
    )
    assert (config.init_kl_coef, config.target, config.horizon) == (0.2, 6, 10_000)
    assert (config.input_min_text_length, config.input_max_text_length) == (2, 8)
    assert (config.model_name, config.reward_model) == ("lvwerra/gpt2-imdb", "lvwerra/distilbert-imdb")


def test_a_config_is_frozen_and_changed_makes_a_checked_copy() -> None:
    config = Config()
    with pytest.raises(ValidationError, match="frozen"):
        config.steps = 3  # type: ignore[misc]
    assert config.changed(steps=3).steps == 3 and config.steps == 100
    with pytest.raises(ConfigError, match="mini_batch_size = 16: must be at most batch_size, which is 8"):
        config.changed(batch_size=8)


def test_text_is_read_as_the_command_line_and_the_url_give_it() -> None:
    config = Config.from_strings(
        "tiny-reviews",
        {"steps": "7", "lam": "0.5", "adap_kl_ctrl": "false", "device": "cpu", "model_name": "a/b"},
    )
    assert (config.steps, config.lam, config.adap_kl_ctrl, config.device, config.model_name) == (
        7,
        0.5,
        False,
        "cpu",
        "a/b",
    )
    with pytest.raises(ConfigError) as caught:
        Config.from_strings("tiny-reviews", {"steps": "0", "lam": "x"})
    assert [problem.split(" = ")[0] for problem in caught.value.problems] == ["steps", "lam"]


def values(knob: Field) -> st.SearchStrategy[Any]:
    """Any value that the field takes."""
    if knob.choices:
        return st.sampled_from(knob.choices)
    if knob.kind is bool:
        return st.booleans()
    if knob.name == "reward":
        return st.text(min_size=1, max_size=40).filter(str.strip).map(lambda word: f"contains:{word}")
    if knob.kind is str:
        return st.text(min_size=1, max_size=40)
    assert knob.minimum is not None and knob.maximum is not None
    if knob.kind is int:
        return st.integers(int(knob.minimum), int(knob.maximum))
    return st.floats(knob.minimum, knob.maximum, exclude_min=knob.open_minimum)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", FIELDS)
@given(data=st.data())
def test_every_field_goes_to_text_and_back_exactly(preset: str, name: str, data: st.DataObject) -> None:
    value = data.draw(values(FIELDS[name]))
    others = {larger: value for larger, smaller in CLOSED_ORDER.items() if name == smaller}
    others |= {
        smaller: min(value, getattr(Config.preset(preset), smaller))
        for larger, smaller in CLOSED_ORDER.items()
        if name == larger
    }
    config = Config.preset(preset, **{**others, name: value})
    changes = config.changes_from(preset)
    assert all(isinstance(text, str) for text in changes.values())
    assert set(changes) <= {name, *others}
    assert Config.from_strings(preset, changes) == config


def test_nothing_changed_is_no_text() -> None:
    assert Config.preset("tiny-reviews").changes_from("tiny-reviews") == {}


@pytest.mark.parametrize("knob", FIELDS.values(), ids=FIELDS)
def test_every_field_has_what_a_form_needs(knob: Field) -> None:
    assert knob.group in GROUPS and knob.label
    assert knob.help.endswith((".", "?")) and knob.help[0].isupper() and len(knob.help) > 15
    assert isinstance(knob.default, knob.kind)
    if knob.kind in (int, float):
        assert (
            knob.minimum is not None
            and knob.maximum is not None
            and knob.minimum <= knob.default <= knob.maximum
        )
    if knob.kind is int:
        assert knob.unit or knob.name == "seed", "a count says what it counts"
    if knob.choices:
        assert knob.default in knob.choices


def test_every_group_has_a_field_and_every_label_is_its_own() -> None:
    assert {knob.group for knob in FIELDS.values()} == set(GROUPS)
    assert len({knob.label for knob in FIELDS.values()}) == len(FIELDS)


@pytest.mark.parametrize(
    "name", ["seed", "model_name", "reward_model", "query_dataset", "device", "precision", "threads"]
)
def test_what_the_run_was_built_from_cannot_change_while_it_is_on(name: str) -> None:
    assert not FIELDS[name].live
