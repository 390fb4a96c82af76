"""Every sentence of reports and terminal over a grid of constructed runs, each against the truth it was built from.

A world is a law of kinds of problems: a share, the chance under base, the chance under RL. Problems are drawn from it
and sampled, so what is true of these problems and of problems like them is known. Every claim has its terms; what it
asserts has to be true; what asserts nothing must not sound as if it did. A claim may be false in one study of twenty,
so the grid is counted, not only walked.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from move37.analyses import Findings
from move37.analyses.decision import Decision, decide, decision_plan
from move37.analyses.details import ModelData
from move37.analyses.extrapolation import difference_at_k
from move37.analyses.findings import Facts, find
from move37.analyses.power import draw_stops
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.settings import BandSettings, Target
from move37.importers.counts import load_counts
from move37.report import summaries
from move37.report.number_format import level
from move37.report.sections import Section, further_sections
from move37.report.summary import notes
from move37.report.words import unnamed
from move37.report.words.claim import LIKE_THESE, THESE, Assertion, Claim, joined
from move37.report.words.extrapolation import at_k_sentence
from move37.types import Problem

Kinds = tuple[tuple[float, float, float], ...]

N, COST = 32, 10.0
FIXED = StoppingPlan((N,), 1)
EQUAL = ((0.4, 0.1), (0.3, 0.5), (0.3, 0.9))


@dataclass(frozen=True)
class World:
    """Kinds of problems (share, base, RL), and how a study of them is made."""

    kinds: Kinds
    problems: int = 90
    plan: StoppingPlan = FIXED
    copies: int = 1
    """Problems of a cluster, which share their kind."""
    unscored: float = 0.0
    """Chance of a sample to go unscored."""
    models: int = 1
    target: Target = "population"
    beyond: bool = False
    decided: bool = False
    expect: Mapping[str, bool] = field(default_factory=dict)
    """Claims of the first screen that have to be established, or must not be."""


def with_kind(share: float, base: float, rl: float) -> Kinds:
    """Equal models, but for one kind of problems."""
    return (*(((1 - share) * part, p, p) for part, p in EQUAL), (share, base, rl))


NONE: Kinds = tuple((share, p, p) for share, p in EQUAL)
GAIN, LOSS = with_kind(0.25, 0.0, 0.4), with_kind(0.25, 0.4, 0.0)
BOTH: Kinds = tuple((0.5 * share, base, rl) for share, base, rl in (*GAIN, *LOSS))
CROSSING = ((0.6, 0.15, 0.6), (0.3, 0.3, 0.0), (0.1, 0.0, 0.0))
GRID = {
    "none": World(NONE, expect={"gained": False, "lost": False, "sharpened": False}),
    "gain only": World(GAIN, beyond=True, expect={"gained": True, "lost": False}),
    "loss only": World(LOSS, expect={"gained": False, "lost": True}),
    "both": World(BOTH, expect={"gained": True, "lost": True}),
    "crossing": World(CROSSING, expect={"lost": True, "sharpened": True}),
    "1 problem": World(CROSSING, problems=1, expect={"sharpened": False}),
    "30 problems": World(CROSSING, problems=30, beyond=True),
    "clusters": World(BOTH, problems=120, copies=4),
    "clusters of none": World(NONE, problems=120, copies=4, expect={"gained": False, "lost": False}),
    "plan": World(CROSSING, plan=StoppingPlan.until(4, N, 8), expect={"lost": True}),
    "plan of none": World(NONE, plan=StoppingPlan.until(2, N)),
    "flagged": World(((0.93, 0.95, 0.95), (0.07, 0.9, 0.05))),
    "unscored": World(CROSSING, unscored=0.1),
    "three models": World(CROSSING, models=3, beyond=True),
    "three models, none": World(NONE, models=3),
    "these problems": World(CROSSING, target="benchmark", expect={"lost": True, "sharpened": True}),
    "these problems, none": World(NONE, target="benchmark", models=2),
    "these 30": World(CROSSING, problems=30, target="benchmark"),
    "this problem": World(CROSSING, problems=1, target="benchmark"),
    "these, plan": World(BOTH, target="benchmark", plan=StoppingPlan.until(4, N, 8), copies=2),
    "decided": World(LOSS, decided=True),
}


@dataclass(frozen=True)
class Study:
    """A study and what is true of it: each problem's chances under base and RL, its cluster, its kind."""

    world: World
    tallies: tuple[AnyTally, ...]
    findings: Findings
    base: np.ndarray
    rl: np.ndarray
    cluster: np.ndarray
    kind: np.ndarray


