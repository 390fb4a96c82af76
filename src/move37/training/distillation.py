"""Learning from another model (or an oracle, or one's own best): what is imitated, and how.

Two ways. `imitate` maximises the log-probability of responses that are there already: another model's verified
samples out of a run folder (distillation), the model's own verified samples (rejection fine-tuning), or an oracle's
responses out of a file. `OnPolicyDistillation` lets the student write and the teacher score every token, which needs
no reward at all and no response of the teacher's.

Decisions. Responses from a run are text, so they are encoded here, prompt and response apart, with the end token
behind the response if the model has one; a truncated response gets none. Distinct texts count once. Evaluation problems
whose questions are imitated are refused, as in reinforcement learning, and so are responses for which the model has no
room. The loss is the mean negative log-probability per token of the step (token mean), over the responses, or over
prompts too with `on_prompt`. Temperature is 1 whatever the recipe samples with.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
import torch

from move37.config import Settings
from move37.countdown import choose
from move37.engines import Trainable, token_ids
from move37.engines.transformers_images import ImagePrompt
from move37.engines.transformers_render import end_of_turn
from move37.engines.transformers_text import ResponseText
from move37.errors import ConfigError, InputError
from move37.problems import load_problems
from move37.rows import read_rows
from move37.seeds import analysis_seed, sample_seed
from move37.store import RunStore
from move37.training.algorithms import AdvantageInputs, Advantages, Needs
from move37.training.batches import Batch, make_batch
from move37.training.continuing import digest_of_texts
from move37.training.disjoint import check_disjoint
from move37.training.policy import Metrics, Policy, learning_rate, memory_advice
from move37.training.prompts import AskedPrompts
from move37.training.recipe import ImitationConfig, TrainConfig
from move37.training.records import Clock, View
from move37.training.result import Trained
from move37.training.rollouts import RolloutWorker
from move37.training.run import TrainingRun
from move37.types import FinishReason, Outcome, Problem, Prompt
from move37.verification import VerifierPool
from move37.worlds.known import task_of


class OnPolicyDistillation:
    """A_it = log p_teacher - log p_student of each sampled token (Agarwal et al. 2023, arXiv 2306.13649; k1, gamma 0).

    The expected gradient is that of the reverse KL of each token given its prefix; rewards are recorded, not used, so
    responses without a verdict teach as much as others.
    """

    class Options(Settings):
        pass

    needs: ClassVar[Needs] = Needs(teacher=True, verdicts=False)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.teacher_logprobs_BT is None or inputs.old_logprobs_BT is None:
            raise ValueError("on-policy distillation needs the teacher's and the student's log-probabilities")
        return Advantages((inputs.teacher_logprobs_BT - inputs.old_logprobs_BT) * inputs.mask_BT)


_SOLUTIONS = 8
"""Right answers of a problem that are imitated where the recipe does not say how many."""


class Example(NamedTuple):
    """A response to imitate, in text. `ended` says that the end token belongs behind it."""

    problem: Problem
    prompt: Prompt
    response: str
    ended: bool


def imitate(recipe: TrainConfig, folder: Path, view: View) -> Trained:
    """Supervised learning as the recipe says. Raises ConfigError, InputError or EngineError."""
    settings = recipe.imitation
    if settings is None:
        raise ConfigError("imitation: the table is missing")
    with VerifierPool(recipe.verification) as pool:
        return _Imitation(recipe, settings, folder, pool, view).run()


class _Imitation:
    def __init__(
        self, recipe: TrainConfig, settings: ImitationConfig, folder: Path, pool: VerifierPool, view: View
    ) -> None:
        self.recipe, self.settings = recipe, settings
        self.policy = Policy(recipe, Needs())
        held_out = load_problems(recipe.evaluation.problems)
        rollout_worker = RolloutWorker(recipe, self.policy.engine, pool, view, folder)
        examples = list(find_examples(settings, rollout_worker.prompts))
        contents = {"imitation": digest_of_texts(_content(example) for example in examples)}
        self.training = TrainingRun(recipe, folder, self.policy, rollout_worker, held_out, view, contents)
        if not examples:
            raise InputError(f"imitation: {settings.run or settings.file}: no {settings.outcome} response to imitate")
        imitated = {example.prompt.content: example.problem for example in examples}
        self.warnings = check_disjoint(list(imitated.values()), held_out)
        if settings.on_prompt and any(example.prompt.images for example in examples):
            raise ConfigError("imitation.on_prompt: a prompt with images is more than its tokens; leave it out")
        shown = {each.prompt.content: token_ids(self.policy.engine, each.prompt) for each in examples}
        self.tokens = [
            (shown[each.prompt.content], encode(each, shown[each.prompt.content], self.policy.engine))
            for each in examples
        ]
        self._check_room(examples)

    def run(self) -> Trained:
        with closing(self.policy):
            return self.training.carry_out(self._begin, self._step, self.warnings)

    def _begin(self) -> None:
        self.training.begin(f"{self.recipe.name}: imitation of {len(self.tokens):,} responses", {"drawn": 0})

    def _step(self) -> None:
        clock, step = Clock(self.training.view.stage), self.training.step
        with clock.phase("update"):
            figures = learn(self.policy, self._batch(step), step)
        with clock.phase("sync"):
            self.policy.sync()
        self.training.record({**figures, **clock.seconds}, {"drawn": (step + 1) * self._examples()})

    def _check_room(self, examples: Sequence[Example]) -> None:
        room = self.policy.engine.context_length
        pairs = zip(examples, self.tokens, strict=True)
        long = [example.problem.id for example, (p, r) in pairs if room is not None and len(p) + len(r) > room]
        if long:
            raise InputError(
                f"imitation: {len(long)} prompts with their responses are longer than the model's context of {room} "
                f"tokens (first: {long[0]}); leave them out"
            )

    def _examples(self) -> int:
        """Responses of a step: as many as the recipe says, or all of them where there are fewer."""
        return min(self.settings.examples, len(self.tokens))

    def _batch(self, step: int) -> Batch:
        """The examples of a step: pass by pass, in an order of the pass's own."""
        size, count = len(self.tokens), self._examples()
        chosen = []
        orders: dict[int, np.ndarray] = {}
        for place in range(step * count, (step + 1) * count):
            number, within = divmod(place, size)
            if number not in orders:
                seed = analysis_seed(self.recipe.seed, f"order of imitation pass {number}")
                orders[number] = np.random.default_rng(seed).permutation(size)
            chosen.append(self.tokens[orders[number][within]])
        return example_batch(chosen, self.settings.on_prompt, self.policy.device)


