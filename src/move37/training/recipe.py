"""A training recipe: strict TOML in, resolved JSON out. Defaults are the vetted recipe.

Defaults: on-policy (one update per batch), no KL, no entropy term, no dual clip, token mean, gradient norm 1,
temperature 1. Unknown keys, impossible combinations and settings that nothing would read (a critic's rate where there
is no critic) are refused with one line that names the key; what an algorithm's paper changes in the loss
(`Algorithm.loss_defaults`) is filled in where the recipe is silent. What may change when a run is continued is
decided in `continuing.py`. Importing this file loads no torch.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from move37.config import (
    Count,
    ProblemsConfig,
    Seed,
    Settings,
    TemplateConfig,
    Tokens,
    VerificationConfig,
    anchored_name,
    anchored_sources,
    anchored_verification,
    describe_validation_error,
    located,
    read_toml,
    there,
)
from move37.environments import ENVIRONMENTS
from move37.errors import ConfigError
from move37.training.algorithms import ALGORITHMS, Algorithm, Needs
from move37.training.curricula import CURRICULA, Curriculum
from move37.training.explorers import EXPLORERS, Explorer
from move37.training.policy_losses import POLICY_LOSSES, PolicyLoss
from move37.types import Problem

IMITATION = "imitation"
"""The one method without rewards: train on responses that are there already (SFT, distillation, rejection)."""


class AlgorithmConfig(Settings):
    """How rewards become advantages."""

    name: str = Field(default="grpo", description="A name of `move37 list algorithms`, or imitation.")
    options: dict[str, Any] = Field(default={}, description="The algorithm's own settings.")


class CurriculumConfig(Settings):
    """Which problems a step asks."""

    name: str = Field(default="uniform", description="A name of `move37 list curricula`.")
    options: dict[str, Any] = Field(default={}, description="The curriculum's own settings.")


class ExplorerConfig(Settings):
    """What responses start from, and what is learnt beside them."""

    name: str = Field(default="fresh", description="A name of `move37 list explorers`.")
    options: dict[str, Any] = Field(default={}, description="The explorer's own settings.")


class ModelToTrain(Settings):
    """The start model, and how its weights are held."""

    path: str = Field(description="Hugging Face folder or hub name of a causal language model.")
    engine: str = Field(default="transformers", description="A name of `move37 list engines` that can be trained.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    threads: int | None = Field(default=None, ge=1, le=4096, description="Threads of torch; default: torch's own.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="bfloat16 computes in it and keeps float32 weights for the optimizer."
    )
    lora_rank: int = Field(
        default=0, ge=0, le=65_536, description="Rank of LoRA adapters, on all linear layers; 0: none."
    )
    lora_alpha: float | None = Field(default=None, gt=0, description="Scale of the adapters; default: twice the rank.")
    freeze_vision: bool = Field(
        default=False, description="Keep the vision tower as it is; what joins it to the text learns."
    )
    gradient_checkpointing: bool = Field(default=False, description="Recompute activations: less memory, more time.")
    trust_remote_code: bool = Field(default=False, description="Run the model's own Python code.")


class RolloutConfig(Settings):
    """What is sampled in every step."""

    prompts: Count = Field(default=64, description="Prompts per step.")
    responses: Count = Field(default=16, description="Responses per prompt (G).")
    temperature: float = Field(default=1.0, gt=0, description="Also inside every log-probability of training.")
    max_new_tokens: Tokens = Field(default=1024, description="Token limit of a response.")
    max_prompt_tokens: int | None = Field(default=None, ge=1, description="Longer prompts are refused by id.")
    drop_long_prompts: bool = Field(
        default=False,
        description="Leave out problems whose prompts are too long, and say how many; off: refuse them.",
    )
    template: str = Field(default="qwen-boxed", description="Prompt template, the same as in evaluation.")
    environment: str = Field(
        default="single_turn", description="A name of `move37 list environments`: what comes after the model's turn."
    )
    rows: int | None = Field(
        default=None, ge=1, description="Samples decoded together; default 512 on a GPU, on a CPU 64 to 1024."
    )
    samplers: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Processes that sample, each on a GPU of its own; 1: the process that trains.",
    )
    engine: Literal["own", "vllm"] = Field(
        default="own", description="own: the model that is trained; vllm: vLLM, given the weights after each step."
    )
    engine_options: dict[str, Any] = Field(
        default={}, description="Options of that engine, as those of a model of a study, for engine = 'vllm'."
    )
    refill_rounds: int = Field(
        default=8, ge=1, description="Rounds of sampling at most where groups are refilled; then with those there are."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "RolloutConfig":
        if self.engine == "vllm" and self.samplers > 1:
            raise ValueError("samplers: are of engine = 'own'; copies of vLLM are engine_options.data_parallel_size")
        if self.engine == "own" and self.engine_options:
            raise ValueError("engine_options: are for engine = 'vllm'; the model's own are in [model]")
        return self


class RewardConfig(Settings):
    """A further verifier whose score is added to the reward; the problem's own alone decides what is correct."""

    verifier: str = Field(description="A verifier's name, or your own function, as graders.py:length.")
    weight: float = Field(default=1.0, description="What its score, 1 for correct and 0 for incorrect, is times.")