def study(world: World, seed: int) -> Study:
    rng = np.random.default_rng([seed, world.problems])
    shares = np.array([share for share, _, _ in world.kinds])
    clusters = max(1, world.problems // world.copies)
    kind = np.repeat(rng.choice(len(shares), clusters, p=shares / shares.sum()), world.copies)
    base, rl = (np.array([each[i] for each in world.kinds])[kind] for i in (1, 2))
    names = ["base", *(f"rl{i}" if world.models > 1 else "rl" for i in range(world.models))]
    tallies = tuple(sampled(name, base if name == "base" else rl, world, rng) for name in names)
    cluster = np.repeat(np.arange(clusters), world.copies)
    decision = None
    if world.decided:
        decision, kept = decided(tallies, rng)
        tallies = tuple(each.select(kept) for each in tallies)
        base, rl, cluster, kind = base[kept], rl[kept], cluster[kept], kind[kept]
    ids = tallies[0].problem_ids
    problems = [
        Problem(name, f"{name}?", (name,), "made", "math", {"twin": str(cluster[i]), "kind": f"kind {kind[i]}"})
        for i, name in enumerate(ids)
    ]
    facts = Facts(
        problems=problems,
        strata=("kind",) if world.problems > 30 else (),
        clusters="twin" if world.copies > 1 else None,
        runs={"GRPO": tuple(names[1:])} if world.models > 1 else {},
        decision=decision,
        beyond=world.beyond,
    )
    data = [ModelData(each, tokens_by_problem=dict.fromkeys(ids, COST)) for each in tallies]
    findings = find(data, BandSettings(draws=1000, seed=seed, target=world.target), facts)
    return Study(world, tallies, findings, base, rl, cluster, kind)


def sampled(name: str, p: np.ndarray, world: World, rng: np.random.Generator) -> AnyTally:
    ids, zeros = tuple(f"q{i:03}" for i in range(len(p))), np.zeros(len(p), dtype=np.int64)
    trials, successes, went_on = draw_stops(world.plan, p, rng)
    if not world.plan.is_fixed:
        return StoppedTally(name, ids, successes, trials, went_on, zeros, zeros, zeros, world.plan)
    lost = rng.binomial(successes, world.unscored), rng.binomial(trials - successes, world.unscored)
    return Tally(name, ids, successes - lost[0], trials - successes - lost[1], lost[0] + lost[1], zeros)


def decided(tallies: tuple[AnyTally, ...], rng: np.random.Generator) -> tuple[Decision, np.ndarray]:
    """Sampling in blocks of 8 problems until it is decided; which problems were examined."""
    base, rl = tallies
    assert isinstance(base, Tally)
    assert isinstance(rl, Tally)
    plan = decision_plan(base.problem_ids, N, int(rng.integers(1000)), block=8)
    solved = {name: (bool(b), bool(r)) for name, b, r in zip(base.problem_ids, base.correct, rl.correct, strict=True)}
    seen: dict[str, tuple[bool, bool] | None] = {}
    while (decision := decide(plan, seen)).next_problems:
        seen |= {name: solved[name] for name in decision.next_problems}
    return decision, np.array([name in seen for name in base.problem_ids])


# -- what is true --------------------------------------------------------------------------------------------------


def solved(p: np.ndarray, k: int) -> np.ndarray:
    return 1 - (1 - p) ** k


def truths(made: Study, claim: Claim, said: Assertion) -> Iterator[float]:
    """The true value of what is asserted, at each of its ks."""
    share, law_base, law_rl = (np.array(column) for column in zip(*made.world.kinds, strict=True))
    share = share / share.sum()
    here = {"base": made.base}
    law = {"base": law_base}

    def level_of(model: str, k: int, only: str = "") -> float:
        p, weight = (here, np.ones(len(made.base))) if claim.target == THESE else (law, share)
        chances = p["base"] if model == "base" else (made.rl if claim.target == THESE else law_rl)
        kinds = made.kind if claim.target == THESE else np.arange(len(share))
        kept = np.array([not only or f"kind {kind}" == only for kind in kinds])
        return float(solved(chances, k)[kept] @ weight[kept] / weight[kept].sum())

    name = said.quantity
    if name == "pass@k":
        yield from (level_of(said.models[0], k) for k in said.ks)
    elif name in ("difference", "mean difference") or name.startswith("difference in "):
        only = name.removeprefix("difference in ") if name.startswith("difference in ") else ""
        one, two = said.models
        yield from (level_of(one, k, only) - level_of(two, k, only) for k in said.ks)
    elif name == "difference with these strata":
        here_share = [(made.kind == kind).mean() for kind in range(len(share))]
        yield from (float(here_share @ (solved(law_rl, k) - solved(law_base, k))) for k in said.ks)
    elif name == "gap":
        yield level_of(said.models[0], said.ks[0]) - level_of(said.models[1], 1)
    elif name == "difference at tokens":
        for tokens in said.ks:
            low, part = divmod(tokens / COST, 1)
            ends = [level_of(said.models[0], int(k)) - level_of(said.models[1], int(k)) for k in (low, low + 1)]
            yield (1 - part) * ends[0] + part * ends[1]
    elif name.startswith("cover@"):
        yield float(share[(law_base if said.models[0] == "base" else law_rl) >= float(name[6:])].sum())
    else:
        yield number_of_problems(made, name, said)


def number_of_problems(made: Study, name: str, said: Assertion) -> float:
    first, second = (made.base if model == "base" else made.rl for model in (*said.models, "base")[:2])
    ids = np.array(made.tallies[0].problem_ids)
    if name == "different chances":
        return float((first != second).sum())
    if name == "solvable":
        kinds = made.world.kinds
        chances = ((share, base if said.models[0] == "base" else rl) for share, base, rl in kinds)
        return len(ids) * sum(share * (1 - p) ** N for share, p in chances if p > 0) / sum(kind[0] for kind in kinds)
    better = first > second
    assert set(said.problems) <= set(ids[better].tolist()), said
    return float(len(set(made.cluster[better].tolist())) if name == "better on clusters" else better.sum())


def is_true(made: Study, claim: Claim) -> bool:
    return all(
        said.lower - 1e-9 <= value <= said.upper + 1e-9 for said in claim.asserts for value in truths(made, claim, said)
    )


# -- what is said --------------------------------------------------------------------------------------------------


def paragraphs(made: Study) -> Iterator[tuple[Claim, ...]]:
    """Every sentence of the page and of the terminal; those that are read together in one tuple."""
    found = made.findings
    for summary in summaries(found):
        yield from summary.paragraphs
    yield tuple(notes(found))
    sections = further_sections(found)
    for where in (sections.guessing, sections.together, *sections.pairs, sections.reliability, sections.outcomes):
        yield from (section.sentences for section in where)
    yield from (section.sentences for section in sections.extrapolation)
    if made.world.beyond:
        base, rl = made.tallies[:2]
        yield from ((at_k_sentence(difference_at_k(base, rl, k), (rl.model, "base")),) for k in (N, 2 * N, 5 * N))


SOUNDS_LIKE_A_CLAIM = re.compile(
    r"solves (more|fewer)|\bis (better|worse|above|below)\b|not luck|at least \d+ of|rarely makes|whole band is above"
)
SAYS_THAT_IT_IS_OPEN = re.compile(
    r"(?i)not decide|not shown|no evidence|whether|is open|which (of them|one)|No k up to|not established"
    r"|No model|No claim"
)
NEVER_SAID = re.compile(r"no sign|proves? that there (is|are) no|have? the same|did not (gain|lose)|\bnan\b|None|inf\b")


def check_words(claim: Claim, together: str) -> None:
    text = unnamed(claim.text)
    assert text.strip(), together
    assert text[-1] in ".:", text
    assert not NEVER_SAID.search(text), text
    if not claim.established:
        sounds = SOUNDS_LIKE_A_CLAIM.search(text)
        assert not sounds or SAYS_THAT_IT_IS_OPEN.search(text), text
        return
    assert claim.target in (THESE, LIKE_THESE), text
    assert claim.confidence is not None, text
    assert 0 < claim.confidence < 1, text
    assert claim.corrected_over, text
    shown = f"{together} {claim.terms if claim.kind else ''}"
    assert level(claim.confidence) in shown, shown
    of = "these problems|Of the [0-9,]+ problem" if claim.target == THESE else "problems like (these|the ones)"
    assert claim.kind or re.search(of, shown) or re.search("McNemar|anytime-valid", text), shown
    for bounds in claim.asserts:
        assert bounds.lower > -np.inf or bounds.upper < np.inf, text


@pytest.mark.parametrize("name", GRID)
def test_every_sentence_has_its_terms_and_is_true(name: str):
    made = study(GRID[name], seed=1)
    groups = list(paragraphs(made))
    assert len(groups) > 4
    for group in groups:
        together = unnamed(joined(group))
        for claim in group:
            check_words(claim, together)
            assert is_true(made, claim), claim
    for kind, expected in GRID[name].expect.items():
        (claim,) = (each for each in summaries(made.findings)[0].claims if each.kind == kind)
        assert claim.established == expected, claim


@pytest.mark.parametrize("name", ["none", "clusters of none", "plan of none", "30 problems", "these problems"])
def test_false_sentences_are_as_rare_as_they_say(name: str):
    # 25 studies; a band, a test or an interval errs in one of twenty, and each kind of claim is counted by itself.
    false: dict[str, int] = {}
    for seed in range(25):
        made = study(replace(GRID[name], beyond=False), seed=100 + seed)
        wrong = {each.asserts[0].quantity for group in paragraphs(made) for each in group if not is_true(made, each)}
        for quantity in wrong:
            false[quantity] = false.get(quantity, 0) + 1
    # More than 6 of 25 at .05 come about with a chance of 2e-4; "difference" holds claims of three methods.
    assert all(count <= 6 for count in false.values()), false


def test_a_sentence_that_claims_too_much_is_noticed():
    # The walk itself must be able to fail.
    made = study(GRID["none"], seed=1)
    bold = Claim("rl solves more.", (Assertion("difference", ("rl", "base"), (1,), 0.1, 1.0),), "", THESE, 0.95, "x")
    assert not is_true(made, bold)
    with pytest.raises(AssertionError):
        check_words(Claim("rl solves more than base."), "")
    with pytest.raises(AssertionError):
        check_words(replace(bold, corrected_over=""), "95% these problems")


def test_nothing_is_said_in_sections_but_claims():
    made = study(GRID["three models"], seed=1)
    sections = further_sections(made.findings)
    every = (
        *sections.together,
        *sections.reliability,
        *sections.extrapolation,
        *(s for p in sections.pairs for s in p),
    )
    assert all(isinstance(section, Section) for section in every)
    assert all(isinstance(sentence, Claim) for section in every for sentence in section.sentences)


SHARED = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"


@pytest.mark.skipif(not SHARED.exists(), reason="the DeepScaleR counts are not beside the project (../shared)")
def test_the_readme_says_of_the_published_counts_what_the_claims_say():
    tallies = [load_counts(SHARED / f"{model}.jsonl", model) for model in ("base", "rl")]
    found = find([ModelData(each) for each in tallies], BandSettings())
    gained, lost, sharpened, _ = summaries(found)[0].claims
    readme = " ".join((Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split())
    difference, change = found.comparisons[0].difference, found.comparisons[0].lost
    assert change is not None
    gains, losses = difference.shown_gain, difference.shown_loss
    assert f"RL is better for k = {gains[0]} to {gains[-1]} and worse for k = {losses[0]} to {losses[-1]}" in readme
    assert f"Of the {change.only} problems that base alone solved at least {change.at_least} are a loss" in readme
    assert (gained.established, lost.established, sharpened.established) == (False, True, True)
    assert lost.asserts[0].lower == change.at_least