def learn(policy: Policy, batch: Batch, step: int) -> dict[str, float]:
    """One update that raises the mean log-probability per token of the batch's responses."""
    metrics = Metrics()
    rate = learning_rate(policy.recipe.optimizer, step, policy.recipe.steps)
    for group in policy.optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    policy.optimizer.zero_grad(set_to_none=True)
    tokens = int(batch.own_BT.sum())
    with memory_advice(policy.tokens_at_once, step):
        for micro_batch in policy.reader.micro_batches(batch, torch.arange(len(batch))):
            logprobs_N, _ = policy.head.logprobs(micro_batch, batch, temperature=1.0, with_entropy=False)
            loss = -logprobs_N.float().sum() / tokens
            loss.backward()
            metrics.add("loss", float(loss.detach()), 0.0)
        policy.step(metrics)
    return {"learning_rate": rate, "trained_tokens": float(tokens), **metrics.figures()}


def solutions(problem: Problem, settings: ImitationConfig) -> Iterator[str]:
    """What is imitated of a problem that is no model's. Raises InputError where right answers cannot be listed."""
    if settings.solutions == "reference":
        yield from problem.references[: settings.per_problem]
        return
    task = task_of(problem)
    if task is None:
        raise InputError(
            f"imitation.solutions: {problem.id} is no problem of a world of the lab, so its right answers cannot be "
            'listed; use "reference"'
        )
    chains = list(task.chains())
    if settings.solutions == "shortest":
        fewest = min(chain.count(";") for chain in chains)
        chains = [chain for chain in chains if chain.count(";") == fewest]
    rng = Random(sample_seed(0, "oracle", problem.id, 0))
    for _ in range(settings.per_problem or _SOLUTIONS):
        yield choose(chains, rng)


def _content(example: Example) -> str:
    images = tuple(image.digest for image in example.problem.images)
    return repr((example.problem.question, *images, example.response, example.ended))


