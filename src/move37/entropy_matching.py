"""At which temperature is one model's output as random as another's? Found by bisection on samples of its own.

RL lowers entropy, and so does a lower temperature; so RL is also tried at the temperature at which it writes as
randomly as base does at its own (arXiv 2504.13837, entropy-matched temperature). `match_entropy = "base"` of a model
stands in the place of a temperature: before the model is sampled for the study, the temperature is found and becomes
the model's own, written into the run with every step of the way (<run>/entropy/<model>.json).

Output entropy is in nats per token of the distribution that is drawn from, temperature and top-p in it: minus the mean
log-probability of the tokens drawn, which is unbiased for the entropy of a token in the places that the model gets to,
up to the ratio of two means. All temperatures are tried with the same seeds, so their noise is common and the estimate
rises with the temperature as the entropy does. The error that is stated is over responses.

Left out: top-p that is matched as well, and engines that cannot score (`engines.BatchScorer`) away from temperature 1.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from move37.analyses.entropy import EntropyMatch, Measured, temperature_at
from move37.analyses.serialise import plain
from move37.config import SamplingConfig, StudyConfig
from move37.engines import BatchScorer, Engine, opened
from move37.errors import ConfigError, EngineError, StoreError
from move37.files import read_json, write_json
from move37.progress import Progress, Silent
from move37.rollouts import Room, check_room, render_prompts, requests_for, template_of
from move37.store import RunStore
from move37.types import Prompt, Request, Sample

FOLDER = "entropy"
RESPONSES = 1024
"""At most so many at every temperature, spread over the problems."""
LOWEST, HIGHEST = 0.02, 8.0
"""Temperatures between which is looked."""
FINE = 0.004
"""Bisection ends with a bracket of this width; what is between its ends is interpolated."""


def with_found(study: StudyConfig, store: RunStore) -> StudyConfig:
    """The study with the temperatures that its run has found before."""
    if not store.exists:
        return study
    known = store.study().models
    found = {
        name: model.model_copy(update={"temperature": known[name].temperature})
        for name, model in study.models.items()
        if model.match_entropy is not None
        and name in known
        and known[name].match_entropy == model.match_entropy
        and known[name].temperature is not None
    }
    return study.model_copy(update={"models": {**study.models, **found}}) if found else study


def match_owed(store: RunStore, progress: Progress | None = None) -> dict[str, float]:
    """Find the temperatures that are not known yet; those found, by model. Raises EngineError, ConfigError."""
    study = store.study()
    owed = [name for name, m in study.models.items() if m.match_entropy is not None and m.temperature is None]
    if not owed:
        return {}
    found: dict[str, float] = {}
    with store.writing():
        targets: dict[str, Measured] = {}
        for name in owed:
            of = str(study.models[name].match_entropy)
            if of not in targets:
                with _opened(store, of) as asked:
                    targets[of] = asked.at(study.sampling_of(of).temperature)
            with _opened(store, name) as asked:
                match = match_entropy(asked.at, targets[of], name, of, progress)
            write_json(store.folder / FOLDER / f"{name}.json", plain(match))
            known = store.study()
            model = known.models[name].model_copy(update={"temperature": match.temperature})
            store.adopt(known.model_copy(update={"models": {**known.models, name: model}}))
            store.log("matched entropy", model=name, of=of, temperature=match.temperature)
            found[name] = match.temperature
    return found


def kept_matches(store: RunStore) -> list[EntropyMatch]:
    """What was found for the models of the study. Raises StoreError for a file that holds something else."""
    found = []
    for name, model in store.study().models.items():
        path = store.folder / FOLDER / f"{name}.json"
        written = read_json(path) if model.match_entropy is not None else None
        if written is None:
            continue
        try:
            numbers = {key: float(written[key]) for key in ("temperature", "lower", "upper")}
            steps = tuple(Measured(**each) for each in written["steps"])
            found.append(
                EntropyMatch(name, written["of"], **numbers, target=Measured(**written["target"]), steps=steps)
            )
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{path}: no temperature in it; move it away and run again") from None
    return found


def match_entropy(
    measure: Callable[[float], Measured], target: Measured, model: str, of: str, progress: Progress | None = None
) -> EntropyMatch:
    """Bisection for the temperature at which `measure` gives the target's entropy. Raises ConfigError for none."""
    steps: dict[float, Measured] = {}
    rounds = int(np.ceil(np.log2((HIGHEST - LOWEST) / FINE))) + 2
    with (progress or Silent()).track(f"Matching entropy of {model}", rounds, "temperatures") as advance:

        def tried(temperature: float) -> float:
            steps[temperature] = measure(temperature)
            advance(1)
            return steps[temperature].entropy

        low, high = LOWEST, HIGHEST
        if not tried(low) <= target.entropy <= tried(high):
            ends = " and ".join(f"{steps[t].entropy:.3g} at {t:g}" for t in (low, high))
            raise ConfigError(
                f"models.{model}.match_entropy: no temperature makes it as random as {of} ({target.entropy:.3g} nats "
                f"per token): it has {ends}; give it a temperature"
            )
        while high - low > FINE:
            middle = (low + high) / 2
            low, high = (middle, high) if tried(middle) < target.entropy else (low, middle)
    errors = np.hypot(target.standard_error, steps[low].standard_error)
    at, lower, upper = (temperature_at(steps.values(), target.entropy + s * errors) for s in (0.0, -1.0, 1.0))
    return EntropyMatch(model, of, at, lower, upper, target, tuple(steps.values()))