class PolicyLossConfig(Settings):
    """What the loss of a token is."""

    name: str = Field(default="clipped", description="A name of `move37 list policy_losses`.")
    options: dict[str, Any] = Field(default={}, description="The policy loss's own settings.")


class LossConfig(Settings):
    """The loss around the advantages."""

    clip_low: float = Field(default=0.2, gt=0, lt=1, description="The ratio is clipped at 1 - clip_low.")
    clip_high: float = Field(default=0.2, gt=0, description="The ratio is clipped at 1 + clip_high.")
    dual_clip: float | None = Field(default=None, gt=1, description="Bound of the loss where the advantage is < 0.")
    ratio: Literal["token", "sequence"] = Field(default="token", description="One ratio per token or per response.")
    policy: PolicyLossConfig = Field(default=PolicyLossConfig())
    aggregation: Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"] = Field(
        default="token-mean", description="How token losses are averaged over the whole batch."
    )
    kl_coefficient: float = Field(default=0.0, ge=0, description="Weight of the KL to the start model.")
    kl_estimator: Literal["k1", "k2", "k3"] = Field(default="k3", description="Schulman's estimators.")
    kl_in: Literal["loss", "reward"] = Field(default="loss", description="Where the KL term goes.")
    reference_reset_every: int | None = Field(
        default=None,
        ge=1,
        description="Steps after which the policy of then becomes the KL's reference; default: never.",
    )
    entropy_coefficient: float = Field(default=0.0, description="Weight of the entropy bonus.")
    balance_coefficient: float = Field(
        default=0.0, ge=0, description="Weight of a mixture's load-balancing loss (0.001 to 0.02 where it has one)."
    )
    mask_truncated: bool = Field(
        default=False, description="Learn nothing from responses cut at the limit; their rewards stay in baselines."
    )
    value_clip: float = Field(default=0.5, gt=0, description="Range of a value update (critic only).")
    value_coefficient: float = Field(default=1.0, gt=0, description="Weight of the value loss (shared critic only).")

    @model_validator(mode="after")
    def _consistent(self) -> "LossConfig":
        if self.ratio == "sequence" and self.aggregation != "seq-mean-token-mean":
            raise ValueError('ratio: "sequence" needs aggregation = "seq-mean-token-mean" (one loss per response)')
        if self.kl_in == "loss" and self.kl_estimator == "k1" and self.kl_coefficient:
            raise ValueError("kl_estimator: k1 in the loss has no gradient on average; use k2, k3, or kl_in = reward")
        if self.ratio == "sequence" and self.policy.name != "clipped":
            raise ValueError(f'ratio: {self.policy.name} tells tokens apart; use "token"')
        if self.policy.name == "kl_cov" and self.dual_clip is not None:
            raise ValueError("dual_clip: kl_cov clips nothing; leave it out")
        return self


Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Settings):
    """AdamW and its schedule."""

    learning_rate: float = Field(default=1e-6, gt=0, description="Peak learning rate.")
    critic_learning_rate: float | None = Field(default=None, gt=0, description="Default: ten times the policy's.")
    schedule: Literal["constant", "linear", "cosine"] = Field(default="constant", description="After the warm-up.")
    warmup_steps: int = Field(default=0, ge=0, description="Steps of linear warm-up.")
    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="AdamW's averages.")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW's decoupled weight decay.")
    gradient_norm: float = Field(default=1.0, gt=0, description="Gradients are scaled down to this norm.")
    epochs: int = Field(default=1, ge=1, description="Passes over the responses of a step.")
    mini_batches: int = Field(default=1, ge=1, description="Updates per pass.")
    micro_batch_tokens: int | None = Field(
        default=None, ge=1, description="Tokens held at once: memory and speed, not results. Default 1024, GPU 16384."
    )
    shared_critic: bool = Field(default=False, description="The critic is one more output of the policy.")
    skip_zero_advantage: bool = Field(default=True, description="No backward pass where all advantages are 0: exact.")
    old_logprobs: Literal["sampler", "trainer"] = Field(
        default="sampler", description="Whose log-probabilities the ratio starts from; trainer recomputes them."
    )
    max_logprob_gap: float | None = Field(
        default=None, gt=0, description="Largest sampler-trainer difference of a token; default 1e-3, bfloat16: 2."
    )


