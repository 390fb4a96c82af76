"""What `move37 exact` is asked and shows: its options as settings, its figures as JSON and on a terminal."""

from collections.abc import Mapping
from typing import Any

from move37.analyses.serialise import plain
from move37.config import ProblemsConfig, SamplingConfig, from_options
from move37.console import tell
from move37.report.number_format import count
from move37.report.words.exact import exact_pair_sentences, rarest_sentence
from move37.results import ExactTruth
from move37.terminal import print_table

_SHOWN = (1, 4, 16, 64, 256, 1024, 16_384, 2**20)
_PROBLEMS, _NEW_TOKENS = 100, 64
_MOVES = 10


def exact_settings(problems: Mapping[str, Any], sampling: Mapping[str, Any]) -> tuple[ProblemsConfig, SamplingConfig]:
    """The puzzles and the distribution that a model is asked for. Raises ConfigError."""
    tier, size = problems["tier"], problems["problems"] or _PROBLEMS
    source = {"benchmark": f"countdown:{tier}" if tier else "countdown", "size": size, "seed": problems["seed"]}
    given = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": _NEW_TOKENS, "template": "completion"}
    given |= {key: value for key, value in sampling.items() if value is not None}
    return from_options(ProblemsConfig, **source), from_options(SamplingConfig, **given)


def exact_json(done: ExactTruth) -> dict[str, Any]:
    """A model's curve and chances; of a run, those of each of its models, and the pairs."""
    if done.run is None:
        return plain(done.found.models[0])
    models = {model.model: plain(model) for model in done.found.models}
    return {"run": str(done.run), "models": models, "pairs": plain(done.found.pairs)}


def print_exact(done: ExactTruth) -> None:
    """The curves, the rarest puzzles, and what RL did to the chances."""
    models = done.found.models
    places = [models[0].k.tolist().index(k) for k in _SHOWN]
    print_table(
        "pass@k, computed",
        ("k", *(model.model for model in models)),
        [(count(k), *(f"{model.pass_at_k[i]:.4f}" for model in models)) for k, i in zip(_SHOWN, places, strict=True)],
    )
    for model in models:
        tell(False, rarest_sentence(model))
    for pair in done.found.pairs:
        tell(False, "\n".join(exact_pair_sentences(pair)))
        for move in pair.new[:_MOVES]:
            tell(False, f"  new: {move.chain}  {_power(move.log10_base)} -> {_power(move.log10_rl)}")
    if done.run is not None:
        tell(False, f"Next: move37 report {done.run}")


def _power(log10: float | None) -> str:
    return "never" if log10 is None else f"10^{log10:.1f}"