# -- measuring ---------------------------------------------------------------------------------------------------------


class _Asked:
    """A loaded model, and what it is asked at every temperature."""

    def __init__(self, engine: Engine, sampling: SamplingConfig, requests: Sequence[Request], name: str) -> None:
        self._engine, self._sampling, self._requests, self._name = engine, sampling, requests, name

    def at(self, temperature: float) -> Measured:
        """Its output entropy there."""
        sampling = self._sampling.model_copy(update={"temperature": temperature, "keep_tokens": True})
        samples = [made for made in self._engine.generate(self._requests, sampling) if made.tokens]
        if not samples:
            raise EngineError(f"{self._name!r}: wrote nothing at temperature {temperature:g}")
        tokens = np.array([made.tokens for made in samples], dtype=np.float64)
        surprise = -np.array(self._log_probabilities(samples, sampling))
        entropy = float(surprise.sum() / tokens.sum())
        error = float(np.sqrt(((surprise - entropy * tokens) ** 2).sum()) / tokens.sum())  # of a ratio of sums
        return Measured(temperature, entropy, error, len(samples), int(tokens.sum()))

    def _log_probabilities(self, samples: Sequence[Sample], sampling: SamplingConfig) -> list[float]:
        """Of each sample under the distribution that it was drawn from."""
        if (sampling.temperature, sampling.top_p) == (1.0, 1.0) and all(made.logprob is not None for made in samples):
            return [made.logprob or 0.0 for made in samples]
        if not isinstance(self._engine, BatchScorer):
            raise EngineError(
                f"{self._name!r}: its engine does not say how probable its samples are at temperature "
                f"{sampling.temperature:g}; match entropies with the engine transformers"
            )
        prompts = {r.prompt.problem_id: self._engine.encode(r.prompt.text) for r in self._requests}
        texts = [(prompts[made.problem_id], _tokens_of(made, self._name)) for made in samples]
        found: list[float] = []
        for scored in self._engine.score_together(texts, sampling):
            assert scored.drawn is not None  # it was told how samples are drawn
            found.append(sum(scored.drawn))
        return found


def _tokens_of(sample: Sample, name: str) -> Sequence[int]:
    if sample.token_ids is None:
        raise EngineError(f"{name!r}: its engine does not keep the tokens that it draws")
    return sample.token_ids


@contextmanager
def _opened(store: RunStore, name: str) -> Iterator[_Asked]:
    """The model with the same requests at every temperature: some responses to problems of the study."""
    study = store.study()
    sampling, model = study.sampling_of(name), study.models[name]
    problems = store.problems()[:RESPONSES]
    with opened(model) as engine:
        template = template_of(sampling.template, study.templates)
        prompts: list[Prompt] = render_prompts(problems, template, engine)
        check_room(engine, prompts, Room("sampling", sampling.max_new_tokens), repr(name))
        each = max(1, RESPONSES // len(prompts))
        requests = [
            r for prompt in prompts for r in requests_for(prompt, range(each), study.seed, f"entropy of {name}")
        ]
        yield _Asked(engine, sampling, requests, name)