class EvaluationConfig(Settings):
    """pass@k during training."""

    problems: tuple[ProblemsConfig, ...] = Field(default=(), description="Held-out problems; none: no evaluation.")
    every: int = Field(default=10, ge=1, description="Steps between evaluations; the start and the end have one too.")
    n: Count = Field(default=8, description="Samples per problem.")
    temperature: float | None = Field(
        default=None, ge=0, description="Default: the rollouts'. 0 is greedy, with n = 1."
    )
    k: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 8), description="Which pass@k are recorded.")

    @field_validator("problems", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _consistent(self) -> "EvaluationConfig":
        if self.problems and max(self.k, default=1) > self.n:
            raise ValueError(f"k: pass@{max(self.k)} needs at least {max(self.k)} samples per problem (n = {self.n})")
        if self.temperature == 0 and self.n > 1:
            raise ValueError(
                f"n: at temperature 0 all {self.n} samples of a problem are one; set n = 1, or a temperature"
            )
        return self


class CheckpointConfig(Settings):
    """What is kept of the way."""

    every: int = Field(default=10, ge=1, description="Steps between saved states; a killed run loses at most these.")
    keep_every: int | None = Field(default=None, ge=1, description="Keep the model of every so many steps as a folder.")
    keep_limit: int | None = Field(
        default=None, ge=1, description="Keep at most so many of these, the newest; default: all."
    )
    keep_best: str | None = Field(
        default=None, pattern=r"^pass@\d+$", description='Keep the model of the best evaluation by this, as "pass@1".'
    )
    keep: Literal["merged", "adapter"] = Field(
        default="merged", description="Models with LoRA adapters: added to the weights, or the adapters alone."
    )
    keep_at: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(), description="Keep the model after these steps as well."
    )


class RecordConfig(Settings):
    """What is written down of every step. log.jsonl always; the rest on demand."""

    kl_every: int = Field(default=0, ge=0, description="Steps between measurements of the KL to the start; 0: never.")
    to: tuple[Literal["tensorboard", "wandb"], ...] = Field(default=(), description="Also send the numbers there.")
    samples_every: int = Field(
        default=10, ge=0, description="Keep the responses of every so many steps and of the last; 0: none."
    )
    samples_limit: Count = Field(default=256, description="Responses of a step that are kept at most.")


