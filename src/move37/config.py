"""Strict settings: a study in TOML goes in, a resolved JSON goes into the run folder.

Defaults are the reference study's protocol (arXiv 2504.13837: T=0.6, top-p 0.95, 16,384 new tokens, the same
zero-shot prompt for both models). Unknown keys, impossible combinations and missing files are refused with one line
that names the key. Names of engines, benchmarks, templates and verifiers are checked where the registries are, in
`pipeline.py`. What may change when a run is continued is decided here (`changed_keys`).
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from move37.counts import StoppingPlan
from move37.errors import ConfigError, InputError
from move37.grids import GridError, expanded
from move37.model_table import one_table_each
from move37.paths import absolute, checkpoint_of

IMPORTED = "imported"
"""The engine of a model whose samples or counts came from elsewhere: it is never sampled."""

GENERATED = ("reasoning-gym", "countdown", "paths", "parity", "two-strategies")
"""Benchmarks whose problems are made from size, seed and options; a task or tier follows their name and a colon."""

SELECTED = ("livecodebench",)
"""Published sets of which options select a part (release, dates)."""

SPLIT = ("gsm8k", "math500", "geometry3k")
"""Published sets of which the part for training can be read too."""

VISUAL = ("mathvista", "mathvision", "mathvision-testmini", "geometry3k", "mmmu")
"""Published sets whose problems have images, and of which choice questions are left out unless asked for."""

_LONGEST_NAME = 200
"""Bytes of a name that becomes a folder or a file: file systems take 255, and some is added to it."""

PUBLISHED = (
    *("aime24", "aime25", "hmmt25", "beyond-aime", "amc23", "math500", "minerva", "olympiadbench", "gsm8k"),
    *("math-beyond", "gpqa-diamond"),
    *("humaneval", "humaneval-plus"),
    *("mbpp", "mbpp-plus", *SELECTED, *VISUAL, "jsonl"),
)
"""Benchmarks of the table that are read, not generated. One from outside decides itself about its settings."""

Fraction = Annotated[float, Field(gt=0, lt=1)]

# More than anything can use, and little enough for whatever reads it: 64-bit numbers, timers of the system.
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Tokens = Annotated[int, Field(ge=1, le=1_000_000_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=1_000_000)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


class FieldMapping(Settings):
    """Which keys of a JSONL row hold what, for files that name them in their own way."""

    question: str = Field(
        default="question", description="Key of the question, or of a chat; a dot leads into an object (extra.problem)."
    )
    answer: str = Field(default="answer", description="Key of the reference answer, or of a list of alternatives.")
    options: str | None = Field(
        default=None, description="Key of the options of a choice question; default: options or choices, where there."
    )
    tags: tuple[str, ...] = Field(default=(), description="Keys copied into the problem's tags.")
    images: str | None = Field(
        default=None, description="Key of an image or a list of images; default: images or image, where there."
    )


class ProblemsConfig(Settings):
    """Where problems come from."""

    benchmark: str = Field(description="A name of `move37 list benchmarks`, or reasoning-gym:<task>, or jsonl.")
    path: Path | None = Field(default=None, description="A local file or folder; without it, the Hugging Face hub.")
    fields: FieldMapping | None = Field(default=None, description="Field names, for benchmark = 'jsonl' only.")
    verifier: str | None = Field(default=None, description="Overrides the benchmark's own verifier.")
    limit: Count | None = Field(default=None, description="Only the first so many problems, in file order.")
    skip: int = Field(default=0, ge=0, le=10**9, description="Leave out so many at the beginning, before limit counts.")
    split: Literal["test", "train"] = Field(
        default="test",
        description="train: the part of gsm8k, math500 or geometry3k that is trained on (of MATH the other 12,000).",
    )
    size: Count = Field(default=100, description="How many problems to generate (reasoning-gym, countdown).")
    seed: Seed = Field(default=0, description="Seed of the generated problems, or of the order of options.")
    options: dict[str, Any] = Field(default={}, description="Options of the generator, or of livecodebench.")
    shuffle_options: bool = Field(default=False, description="Give each choice question its options in random order.")
    multiple_choice: bool = Field(
        default=False, description="Keep the choice questions of a visual set, their options in random order (seed)."
    )
    max_images: Count = Field(default=16, description="A problem with more images is refused.")
    max_pixels: int = Field(
        default=2**25, ge=1, le=10**9, description="A problem with an image of more pixels (width x height) is refused."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ProblemsConfig":
        if self.benchmark == "jsonl" and self.path is None:
            raise ValueError("path: benchmark = 'jsonl' needs the path of the file")
        if self.fields is not None and self.benchmark != "jsonl":
            raise ValueError("fields: only benchmark = 'jsonl' takes a field mapping")
        if self.split == "train" and self.benchmark not in SPLIT:
            raise ValueError(f"split: only {', '.join(SPLIT[:-1])} and {SPLIT[-1]} have a training part")
        if self.shuffle_options and self.benchmark != "jsonl":
            raise ValueError("shuffle_options: only benchmark = 'jsonl' has choice questions")
        if self.multiple_choice and self.benchmark not in VISUAL:
            raise ValueError(f"multiple_choice: only visual sets leave choice questions out ({', '.join(VISUAL)})")
        family = self.benchmark.partition(":")[0]
        if family in PUBLISHED:
            fields = type(self).model_fields
            refused = {"size", "seed", "options"} - ({"options"} if family in SELECTED else set())
            for key in sorted(refused - ({"seed"} if self.shuffle_options or self.multiple_choice else set())):
                if getattr(self, key) != fields[key].default:
                    raise ValueError(f"{key}: only generated problems (reasoning-gym:<task>, countdown) take it")
        elif family in GENERATED and self.path is not None:
            raise ValueError(f"path: {family} problems are generated, not read")
        return self


_NOT_VARIABLES = {"messages", "conversation", "chat_template", "add_generation_prompt", "continue_final_message"}
_NOT_VARIABLES |= {"tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict"}
_NOT_VARIABLES |= {"return_assistant_tokens_mask", "tokenizer_kwargs", "processor_kwargs"}
"""What `apply_chat_template` takes beside the variables of the template."""


class TemplateConfig(Settings):
    """A prompt template of the user's own."""

    text: str = Field(description="Jinja text with {{ question }}.")
    stop: tuple[str, ...] = Field(default=(), description="Strings that end a response.")
    chat: bool = Field(default=False, description="The text is the user's message in the model's own chat template.")
    system: str = Field(default="", description="Message of the system before it; for chat = true.")
    chat_template_kwargs: dict[str, Any] = Field(
        default={}, description="Variables of the chat template, such as enable_thinking = false; for chat = true."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "TemplateConfig":
        for key in ("system", "chat_template_kwargs"):
            if getattr(self, key) and not self.chat:
                raise ValueError(f"{key}: only a template with chat = true has one; write it into the text instead")
        taken = sorted(_NOT_VARIABLES & self.chat_template_kwargs.keys())
        if taken:
            raise ValueError(f"chat_template_kwargs.{taken[0]}: no variable of a chat template; it is not yours to set")
        return self


class StoppingConfig(Settings):
    """When a problem has been sampled enough: decided before sampling, the same for every problem and model."""

    successes: int | tuple[int, ...] = Field(
        default=8, description="Correct samples that are enough, one number per look but the last; 0: always n samples."
    )
    batch: Count = Field(default=16, description="Look at a problem after every so many samples.")
    looks: tuple[int, ...] = Field(default=(), description="Look after these numbers of samples instead, and at n.")

    @model_validator(mode="after")
    def _consistent(self) -> "StoppingConfig":
        many = isinstance(self.successes, tuple)
        thresholds = self.successes if isinstance(self.successes, tuple) else (self.successes,)
        if min(thresholds, default=0) < int(many):
            raise ValueError("successes: must be at least 1, or the single number 0 for a fixed n")
        if self.looks and self.batch != type(self).model_fields["batch"].default:
            raise ValueError("batch: give looks or batch, not both")
        if any(a >= b for a, b in pairwise((0, *self.looks))):
            raise ValueError("looks: must rise, the first at 1 sample or later")
        if many and len(thresholds) != len(self.looks):
            raise ValueError(f"successes: {len(thresholds)} thresholds for {len(self.looks)} looks; give one for each")
        return self


class SamplingConfig(Settings):
    """How every model of the study is sampled."""

    n: Count = Field(default=256, description="Samples per problem, at most.")
    stop: StoppingConfig = Field(default=StoppingConfig(), description="When a problem has been sampled enough.")
    token_budget: float | None = Field(
        default=None, gt=0, description="Lowers n, before sampling, until all models and problems together fit it."
    )
    tokens_per_sample: float | None = Field(
        default=None, gt=0, description="Mean length that the budget reckons with; default: max_new_tokens."
    )
    temperature: float = Field(default=0.6, ge=0, description="0 is greedy.")
    top_p: float = Field(default=0.95, gt=0, le=1, description="Nucleus mass.")
    max_new_tokens: Tokens = Field(default=16_384, description="Token limit of a response.")
    template: str = Field(default="qwen-boxed", description="Prompt template, the same for all models.")
    keep_tokens: bool = Field(
        default=False,
        description="Keep every sample's token ids and their natural-log probabilities under the model itself.",
    )
    environment: str = Field(
        default="single_turn", description="A name of `move37 list environments`: what comes after the model's turn."
    )
    executor: str = Field(
        default="local",
        description="A name of `move37 list executors`, or the address of a Ray cluster: where samples are made.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "SamplingConfig":
        if self.tokens_per_sample is not None and self.token_budget is None:
            raise ValueError("tokens_per_sample: only a token_budget needs it")
        if self.stop.looks and self.stop.looks[-1] >= self.n:
            raise ValueError(f"stop.looks: the last, {self.stop.looks[-1]}, must be below n = {self.n}")
        return self

    def plan(self) -> StoppingPlan:
        """The stopping plan of every problem."""
        stop = self.stop
        if stop.successes == 0:
            return StoppingPlan((self.n,), 1)
        if stop.looks:
            return StoppingPlan((*stop.looks, self.n), stop.successes)
        assert isinstance(stop.successes, int)  # several thresholds need looks
        return StoppingPlan.until(stop.successes, self.n, stop.batch)


_PLACED = ("sampling", "cluster")
_ADDRESS = re.compile(r"ray://.+|[\w.-]+:\d+|\[[0-9A-Fa-f:]+\]:\d+")
"""Addresses of a Ray cluster: ray://HOST:PORT, HOST:PORT."""
TRAININGS = "trainings"
"""In the run folder of a study that trains models: a folder for each training."""
TRAINED = ("training", "step", "seed", "changes", "start")
"""What says which trained model it is, beside the content of the recipe."""
OVERRIDES = ("temperature", "top_p", "template", "max_new_tokens", "environment")
"""Settings of sampling that a model may have of its own."""


class ModelConfig(Settings):
    """One model of the study. The name of its table is its key in the store."""

    path: str = Field(default="", description="Hugging Face folder, hub name or GGUF file; or else a recipe.")
    recipe: Path | None = Field(
        default=None,
        description="A training recipe: the model is trained before it is sampled. `steps` (one or a list), `seed`, "
        "`set` and `grid` then say which models (`grids.py`).",
    )
    changes: dict[str, Any] = Field(default={}, description="Settings that differ from the recipe's, by dotted key.")
    training: str | None = Field(default=None, description="Of a trained model: its training, which has a folder.")
    start: str | None = Field(default=None, description="Of a trained model: the model that its training starts from.")
    seed: Seed | None = Field(default=None, description="Seed of its training; reported.")
    step: int | None = Field(default=None, ge=0, description="Steps of its training; reported.")
    engine: str = Field(default="transformers", description="A name of `move37 list engines`.")
    temperature: float | None = Field(default=None, ge=0, description="Overrides sampling.temperature; reported.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Overrides sampling.top_p; reported.")
    template: str | None = Field(default=None, description="Overrides sampling.template; reported.")
    max_new_tokens: Tokens | None = Field(default=None, description="Overrides sampling.max_new_tokens; reported.")
    environment: str | None = Field(default=None, description="Overrides sampling.environment: base with tools, say.")
    base: str | None = Field(
        default=None, description="The model that it is compared with, in a report of its own; default: analysis.base."
    )
    match_entropy: str | None = Field(
        default=None, description="Sample at the temperature at which it is as random as this model is; it is found."
    )
    arm_of: str | None = Field(
        default=None, description="The model of which this is another arm: the same weights, asked in another way."
    )
    guess: Literal["blind", "answer-only"] | None = Field(
        default=None,
        description="Of an arm: a guess control. blind: asked without the images; answer-only: for the answer alone.",
    )
    training_tokens: float | None = Field(
        default=None, gt=0, description="Tokens generated in its training: may base spend them on more tries instead?"
    )
    algorithm: str | None = Field(
        default=None, description="What trained it; models that share one are its training seeds, analysed together."
    )
    options: dict[str, Any] = Field(default={}, description="Options of the engine (batch_size, dtype, device, ...).")

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        if not self.path and self.recipe is None:
            raise ValueError("path: a model has a path, or a recipe that it is trained by")
        if self.recipe is not None and (self.training is None or not self.step or self.seed is None):
            raise ValueError("recipe: a trained model has a training, a step and a seed")
        return self

    @property
    def asked_of(self) -> str:
        """What is asked: the weights, by their path or by the training that makes them."""
        return self.path if self.recipe is None else f"{self.training}@{self.step}"


class VerificationConfig(Settings):
    """How responses are judged."""

    workers: int = Field(default=2, ge=1, le=1024, description="Worker processes.")
    unsafe_local: bool = Field(
        default=False, description="Run programs as the user, without a sandbox; their verdicts say so."
    )
    timeout_seconds: Seconds = Field(default=10.0, description="CPU seconds for one answer; beyond it, unscored.")
    options: dict[str, dict[str, Any]] = Field(default={}, description="Options of verifiers, by the verifier's name.")
    cache: bool = Field(default=True, description="Recall verdicts that an earlier run made with the same verifier.")


class ClusterConfig(Settings):
    """What is used of a Ray cluster, for sampling.executor = "ray"."""

    address: str | None = Field(
        default=None, description="Address of a cluster: auto, HOST:PORT or ray://HOST:10001; default: RAY_ADDRESS."
    )
    engines: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Copies of each model; default: as many as the GPUs hold, or one for each node without GPUs.",
    )
    gpus: float | None = Field(
        default=None, ge=0, description="GPUs of each copy; default: what the engine takes where there are GPUs."
    )
    cpus: float = Field(default=1, ge=0, description="Processors that are set aside for each copy.")
    verifiers: int = Field(
        default=0, ge=0, le=100_000, description="Verifying processes on the cluster; 0: on this machine instead."
    )
    patience_seconds: Seconds = Field(default=1800.0, description="How long to wait for room for the first copy.")


class AnalysisConfig(Settings):
    """How models are compared."""

    base: str | None = Field(default=None, description="Model all others are compared with; default: the first.")
    confidence: Fraction = Field(default=0.95, description="Simultaneous confidence of bands.")
    target: Literal["population", "benchmark"] = Field(
        default="population",
        description='Of what bands speak: problems like these ("population"), or fresh samples of these problems '
        '("benchmark", for k up to n / 8).',
    )
    draws: int = Field(
        default=100_000, ge=1000, le=100_000_000, description="Multiplier draws behind the critical value."
    )
    seed: Seed = Field(default=0, description="Seed of the multiplier draws.")
    strata: tuple[str, ...] = Field(default=(), description="Tags of the problems (subset, level) to compare within.")
    clusters: str | None = Field(default=None, description="Tag whose equal values mark near-duplicate problems.")
    monte_carlo_error: float | None = Field(
        default=None, gt=0, description="Double the draws until the critical value is known this well (its 95 % range)."
    )
    uses: float | None = Field(
        default=None, gt=0, description="Problems that a trained model is used on, over which training_tokens count."
    )
    chain_judge: str | None = Field(
        default=None, description="A verifier, or its label, that judged whole responses: makes CoT-pass@k of it."
    )
    beyond: bool = Field(default=True, description="Continue the curves to twice n and say what is not known there.")
    accept_differences: str = Field(
        default="", description="Why imported models that were asked differently are compared all the same; reported."
    )


class StudyConfig(Settings):
    """A whole study."""

    name: str = Field(min_length=1, pattern=r"^\w[\w.-]*$", description="Name of the run folder.")
    seed: Seed = Field(default=0, description="Seed of all sampling.")
    note: str = Field(default="", description="A sentence that the report shows at the top.")
    smoke: bool = Field(default=False, description="Written by `move37 run --smoke`: of a size that means nothing.")
    problems: tuple[ProblemsConfig, ...] = Field(min_length=1, description="One or more sources of problems.")
    sampling: SamplingConfig = Field(default=SamplingConfig())
    models: dict[str, ModelConfig] = Field(default={}, description="Models by name; the first is the base.")
    templates: dict[str, TemplateConfig] = Field(default={}, description="The user's own prompt templates.")
    verification: VerificationConfig = Field(default=VerificationConfig())
    cluster: ClusterConfig = Field(default=ClusterConfig())
    analysis: AnalysisConfig = Field(default=AnalysisConfig())

    @model_validator(mode="before")
    @classmethod
    def _executor_at_an_address(cls, value: Any) -> Any:
        """The address of a Ray cluster, as executor, is the executor ray and that address."""
        sampling, cluster = (value.get(name, {}) if isinstance(value, Mapping) else None for name in _PLACED)
        if not isinstance(sampling, Mapping) or not isinstance(cluster, Mapping):
            return value
        address = sampling.get("executor")
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            return value
        if cluster.get("address", address) not in (address, None):
            raise ValueError(f"sampling.executor: {address}, and cluster.address is another ({cluster['address']})")
        return {**value, "sampling": {**sampling, "executor": "ray"}, "cluster": {**cluster, "address": address}}

    @field_validator("problems", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value

    @field_validator("models")
    @classmethod
    def _plain_names(cls, value: dict[str, ModelConfig]) -> dict[str, ModelConfig]:
        for name in value:
            if not name.isprintable() or name.strip() != name or name.startswith(".") or any(c in name for c in "/\\"):
                raise ValueError(f"{name!r} cannot be a folder name; rename the model")
            if not name or len(name.encode()) > _LONGEST_NAME:
                raise ValueError(f"a name of {len(name.encode())} bytes (allowed are 1 to {_LONGEST_NAME})")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        if self.analysis.base is not None and self.analysis.base not in self.models:
            known = ", ".join(self.models) or "none"
            raise ValueError(f"analysis.base: no model {self.analysis.base!r} (models: {known})")
        for name, model in self.models.items():
            main = self.models.get(model.arm_of) if model.arm_of is not None else None
            if model.match_entropy is not None and (
                model.match_entropy == name or model.match_entropy not in self.models
            ):
                raise ValueError(f"models.{name}.match_entropy: {model.match_entropy!r} is no other model of the study")
            if model.arm_of is not None and (main is None or main.arm_of is not None or model.arm_of == name):
                raise ValueError(f"models.{name}.arm_of: {model.arm_of!r} is no other model with arms of its own")
            if model.guess is not None and main is None:
                raise ValueError(f"models.{name}.guess: only an arm guesses; set arm_of to the model that it is of")
            own = self.models.get(model.base) if model.base is not None else None
            if model.base is not None and (own is None or own.base is not None or model.base == name):
                raise ValueError(f"models.{name}.base: {model.base!r} is no other model that is a base itself")
            if main is not None and main.asked_of != model.asked_of:
                raise ValueError(f"models.{name}.arm_of: an arm has the path of {model.arm_of!r}: the same weights")
        return self

    def sampling_of(self, model: str) -> SamplingConfig:
        """The sampling settings of one model, its own overrides applied."""
        own = self.models[model]
        changes = {name: getattr(own, name) for name in OVERRIDES}
        if own.guess == "answer-only" and own.template is None:
            changes["template"] = own.guess
        return self.sampling.model_copy(update={k: v for k, v in changes.items() if v is not None})

    def within_budget(self, problems: int) -> "StudyConfig":
        """The study with n lowered to what its token budget pays for if no problem stops early.

        That n is the same for every problem and model and is decided before any outcome is seen: a budget that ended
        sampling when it was used up would bias every estimate. Raises ConfigError if it pays for no sample each.
        """
        budget = self.sampling.token_budget
        sampled = sum(model.engine != IMPORTED for model in self.models.values())
        if budget is None or not sampled or not problems:
            return self
        length = self.sampling.tokens_per_sample or self.sampling.max_new_tokens
        n = min(self.sampling.n, int(budget // (sampled * problems * length)))
        if n < 1:
            raise ConfigError(
                f"sampling.token_budget: {budget:g} tokens do not pay for one sample of {length:g} tokens for each of "
                f"{problems} problems and {sampled} models; that takes {sampled * problems * length:g}"
            )
        return from_options(StudyConfig, **self.model_dump() | {"sampling": self.sampling.model_dump() | {"n": n}})

    def base_model(self) -> str | None:
        """The model that the others are compared with."""
        return self.analysis.base or next(iter(self.models), None)

    def base_models(self) -> tuple[str, ...]:
        """All models that others are compared with: that of the study, and those that models name for themselves."""
        own = (model.base for model in self.models.values() if model.base is not None)
        return tuple(dict.fromkeys(base for base in (self.base_model(), *own) if base is not None))

    def against(self, base: str) -> "StudyConfig":
        """The part of the study that is compared with `base`: with its arms, and the models whose base it is."""
        bases, first = self.base_models(), self.base_model()

        def base_of(name: str) -> str:
            model = self.models[name]
            if model.arm_of is not None and model.base is None:
                return base_of(model.arm_of)
            return name if name in bases else model.base or str(first)

        models = {name: model for name, model in self.models.items() if base_of(name) == base}
        analysis = self.analysis.model_copy(update={"base": base})
        return self.model_copy(update={"models": models, "analysis": analysis})

    def trained_in(self, run: Path) -> "StudyConfig":
        """The study with the places of the models that it trains, which are in its run folder."""
        places = {
            name: checkpoint_of(run / TRAININGS / model.training, model.step)
            for name, model in self.models.items()
            if model.training is not None and model.step is not None
        }
        if not places:
            return self
        located = {
            name: model.model_copy(update={"path": str(places[name])})
            for name, model in self.models.items()
            if name in places
        }
        return self.model_copy(update={"models": {**self.models, **located}})


def load_study(path: Path) -> StudyConfig:
    """Read a study from TOML. Relative paths in it are relative to the file. Raises ConfigError."""
    study = parse_study(read_toml(path, "study file"), str(path), path.parent)
    return _anchor(study, path.parent, str(path))


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a TOML file, which is called `what` where there is none. Raises ConfigError, in one line."""
    if path.exists() and not path.is_file():  # a pipe may never end
        raise ConfigError(f"{path}: not a file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, a thousand brackets
        raise ConfigError(f"{path}: not usable TOML: {' '.join(str(error).split())}") from None


def parse_study(raw: Mapping[str, Any], where: str = "study", folder: Path | None = None) -> StudyConfig:
    """Validate a study given as a mapping. Raises ConfigError with one line that names the key.

    Recipes and patterns of models are relative to `folder`; without one, to the working folder.
    """

    def read_recipe(given: str, key: str) -> dict[str, Any]:
        return read_toml(there(folder or Path(), Path(given), key), "recipe")

    try:
        raw = one_table_each(raw, folder or Path(), where)
        if isinstance(raw.get("models"), Mapping):
            raw = {**raw, "models": expanded(raw["models"], read_recipe)}
        return StudyConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_validation_error(error, StudyConfig)}") from None
    except GridError as error:
        raise ConfigError(f"{where}: {error}") from None


def from_options(kind: type[S], **values: Any) -> S:
    """Settings given as options of a command, None where they were not. Raises ConfigError."""
    try:
        return kind.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(describe_validation_error(error, kind)) from None


def changed_keys(old: StudyConfig, new: StudyConfig) -> list[str]:
    """Keys whose change would mix two different laws in one run.

    A run may be continued with more samples per problem (n, which must not be raised for the sake of a result: the
    stopping plan is unbiased only if n was decided without looking), more models, other verification and analysis
    settings, another executor or cluster, and tokens kept from now on or no longer. Problems, models and classes in
    files of the user's own are compared by what they are, where that is known: problems by the store, weights, engine
    options and the content of such files when a model is loaded. So files and folders may be moved. Everything else
    needs a new run folder.
    """
    changes: list[str] = []
    changes += [key for key in ("seed", "smoke") if getattr(old, key) != getattr(new, key)]
    for key in SamplingConfig.model_fields:
        if key not in ("n", "keep_tokens", "executor") and _law(old.sampling, key) != _law(new.sampling, key):
            changes.append(f"sampling.{key}")
    used = {new.sampling.template, *(old.models[name].template for name in old.models.keys() & new.models.keys())}
    for name in sorted(used & (old.templates.keys() | new.templates.keys())):
        if old.templates.get(name) != new.templates.get(name):
            changes.append(f"templates.{name}")
    for name in old.models.keys() & new.models.keys():
        was, now = old.models[name], new.models[name]
        folders = (Path(was.path).is_absolute() and Path(now.path).is_absolute()) or _is_end_of(now.path, was.path)
        trained = was.recipe is not None and now.recipe is not None
        if was.path != now.path and not folders and not trained and IMPORTED not in (was.engine, now.engine):
            changes.append(f"models.{name}.path")
        if trained:
            changes += [f"models.{name}.{key}" for key in TRAINED if getattr(was, key) != getattr(now, key)]
        for key in ("engine", *OVERRIDES):
            found = key == "temperature" and was.temperature is None and was.match_entropy == now.match_entropy
            if _law(was, key) != _law(now, key) and not (found and now.match_entropy):
                changes.append(f"models.{name}.{key}")
    return changes


def _is_end_of(path: str, before: str) -> bool:
    """Whether a path is how a folder that was there may be written that is gone: nothing says then where it lay."""
    parts, whole = Path(path).parts, Path(before).parts
    return Path(before).is_absolute() and len(parts) > 0 and whole[-len(parts) :] == parts


def _law(settings: Settings, key: str) -> Any:
    """A setting as far as it names a distribution; of "folder/file.py:Class" what a renamed folder leaves as it is."""
    value = getattr(settings, key)
    file, colon, attribute = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return f"{Path(file).name}{colon}{attribute}" if file.endswith(".py") else value


def resolved_json(study: StudyConfig, about: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The study with every default written out, behind what the writer says `about` the file."""
    return json.dumps({**about, **study.model_dump(mode="json")}, indent=2, ensure_ascii=False) + "\n"


def describe_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of a validation error in one line, with the key and, for a typo, the key that was meant."""
    # A misspelt key is also a missing one: say the first, it explains the second.
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, first["loc"][:-1])
        close = get_close_matches(str(first["loc"][-1]), known, n=1)
        return f"{key}: unknown key" + (f"; did you mean {close[0]!r}?" if close else f" (known: {', '.join(known)})")
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = "" if isinstance(first["input"], Mapping | list | tuple) else f" (given: {first['input']!r})"
    more = f"; {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return (f"{key}: " if key else "") + message + given + more


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that the settings class at `location` knows."""
    for part in location:
        if isinstance(part, int) or part not in model.model_fields:
            continue  # an index into a list, or a user's own name in a table
        annotation = model.model_fields[str(part)].annotation
        nested = [a for a in _flatten(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        if nested:
            model = nested[0]
    return list(model.model_fields)


def _flatten(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    return [annotation] + [inner for a in arguments for inner in _flatten(a)]


def anchored_sources(sources: tuple[ProblemsConfig, ...], folder: Path, where: str) -> tuple[ProblemsConfig, ...]:
    """Sources of problems with their relative paths made absolute. Raises ConfigError for what is not there.

    `where` is the file and the key of the sources, for messages.
    """
    anchored = []
    for position, source in enumerate(sources):
        paths: dict[str, Any] = {}
        if source.path is not None:
            paths["path"] = there(folder, source.path, f"{where}.{position}.path")
        paths["benchmark"] = anchored_name(source.benchmark, folder, f"{where}.{position}.benchmark")
        if source.verifier is not None:
            paths["verifier"] = anchored_name(source.verifier, folder, f"{where}.{position}.verifier")
        anchored.append(source.model_copy(update=paths))
    return tuple(anchored)


_OF_A_PATH = ("search",)
"""Names of members that are made of a file or folder, as "search:notes.jsonl"."""


def anchored_name(name: str, folder: Path, where: str) -> str:
    """A name whose "file.py" in "file.py:Class" or "path" in "search:path", if it is one, is made absolute.

    Raises ConfigError.
    """
    kind, _, argument = name.partition(":")
    if kind in _OF_A_PATH and argument:
        return f"{kind}:{there(folder, Path(argument), where)}"
    file, colon, attribute = name.rpartition(":")
    return f"{there(folder, Path(file), where)}{colon}{attribute}" if file.endswith(".py") else name


def anchored_names(settings: S, keys: Sequence[str], folder: Path, where: str) -> S:
    """The settings with `anchored_name` of what stands under those keys. Raises ConfigError."""
    names = {key: anchored_name(getattr(settings, key), folder, f"{where}.{key}") for key in keys}
    return settings.model_copy(update=names)


def anchored_verification(settings: VerificationConfig, folder: Path, where: str) -> VerificationConfig:
    """The settings with the names of verifiers whose options they are made absolute. Raises ConfigError."""
    options = {anchored_name(name, folder, where): own for name, own in settings.options.items()}
    return settings.model_copy(update={"options": options})


def there(folder: Path, path: Path, where: str) -> Path:
    """`path`, taken from `folder`, as an absolute one. Raises ConfigError where there is no such file or folder."""
    found = located(folder, path, where)
    if not found.exists():
        raise ConfigError(f"{where}: no such file or folder: {path}")
    return found


def located(folder: Path, path: Path | str, where: str) -> Path:
    """`path`, taken from `folder`, as an absolute one, there or not. Raises ConfigError for what cannot be a path."""
    try:
        return absolute(path, folder)
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from None


def _anchor(study: StudyConfig, folder: Path, where: str) -> StudyConfig:
    """Make the study's relative paths absolute, and refuse the ones that are not there."""
    sources = anchored_sources(study.problems, folder, f"{where}: problems")
    models = {}
    for name, model in study.models.items():
        if model.recipe is not None:
            recipe = there(folder, model.recipe, f"{where}: models.{name}.recipe")
            models[name] = model.model_copy(update={"recipe": recipe})
            continue
        local = located(folder, model.path, f"{where}: models.{name}.path")
        if local.exists():
            model = model.model_copy(update={"path": str(local)})
        elif model.path.startswith((".", "/", "~")):
            raise ConfigError(f"{where}: models.{name}.path: no such file or folder: {model.path}")
        engine = anchored_name(model.engine, folder, f"{where}: models.{name}.engine")
        model = model.model_copy(update={"engine": engine})
        if model.environment is not None:
            model = anchored_names(model, ("environment",), folder, f"{where}: models.{name}")
        models[name] = model
    sampling = anchored_names(study.sampling, ("environment", "executor"), folder, f"{where}: sampling")
    verification = anchored_verification(study.verification, folder, f"{where}: verification.options")
    return study.model_copy(
        update={"problems": sources, "models": models, "sampling": sampling, "verification": verification}
    )
