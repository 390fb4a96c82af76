"""The weights that learn: policy, critic, frozen start model, optimizer; one step of sampling's batch at a time.

Decisions. Dropout is off: the policy that is updated is the one that sampled. The model that samples is the model that
learns, so with float32 there is nothing to copy; with bfloat16 a copy in that precision samples and `sync` refreshes
it. The learning rate is a function of the step, so nothing about it has to be stored. A response whose advantage is
zero is skipped where that is exact: without a KL or entropy term in the loss and without a critic on the same weights.

Left out: the advantages (`algorithms/`), how a batch is read (`responses.py`), when to save (`loop.py`).
"""

import copy
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from move37.engines import ENGINES, Trainable, TrainableSettings
from move37.engines.transformers_load import is_out_of_memory
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.hub import refuse_unreachable
from move37.training.algorithms import Needs
from move37.training.backbones import layers_of
from move37.training.balance import Balance
from move37.training.batches import Batch
from move37.training.image_prompts import names_in, tower_of
from move37.training.implicit_rewards import ImplicitRewardModel
from move37.training.losses import kl_estimate, log_ratio, token_weights, value_loss
from move37.training.recipe import ModelToTrain, OptimizerConfig, TrainConfig
from move37.training.reference import Reference
from move37.training.responses import Head, MicroBatch, ResponseReader, score
from move37.training.samplers import PushedSampler, sampling_engine
from move37.training.token_loss import TokenLoss
from move37.training.updates import UpdateBatch

_MICRO_BATCH_TOKENS = {"cpu": 1024, "cuda": 16_384}
"""On a CPU a micro-batch should stay in the cache: 1024 tokens took 1.1 s where 8192 took 1.7 s (0.8 M weights)."""
_GAPS = {"float32": 1e-3, "bfloat16": 2.0}