class ImitationConfig(Settings):
    """Responses to imitate, for algorithm.name = "imitation"."""

    run: Path | None = Field(default=None, description="Run folder whose verified samples are imitated.")
    model: str | None = Field(default=None, description="Whose samples of the run; default: its only model.")
    file: Path | None = Field(default=None, description='JSONL rows {"question", "response"}, of an oracle.')
    problems: tuple[ProblemsConfig, ...] = Field(default=(), description="Problems whose solutions are imitated.")
    solutions: Literal["reference", "shortest", "any"] = Field(
        default="reference",
        description="Of problems: their references, or of a world of the lab as many right answers as per_problem says "
        "(8), drawn with replacement from the shortest ones or from all.",
    )
    outcome: Literal["correct", "any"] = Field(default="correct", description="Only verified samples, or all.")
    per_problem: int | None = Field(default=None, ge=1, description="Distinct responses per problem at most.")
    examples: Count = Field(default=256, description="Responses per step.")
    on_prompt: bool = Field(default=False, description="Learn the prompt's tokens too (full sequence).")

    @model_validator(mode="after")
    def _consistent(self) -> "ImitationConfig":
        if sum((self.run is not None, self.file is not None, bool(self.problems))) != 1:
            raise ValueError("give either run (a run folder), file (JSONL of question and response) or problems")
        return self

    @field_validator("problems", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value


Member = AlgorithmConfig | CurriculumConfig | ExplorerConfig | PolicyLossConfig
"""A table that names a member of a registry, with its options."""


class TrainConfig(Settings):
    """A whole training run."""

    name: str = Field(min_length=1, pattern=r"^\w[\w.-]*$", description="Name of the run folder.")
    seed: Seed = Field(default=0, description="Seed of the sampling and of the order of problems.")
    steps: Count = Field(default=100, description="Steps of sampling and learning.")
    algorithm: AlgorithmConfig = Field(default=AlgorithmConfig())
    model: ModelToTrain
    problems: tuple[ProblemsConfig, ...] = Field(default=(), description="What is trained on.")
    curriculum: CurriculumConfig = Field(default=CurriculumConfig())
    explorer: ExplorerConfig = Field(default=ExplorerConfig())
    rollout: RolloutConfig = Field(default=RolloutConfig())
    rewards: tuple[RewardConfig, ...] = Field(default=(), description="Further verifiers, added to the reward.")
    loss: LossConfig = Field(default=LossConfig())
    optimizer: OptimizerConfig = Field(default=OptimizerConfig())
    evaluation: EvaluationConfig = Field(default=EvaluationConfig())
    checkpoints: CheckpointConfig = Field(default=CheckpointConfig())
    records: RecordConfig = Field(default=RecordConfig())
    imitation: ImitationConfig | None = Field(default=None, description="For algorithm.name = imitation only.")
    teacher: str | None = Field(default=None, description="Folder or hub name, for on-policy distillation only.")
    templates: dict[str, TemplateConfig] = Field(default={}, description="The user's own prompt templates.")
    verification: VerificationConfig = Field(default=VerificationConfig())

    @field_validator("problems", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _consistent(self) -> "TrainConfig":
        imitates = self.algorithm.name == IMITATION
        if imitates != (self.imitation is not None):
            raise ValueError('imitation: algorithm.name = "imitation" and an [imitation] table go together')
        if imitates and self.problems:
            raise ValueError("problems: imitation samples none; what it learns from is in the [imitation] table")
        if not imitates and not self.problems:
            raise ValueError("problems: there is nothing to train on")
        if (self.algorithm.name == "on_policy_distillation") != (self.teacher is not None):
            raise ValueError("teacher: on_policy_distillation needs a teacher, and nothing else takes one")
        best = self.checkpoints.keep_best
        if best is not None and not (self.evaluation.problems and int(best.partition("@")[2]) in self.evaluation.k):
            raise ValueError(f"checkpoints.keep_best: {best} is not evaluated (evaluation.problems and evaluation.k)")
        if self.rewards and (imitates or self.teacher is not None):
            raise ValueError(f"rewards: {self.algorithm.name} reads none")
        return self


def load_recipe(path: Path) -> TrainConfig:
    """Read a recipe from TOML. Relative paths in it are relative to the file. Raises ConfigError."""
    return anchored_recipe(read_toml(path, "recipe"), path.parent, str(path))


def anchored_recipe(raw: Mapping[str, Any], folder: Path, where: str) -> TrainConfig:
    """The recipe in a mapping whose relative paths are relative to `folder`. Raises ConfigError, UnknownNameError."""
    return _anchored(parse_recipe(raw, where, folder), folder, where)


def parse_recipe(raw: Mapping[str, Any], where: str = "recipe", folder: Path | None = None) -> TrainConfig:
    """Validate a recipe given as a mapping; the algorithm's own settings too. Raises ConfigError, UnknownNameError.

    An algorithm's own file ("file.py:Class") is relative to `folder`; without one, to the working folder.
    """
    try:
        recipe = TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe_validation_error(error, TrainConfig)}") from None
    if recipe.algorithm.name == IMITATION:
        _refuse_idle(recipe, Needs(), where)
        return recipe
    name = anchored_name(recipe.algorithm.name, folder or Path(), f"{where}: algorithm.name")
    recipe = recipe.model_copy(update={"algorithm": recipe.algorithm.model_copy(update={"name": name})})
    for table in ("curriculum", "explorer"):
        chosen = getattr(recipe, table)
        name = anchored_name(chosen.name, folder or Path(), f"{where}: {table}.name")
        recipe = recipe.model_copy(update={table: chosen.model_copy(update={"name": name})})
    kind: type[Algorithm] = ALGORITHMS.load(recipe.algorithm.name)
    algorithm = kind(_own_options(recipe.algorithm, kind, "algorithm", where))
    place = anchored_name(recipe.rollout.environment, folder or Path(), f"{where}: rollout.environment")
    ENVIRONMENTS.load(place)
    recipe = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"environment": place})})
    curriculum: type[Curriculum] = CURRICULA.load(recipe.curriculum.name)
    _own_options(recipe.curriculum, curriculum, "curriculum", where)
    explorer: type[Explorer] = EXPLORERS.load(recipe.explorer.name)
    _own_options(recipe.explorer, explorer, "explorer", where)
    said = recipe.loss.model_dump(exclude_unset=True)
    try:
        loss = LossConfig.model_validate({**kind.loss_defaults, **said})
    except ValidationError as error:
        raise ConfigError(f"{where}: loss.{describe_validation_error(error, LossConfig)}") from None
    name = anchored_name(loss.policy.name, folder or Path(), f"{where}: loss.policy.name")
    loss = loss.model_copy(update={"policy": loss.policy.model_copy(update={"name": name})})
    _own_options(loss.policy, POLICY_LOSSES.load(name), "loss.policy", where)
    recipe = recipe.model_copy(update={"loss": loss})
    _refuse_idle(recipe, algorithm.needs, where, curriculum.filters)
    _refuse_impossible(recipe, algorithm.needs, where)
    if explorer.adds_rows and algorithm.needs.critic:
        name = recipe.explorer.name
        raise ConfigError(
            f"{where}: explorer.name: {name} adds rows of a fixed credit, and a critic knows none of them"
        )
    return recipe