def find_examples(settings: ImitationConfig, prompts: AskedPrompts) -> Iterator[Example]:
    """The responses to imitate behind their prompts. Raises InputError or ConfigError."""
    if settings.file is not None:
        for row in read_rows(settings.file):
            question, response = row.text("question"), row.text("response")
            problem = Problem(row.place, question, (), "", "")
            prompt = prompts.of(problem)
            yield Example(problem, prompt, response, True)
        return
    if settings.problems:
        for problem in load_problems(settings.problems):
            prompt = prompts.of(problem)
            for text in solutions(problem, settings):
                yield Example(problem, prompt, text, True)
        return
    assert settings.run is not None
    store = RunStore.open(settings.run)
    problems = {problem.id: problem for problem in store.problems()}
    for problem_id, texts in _verified_texts(store, settings).items():
        prompt = prompts.of(problems[problem_id])
        for text, finish in list(texts.items())[: settings.per_problem]:
            ended = finish is not FinishReason.LENGTH
            yield Example(problems[problem_id], prompt, text, ended)


def _verified_texts(store: RunStore, settings: ImitationConfig) -> dict[str, dict[str, FinishReason]]:
    """Distinct texts by problem, in the order of their indices."""
    model = settings.model
    if model is None:
        models = store.models()
        if len(models) != 1:
            raise ConfigError(f"imitation.model: the run has {', '.join(models) or 'no models'}; say which to imitate")
        model = models[0]
    rows = store.samples(model).read(["problem_id", "index", "text", "finish_reason"])
    if settings.outcome == "correct":
        rows = rows.join(_correct_keys(store, model), on=["problem_id", "index"], how="semi")
    found: dict[str, dict[str, FinishReason]] = {}
    for problem_id, _, text, finish in rows.sort("problem_id", "index").iter_rows():
        if text:
            found.setdefault(problem_id, {}).setdefault(text, FinishReason(finish))
    return found


def _correct_keys(store: RunStore, model: str) -> pl.DataFrame:
    """Keys of the samples that the current verdicts call correct. Raises InputError where there are no verdicts."""
    labels = sorted(set(store.current_labels().values()))
    known = [label for label in labels if store.verdicts(label, model).files()]
    if not known:
        raise InputError(f"{store.folder}: {model} has no verdicts; run `move37 verify {store.folder}` first")
    columns = ["problem_id", "index", "outcome"]
    verdicts = pl.concat([store.samples(model).collect(store.standing(label, model, columns)) for label in known])
    return verdicts.filter(pl.col("outcome").cast(pl.String) == Outcome.CORRECT.value)


def encode(example: Example, prompt: Sequence[int], engine: Trainable) -> list[int]:
    """Token ids of the response behind those of its prompt, the end token behind it."""
    text = ResponseText(engine.tokenizer)
    response = text.encode(example.response, text.before(prompt))
    end = closing_token(engine, example.prompt.rendered) if example.ended else None
    return [*response, *([] if end is None else [end])]


def closing_token(engine: Trainable, rendered: bool) -> int | None:
    """The end token that belongs behind a response to imitate, None where the model has none.

    A model may end at several: behind a prompt of its chat template it is the one that the template ends a turn with,
    else the tokenizer's.
    """
    turn = min(end_of_turn(engine.tokenizer) & engine.end_tokens, default=None) if rendered else None
    usual: Any = engine.tokenizer.eos_token_id
    if turn is not None or usual in engine.end_tokens:
        return usual if turn is None else turn
    return min(engine.end_tokens, default=None)


def example_batch(
    examples: Sequence[tuple[Sequence[int], Sequence[int]]], on_prompt: bool, device: torch.device
) -> Batch:
    """The batch of encoded examples; with `on_prompt`, everything behind the first token is a response."""
    pairs = [(p[:1], [*p[1:], *response]) if on_prompt else (p, response) for p, response in examples]
    # Prompts with images have the same tokens and are not the same.
    keys = [id(prompt) if isinstance(prompt, ImagePrompt) else tuple(prompt) for prompt, _ in pairs]
    prompts = {key: prompt for key, (prompt, _) in zip(keys, pairs, strict=True)}
    numbers = {key: place for place, key in enumerate(prompts)}
    groups = [numbers[key] for key in keys]
    return make_batch(list(prompts.values()), groups, [response for _, response in pairs], device=device)