class Metrics:
    """Sums that become means over the tokens of all updates of a step."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = defaultdict(float)

    def add(self, name: str, value: float, count: float = 1.0) -> None:
        self._sums[name] += value
        self._counts[name] += count

    def total(self, name: str, value: float) -> None:
        self._sums[name], self._counts[name] = self._sums[name] + value, 1.0

    def largest(self, name: str, value: float) -> None:
        # Not max(), which may drop a nan.
        self._sums[name], self._counts[name] = self._sums[name] if value <= self._sums[name] else value, 1.0

    def figures(self) -> dict[str, float]:
        return {name: value / self._counts[name] for name, value in self._sums.items() if self._counts[name]}


class Policy:
    """See the module. `needs` says whether there is a critic."""

    def __init__(self, recipe: TrainConfig, needs: Needs) -> None:
        self.recipe, self._loss, self._optim = recipe, recipe.loss, recipe.optimizer
        start = open_engine(recipe.model, recipe.model.path, recipe.rollout.rows)
        self.tokenizer, self.device = start.tokenizer, start.model.device
        self.start_weights = start.identity().get("weights", "")
        """What the start model's weights are known by: adapters and a KL to it need the same ones on a resume."""
        self.tokens_at_once = self._optim.micro_batch_tokens or _MICRO_BATCH_TOKENS[self.device.type]
        self._compute = torch.bfloat16 if recipe.model.precision == "bfloat16" else None
        self.engine = sampling_engine(start, recipe, self._merged, self.save_whole)
        if self._compute is not None and self.engine is start:
            self.engine = open_engine(recipe.model, recipe.model.path, recipe.rollout.rows, "bfloat16")
        self.model: PreTrainedModel = start.model
        self._reference = Reference(self.model, self._reader_of, self._compute) if self._keeps_start() else None
        if recipe.model.gradient_checkpointing:
            enable = getattr(self.model, "activation_checkpointing_enable", self.model.gradient_checkpointing_enable)
            enable({"use_reentrant": False})
        if recipe.model.freeze_vision:
            tower_of(self.model).requires_grad_(False)
        own = copy.deepcopy(self.model) if needs.critic and not self._optim.shared_critic else None
        self.implicit_reward = self._make_implicit_reward(needs)
        self._adapted: Any = adapt(self.model, recipe.model) if recipe.model.lora_rank else None
        weight = self._loss.balance_coefficient
        self._balance = Balance.of(self.model, weight) if weight else None
        self.reader = self._reader_of(self.model, routers=self._balance is not None)
        self.head = Head(self.model, self._compute)
        self._token_loss = TokenLoss(recipe, self.reader, self.head)
        self.critic = self._make_critic(own) if needs.critic else None
        self.optimizer = self._make_optimizer()

    # -- what the loop asks ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """End processes that sample. A second call does nothing."""
        if isinstance(self.engine, PushedSampler):
            self.engine.close()

    def sync(self) -> None:
        """Give the sampler the weights as they are now."""
        if isinstance(self.engine, PushedSampler):
            self.engine.outdated()
        elif self.engine.model is not self.model:
            with torch.no_grad():
                self.engine.model.load_state_dict(merged_weights(self.model, self.recipe.model))

    def logprobs(self, batch: Batch) -> Tensor:
        """Of every own token under the present weights, (B, T)."""
        return score(self.reader, self.head, batch, self.recipe.rollout.temperature)

    def reference_logprobs(self, batch: Batch) -> Tensor:
        """Of every own token under the start model, or under what `reset_reference` put in its place, (B, T)."""
        if self._reference is not None:
            return self._reference.logprobs(batch, self.recipe.rollout.temperature)
        with self._adapted.disable_adapter():
            return self.logprobs(batch)

    def reset_reference(self) -> None:
        """Take the policy as it is for the reference, and let the optimizer begin anew (ProRL, 2505.24864, 3.2)."""
        assert self._reference is not None
        self._reference.become(self.model)
        self.optimizer.state.clear()

    def values(self, batch: Batch) -> Tensor:
        """The critic's value of the state in which each own token was chosen, (B, T)."""
        assert self.critic is not None
        values_BT = torch.zeros_like(batch.behaviour_logprobs_BT)
        with torch.no_grad():
            for micro_batch in self.critic.reader.micro_batches(batch, torch.arange(len(batch))):
                values_BT[micro_batch.rows, : micro_batch.own_bR.shape[1]] = micro_batch.scatter(
                    self.critic.values(micro_batch)
                )
        return values_BT

    def implicit_rewards(self, batch: Batch, old_logprobs_BT: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Of every own token, (B, T), with figures; the reward model learns from the batch's outcomes."""
        assert self.implicit_reward is not None
        return self.implicit_reward.score_and_learn(batch, old_logprobs_BT, list(self._parts(batch)))

    def update(self, update: UpdateBatch, step: int) -> dict[str, float]:
        """Learn from a batch at step `step` (from 0). Returns its figures. Raises EngineError for a wrong sampler."""
        metrics = Metrics()
        rate = learning_rate(self._optim, step, self.recipe.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        with memory_advice(self.tokens_at_once, step):
            for number, mini_batch in enumerate(self._mini_batches(update.batch)):
                self.optimizer.zero_grad(set_to_none=True)
                chosen_BT = self._token_loss.choose(update, mini_batch, step, number)
                self.accumulate(update, mini_batch, metrics, number == 0, chosen_BT)
                self.step(metrics)
        return {"learning_rate": rate, **metrics.figures()}

    def accumulate(
        self,
        update: UpdateBatch,
        rows: Tensor,
        metrics: Metrics,
        is_first: bool = False,
        chosen_BT: Tensor | None = None,
    ) -> None:
        """Add the gradient of the loss over `rows` (row numbers of the batch: one mini-batch) to the parameters'.

        `chosen_BT`: what the policy loss chose of the mini-batch.
        """
        batch, own_BT = update.batch, update.batch.own_BT
        weights_BT = torch.zeros_like(update.old_logprobs_BT)
        limit = self.recipe.rollout.max_new_tokens
        weights_BT[rows] = token_weights(own_BT[rows], self._loss.aggregation, limit)
        live = self._with_gradient(update, rows)
        metrics.total("trained_tokens", float(batch.own_lengths_B[live].sum()))
        metrics.add("clip_share", 0.0, float(batch.own_lengths_B[rows].sum()))
        balance_E = self._expert_shares(batch, rows)
        for micro_batch in self.reader.micro_batches(batch, live):
            loss = self._policy_loss(update, micro_batch, weights_BT, metrics, is_first, chosen_BT)
            if self._balance is not None:
                balance = self._balance.loss(micro_batch, balance_E, int(own_BT[rows].sum()))
                metrics.add("balance_loss", float(balance.detach()), 0.0)
                loss = loss + balance
            loss.backward()
        if is_first:
            self._check_gap(metrics)
        if self.critic is not None and self.critic.reader is not self.reader:
            for micro_batch in self.critic.reader.micro_batches(batch, rows):
                self._value_loss(update, micro_batch, weights_BT, metrics).backward()

    def save(self, folder: Path) -> None:
        """The model as a Hugging Face folder in the precision that samples, or its adapters alone."""
        if self.recipe.checkpoints.keep == "adapter":
            self._adapted.save_pretrained(folder)
        else:
            self.save_whole(folder)

    def _merged(self) -> dict[str, Tensor]:
        return merged_weights(self.model, self.recipe.model)

    def save_whole(self, folder: Path) -> None:
        """The model as a Hugging Face folder, adapters merged."""
        state = self._merged()
        if self._compute is not None:
            state = {n: value.to(self._compute) if value.is_floating_point() else value for n, value in state.items()}
        self.model.save_pretrained(folder, state_dict=state)
        # transformers writes the precision of the weights that learn; `dtype = "auto"` has to load what is in the file.
        config = json.loads((folder / "config.json").read_text())
        name = str(self._compute or self.model.dtype).removeprefix("torch.")
        for table in (config, *(each for each in config.values() if isinstance(each, dict))):
            if table is config or "dtype" in table:
                table["dtype"] = name
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    def save_tokenizer(self, folder: Path) -> None:
        """What turns prompts into what the model reads: its tokenizer, and where it sees its processor."""
        self.tokenizer.save_pretrained(folder)
        save: Any = getattr(self.engine, "save_processor", None)
        if save is not None:
            save(folder)

    def state(self) -> dict[str, Any]:
        """Everything that learns, in full precision."""
        trained = {name: value for name, value in self.model.state_dict().items() if name in self._trained()}
        critic = None if self.critic is None else self.critic.state_dict()
        moved = self._reference is not None and self._loss.reference_reset_every is not None
        further = {"reference": self._reference.weights()} if moved and self._reference is not None else {}
        if self.implicit_reward is not None:
            further["implicit_reward"] = self.implicit_reward.state()
        return {"model": trained, "critic": critic, "optimizer": self.optimizer.state_dict(), **further}

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a `state`. Raises KeyError, ValueError or RuntimeError where it does not fit."""
        if set(state["model"]) != self._trained():
            raise ValueError("it holds other weights than this recipe trains")
        self.model.load_state_dict(state["model"], strict=False)
        if self.critic is not None:
            self.critic.load_state_dict({_present_name(name): value for name, value in state["critic"].items()})
        self.optimizer.load_state_dict(state["optimizer"])
        if self._reference is not None and "reference" in state:
            self._reference.load(state["reference"])
        if self.implicit_reward is not None:
            self.implicit_reward.load(state["implicit_reward"])
        self.sync()

    # -- the parts of an update ------------------------------------------------------------------------------------

    def _mini_batches(self, batch: Batch) -> Iterator[Tensor]:
        """Row numbers of every update, in every epoch alike."""
        for _ in range(self._optim.epochs):
            yield from self._parts(batch)

    def _parts(self, batch: Batch) -> Iterator[Tensor]:
        """Row numbers of every update of one epoch: whole prompts, dealt in turn."""
        parts = min(self._optim.mini_batches, len(batch.prompts))
        for part in range(parts):
            yield torch.nonzero(batch.groups_B % parts == part)[:, 0]

    def _with_gradient(self, update: UpdateBatch, rows: Tensor) -> Tensor:
        """The rows that can move the weights."""
        shared = self.critic is not None and self.critic.reader is self.reader
        always = self._kl_in_loss() or self._loss.entropy_coefficient != 0 or shared or self._balance is not None
        if always or not self._optim.skip_zero_advantage:
            return rows
        return rows[(update.advantages.advantages_BT[rows].ne(0) & update.batch.own_BT[rows]).any(-1)]

    def _expert_shares(self, batch: Batch, rows: Tensor) -> Tensor:
        """What the balance loss counts before it has a gradient; empty where there is no such loss."""
        if self._balance is None:
            return torch.zeros(0)
        with torch.no_grad():
            return self._balance.shares(self.reader.micro_batches(batch, rows))

    def _policy_loss(
        self,
        update: UpdateBatch,
        micro_batch: MicroBatch,
        weights_BT: Tensor,
        metrics: Metrics,
        is_first: bool,
        chosen_BT: Tensor | None,
    ) -> Tensor:
        settings, rows, own_bR = self._loss, micro_batch.rows, micro_batch.own_bR
        cut, temperature = (rows, slice(own_bR.shape[1])), self.recipe.rollout.temperature
        with_entropy = settings.entropy_coefficient != 0 or self._token_loss.rule.entropies
        flat, entropies = self.head.logprobs(micro_batch, update.batch, temperature, with_entropy)
        logprobs_bR = micro_batch.scatter(flat.float())
        ratio_bR = log_ratio(logprobs_bR, update.old_logprobs_BT[cut], own_bR, settings.ratio == "sequence")
        loss_bR, clipped_bR = self._token_loss.of(update, micro_batch, ratio_bR, entropies, chosen_BT)
        if self._kl_in_loss():
            assert update.reference_logprobs_BT is not None
            kl_bR = kl_estimate(logprobs_bR, update.reference_logprobs_BT[cut], settings.kl_estimator)
            loss_bR = loss_bR + settings.kl_coefficient * kl_bR
        if settings.entropy_coefficient:
            loss_bR = loss_bR - settings.entropy_coefficient * micro_batch.scatter(entropies.float())
        loss = (loss_bR * weights_BT[cut]).sum()
        if self.critic is not None and self.critic.reader is self.reader:
            loss = loss + settings.value_coefficient * self._value_loss(update, micro_batch, weights_BT, metrics)
        metrics.add("clip_share", float((clipped_bR & own_bR).sum()), 0.0)
        metrics.add("loss", float(loss.detach()), 0.0)
        if is_first:
            gap = (logprobs_bR.detach() - update.batch.behaviour_logprobs_BT[cut])[own_bR].abs()
            metrics.largest("logprob_gap_max", float(gap.max()))
            metrics.add("logprob_gap", float(gap.sum()), gap.numel())
        return loss

    def _value_loss(self, update: UpdateBatch, micro_batch: MicroBatch, weights_BT: Tensor, metrics: Metrics) -> Tensor:
        assert self.critic is not None
        assert update.old_values_BT is not None
        assert update.advantages.returns_BT is not None
        cut = (micro_batch.rows, slice(micro_batch.own_bR.shape[1]))
        values_bR = micro_batch.scatter(self.critic.values(micro_batch))
        loss_bR = value_loss(
            values_bR, update.old_values_BT[cut], update.advantages.returns_BT[cut], self._loss.value_clip
        )
        loss = (loss_bR * weights_BT[cut]).sum()
        metrics.add("value_loss", float(loss.detach()), 0.0)
        return loss

    def _check_gap(self, metrics: Metrics) -> None:
        bound = self._optim.max_logprob_gap or _GAPS[self._sampling_precision()]
        gap = metrics.figures().get("logprob_gap_max", 0.0)
        if not gap <= bound:
            raise EngineError(
                f"sampler and trainer disagree by {gap:.3g} in the log-probability of a token (bound {bound:g}): they "
                "are not the same model; raise optimizer.max_logprob_gap only if you know why"
            )

    def _sampling_precision(self) -> str:
        rollout, own = self.recipe.rollout, self.recipe.model.precision
        rounds = rollout.engine == "vllm" and rollout.engine_options.get("dtype", own) != own
        return "bfloat16" if rounds else own

    def step(self, metrics: Metrics) -> None:
        """Move the weights along the accumulated gradients, at the rate that has been set. Raises EngineError."""
        metrics.add("loss", 0.0)  # micro-batches have added theirs: the mean is over updates
        if self.critic is not None:
            metrics.add("value_loss", 0.0)
        if self._balance is not None:
            metrics.add("balance_loss", 0.0)
        for name, group in zip(("policy", "critic"), self._parameter_groups(), strict=False):
            for parameter in group:
                # No response had an advantage: the step is the one that a gradient of zero gives.
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            norm = nn.utils.clip_grad_norm_(group, self._optim.gradient_norm)
            if not norm.isfinite():
                raise EngineError(
                    f"the gradient of the {name} is not finite: training has diverged; begin in a new folder with a "
                    "smaller optimizer.learning_rate"
                )
            metrics.add("gradient_norm" if name == "policy" else "critic_gradient_norm", float(norm))
        self.optimizer.step()

    def _kl_in_loss(self) -> bool:
        return self._loss.kl_coefficient != 0 and self._loss.kl_in == "loss"

    # -- making it -------------------------------------------------------------------------------------------------

    def _keeps_start(self) -> bool:
        """Whether a second copy of the start model is needed. Adapters can be switched off instead."""
        asked = self._loss.kl_coefficient != 0 or self.recipe.records.kl_every != 0
        return asked and not self.recipe.model.lora_rank

    def _make_critic(self, own: PreTrainedModel | None) -> "Critic":
        """A critic on `own`, a copy of the start model; without one, on the policy's backbone."""
        width = self.model.get_output_embeddings().in_features  # type: ignore[union-attr]
        if own is None:
            return Critic(None, self.reader, width, self.device)
        own.set_output_embeddings(nn.Identity())
        return Critic(layers_of(own), self._reader_of(own), width, self.device)

    def _make_implicit_reward(self, needs: Needs) -> ImplicitRewardModel | None:
        if needs.implicit_reward is None:
            return None
        rate = needs.implicit_reward.learning_rate or 2 * self._optim.learning_rate
        return ImplicitRewardModel(needs.implicit_reward, self.model, self._reader_of, self._compute, rate)

    def _reader_of(self, model: PreTrainedModel, routers: bool = False) -> ResponseReader:
        shares = getattr(self.engine, "shares_prompts", True)
        return ResponseReader(model, self.tokens_at_once, self._compute, shares, routers)

    def _trained(self) -> set[str]:
        return {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def _parameter_groups(self) -> list[list[nn.Parameter]]:
        groups = [[p for p in self.model.parameters() if p.requires_grad]]
        return groups + ([[p for p in self.critic.parameters() if p.requires_grad]] if self.critic is not None else [])

    def _make_optimizer(self) -> torch.optim.AdamW:
        rate = self._optim.learning_rate
        factors = [1.0, (self._optim.critic_learning_rate or 10 * rate) / rate]
        groups = [
            {"params": group, "factor": factor}
            for group, factor in zip(self._parameter_groups(), factors, strict=False)
        ]
        return torch.optim.AdamW(
            groups, lr=rate, betas=self._optim.betas, weight_decay=self._optim.weight_decay, fused=True
        )


class Critic(nn.Module):
    """One value per token: a backbone of its own (or the policy's) and a linear layer that starts at 0."""

    def __init__(self, backbone: nn.Module | None, reader: ResponseReader, width: int, device: torch.device) -> None:
        super().__init__()
        self.backbone = backbone
        self.output = nn.Linear(width, 1, device=device)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.reader = reader

    def values(self, micro_batch: MicroBatch) -> Tensor:
        """Of the state before each token of the micro-batch, (N,)."""
        return self.output(micro_batch.hidden_ND.float())[:, 0]


def _present_name(name: str) -> str:
    """Of a critic's weight: in states written up to commit ee66617 its backbone is called trunk."""
    return f"backbone.{name.removeprefix('trunk.')}" if name.startswith("trunk.") else name


@contextmanager
def memory_advice(tokens_at_once: int, step: int) -> Iterator[None]:
    """Out of memory in one line that names the setting. Raises EngineError."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise EngineError(
            f"out of memory in the update of step {step + 1} with {tokens_at_once:,} tokens at once: set "
            f"optimizer.micro_batch_tokens = {max(1, tokens_at_once // 2)} (it changes no result), or "
            "model.gradient_checkpointing = true, and run the same command: it goes on from the last saved state"
        ) from error


def open_engine(model: ModelToTrain, path: str, rows: int | None, dtype: str = "float32") -> Trainable:
    """A model with its tokenizer, loaded as evaluation loads it. Raises EngineError, ConfigError, UnknownNameError."""
    if model.engine == "transformers":
        refuse_unreachable(path, "model.path" if path == model.path else "teacher")
    kind = ENGINES.load(model.engine)
    _refuse_untrainable(kind, ["load_to_train"], model.engine)
    settings = TrainableSettings(model.device, dtype, model.threads, model.trust_remote_code, rows)
    engine = kind.load_to_train(path, settings)
    needed = [name for name in (*Trainable.__annotations__, *vars(Trainable)) if not name.startswith("_")]
    _refuse_untrainable(engine, needed, model.engine)
    return engine


def _refuse_untrainable(engine: Any, needed: Sequence[str], name: str) -> None:
    missing = [each for each in needed if not hasattr(engine, each)]
    if missing:
        raise ConfigError(
            f"model.engine: {name!r} can sample and is not Trainable (it has no {', '.join(missing)}); use "
            "transformers, or an engine with this capability (docs/extending.md)"
        )


def learning_rate(settings: OptimizerConfig, step: int, steps: int) -> float:
    """The rate of step `step` of `steps`, counted from 0: linear warm-up, then constant, or down to 0 at the end."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    shape = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return settings.learning_rate * shape[settings.schedule]


def adapt(model: PreTrainedModel, settings: ModelToTrain) -> Any:
    """Freeze the model and put LoRA adapters on its linear layers (not the head). Raises MissingExtraError."""
    try:
        from peft import LoraConfig, get_peft_model  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise MissingExtraError("model.lora_rank needs the package 'peft': pip install 'move37[lora]'") from error
    torch.manual_seed(0)  # the adapters' first values: the same for every run
    alpha: Any = settings.lora_alpha or 2 * settings.lora_rank
    frozen = names_in(model, tower_of(model)) if settings.freeze_vision else None
    config = LoraConfig(
        r=settings.lora_rank, lora_alpha=alpha, target_modules="all-linear", exclude_modules=frozen or None
    )
    return get_peft_model(model, config).eval()


def merged_weights(model: PreTrainedModel, settings: ModelToTrain) -> dict[str, Tensor]:
    """The state of the plain model, adapters added to the layers they sit on; the model itself is not touched."""
    state = model.state_dict()
    if not settings.lora_rank:
        return state
    plain = {_plain_name(name): value for name, value in state.items() if ".lora_" not in name}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight"):
            layer: Any = module
            # Of experts, whose weights are a parameter of their layer, the adapter names that parameter.
            own = getattr(layer, "parameter_name", "weight")
            weight: Tensor = getattr(layer.get_base_layer(), own)
            plain[f"{_plain_name(name)}.{own}"] = weight.detach() + layer.get_delta_weight("default").detach()
    return plain


def _plain_name(name: str) -> str:
    """Of a weight or a layer as it is called where no adapter is around it; several may be."""
    return ".".join(part for part in name.split(".") if part != "base_layer")