def build_algorithm(recipe: TrainConfig) -> Algorithm:
    """The recipe's algorithm with its options. Raises ConfigError, UnknownNameError."""
    kind: type[Algorithm] = ALGORITHMS.load(recipe.algorithm.name)
    return kind(_own_options(recipe.algorithm, kind, "algorithm", "recipe"))


def build_curriculum(recipe: TrainConfig, problems: Sequence[Problem]) -> Curriculum:
    """The recipe's curriculum over these problems. Raises ConfigError, UnknownNameError, InputError."""
    kind: type[Curriculum] = CURRICULA.load(recipe.curriculum.name)
    return kind(_own_options(recipe.curriculum, kind, "curriculum", "recipe"), problems, recipe.seed)


def build_explorer(recipe: TrainConfig, problems: Sequence[Problem]) -> Explorer:
    """The recipe's explorer over these problems. Raises ConfigError, UnknownNameError, InputError."""
    kind: type[Explorer] = EXPLORERS.load(recipe.explorer.name)
    return kind(_own_options(recipe.explorer, kind, "explorer", "recipe"), problems)


def build_policy_loss(recipe: TrainConfig) -> PolicyLoss:
    """The recipe's policy loss with its options. Raises ConfigError, UnknownNameError."""
    kind: type[PolicyLoss] = POLICY_LOSSES.load(recipe.loss.policy.name)
    return kind(_own_options(recipe.loss.policy, kind, "loss.policy", "recipe"))


def resolved_json(recipe: TrainConfig) -> str:
    """The recipe with every default written out."""
    return json.dumps(recipe.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _refuse_idle(recipe: TrainConfig, needs: Needs, where: str, filters: bool = False) -> None:
    """Raises ConfigError for a setting that is not at its default and that nothing would read."""
    for table, keys, reason in _idle(recipe, needs, filters):
        settings = getattr(recipe, table)
        for key in keys:
            if getattr(settings, key) != type(settings).model_fields[key].default:
                raise ConfigError(f"{where}: {table}.{key} would change nothing, as {reason}; leave it out")


def _idle(recipe: TrainConfig, needs: Needs, filters: bool) -> Iterator[tuple[str, Iterable[str], str]]:
    """(table, keys, reason) of what is not read."""
    name = recipe.algorithm.name
    if not recipe.model.lora_rank:
        yield "model", ("lora_alpha",), "there are no adapters (model.lora_rank is 0)"
        yield "checkpoints", ("keep",), "there are no adapters (model.lora_rank is 0)"
    if not recipe.loss.kl_coefficient:
        keys = ("kl_estimator", "kl_in", "reference_reset_every")
        yield "loss", keys, "the KL has no weight (loss.kl_coefficient is 0)"
    if not needs.critic:
        yield "optimizer", ("shared_critic", "critic_learning_rate"), f"{name} has no critic (ppo has)"
        yield "loss", ("value_clip",), f"{name} has no critic (ppo has)"
    if not recipe.optimizer.shared_critic:
        yield "loss", ("value_coefficient",), "no critic shares the policy's weights (optimizer.shared_critic)"
    if not needs.mixed_groups and not filters:
        yield "rollout", ("refill_rounds",), f"{name} refills no groups (dapo does)"
    if not recipe.evaluation.problems:
        yield "evaluation", ("every", "n", "k", "temperature"), "there is nothing to evaluate on (evaluation.problems)"
    if name == IMITATION:
        reason = "imitation samples nothing, and its loss is the mean of -log p in one update per step"
        yield "loss", LossConfig.model_fields, reason
        once = ("epochs", "mini_batches", "skip_zero_advantage", "old_logprobs", "max_logprob_gap")
        yield "optimizer", once, reason
        yield "records", ("kl_every",), reason
        yield "curriculum", CurriculumConfig.model_fields, "imitation asks no problems"
        yield "explorer", ExplorerConfig.model_fields, "imitation samples nothing"


def _refuse_impossible(recipe: TrainConfig, needs: Needs, where: str) -> None:
    """Raises ConfigError for what the algorithm cannot do."""
    name, loss = recipe.algorithm.name, recipe.loss
    if needs.forks and recipe.rollout.environment != "single_turn":
        raise ConfigError(f"{where}: rollout.environment: {name} forks responses of one turn; leave it out")
    if needs.mixed_groups and recipe.rollout.responses < 2:
        raise ConfigError(f"{where}: rollout.responses: {name} needs a right and a wrong response; give at least 2")
    if loss.ratio == "sequence" and (needs.critic or needs.teacher):
        raise ConfigError(f'{where}: loss.ratio: "sequence" is one action per response, but {name} credits every token')
    if loss.reference_reset_every and recipe.model.lora_rank:
        raise ConfigError(f"{where}: loss.reference_reset_every: the reference of adapters is the model without them")
    if needs.binary_rewards and recipe.rewards:
        raise ConfigError(f"{where}: rewards: {name} counts right and wrong responses; leave further rewards out")
    if loss.kl_coefficient and loss.kl_in == "reward" and (needs.binary_rewards or not needs.verdicts):
        reason = "counts right and wrong responses" if needs.verdicts else "reads no rewards"
        raise ConfigError(f'{where}: loss.kl_in: {name} {reason}; use "loss"')


def _own_options(chosen: Member, kind: Any, table: str, where: str) -> Any:
    """The options of a registry's member as its settings. Raises ConfigError."""
    try:
        return kind.Options.model_validate(chosen.options)
    except ValidationError as error:
        reason = describe_validation_error(error, kind.Options)
        raise ConfigError(f"{where}: {table}.options.{reason} ({table} {chosen.name!r})") from None


def _with_file(explorer: ExplorerConfig, folder: Path, key: str) -> ExplorerConfig:
    """A file of responses among the options, found. Raises ConfigError."""
    if explorer.options.get("file") is None:
        return explorer
    found = there(folder, Path(explorer.options["file"]), key)
    return explorer.model_copy(update={"options": explorer.options | {"file": str(found)}})


def _anchored(recipe: TrainConfig, folder: Path, where: str) -> TrainConfig:
    """The recipe's relative paths made absolute; paths that are not there are refused."""

    def model_path(key: str, path: str) -> str:
        local = located(folder, path, f"{where}: {key}")
        if path.startswith((".", "/", "~")):
            there(folder, Path(path), f"{where}: {key}")
        return str(local) if local.exists() else path

    changes: dict[str, Any] = {
        "rewards": tuple(
            each.model_copy(update={"verifier": anchored_name(each.verifier, folder, f"{where}: rewards.verifier")})
            for each in recipe.rewards
        ),
        "model": recipe.model.model_copy(update={"path": model_path("model.path", recipe.model.path)}),
        "problems": anchored_sources(recipe.problems, folder, f"{where}: problems"),
        "explorer": _with_file(recipe.explorer, folder, f"{where}: explorer.options.file"),
        "evaluation": recipe.evaluation.model_copy(
            update={"problems": anchored_sources(recipe.evaluation.problems, folder, f"{where}: evaluation.problems")}
        ),
        "verification": anchored_verification(recipe.verification, folder, f"{where}: verification.options"),
    }
    if recipe.teacher is not None:
        changes["teacher"] = model_path("teacher", recipe.teacher)
    if recipe.imitation is not None:
        own: dict[str, Any] = {
            key: there(folder, path, f"{where}: imitation.{key}")
            for key in ("run", "file")
            if (path := getattr(recipe.imitation, key))
        }
        own["problems"] = anchored_sources(recipe.imitation.problems, folder, f"{where}: imitation.problems")
        changes["imitation"] = recipe.imitation.model_copy(update=own)
    return recipe.model_copy(update=changes)
