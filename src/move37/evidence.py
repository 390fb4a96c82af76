"""A run as the analyses see it: tallies, answers, tokens, agreements, the decision, what calibration found.

Only verdicts that stand are read (`store.py`), and only the samples that the study's plan uses: where n was lowered
since, the rest stays in the run and counts nowhere, so that a report is the one that a run made at once would give.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from move37.analyses.decision import Decision, decide, decision_plan, finished_problems
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, cluster_labels
from move37.analyses.guess_controls import GuessControl
from move37.analyses.pairing import on_problems, paired
from move37.analyses.perplexity import ScoredResponses
from move37.analyses.tool_use import ToolUse, tool_columns, tool_use_of
from move37.analyses.trajectory import Checkpoint
from move37.audit import LABEL as AUDITED
from move37.config import IMPORTED, ModelConfig
from move37.counts import AnyTally, StoppedTally, Tally
from move37.entropy_matching import kept_matches
from move37.errors import InputError, StoreError
from move37.estimates.anytime import Status
from move37.estimates.npmle import fit_joint_mixture
from move37.estimates.planning import AssumedPair, MeanTokens
from move37.estimates.rows import correct_samples, k_limit, pass_at_k_each
from move37.estimates.tokens import mean_length
from move37.fairness import differences, loaded_apart, overridden
from move37.files import read_json
from move37.paths import name_of
from move37.probe import kept_probes, tagged
from move37.schema import COUNTS, KEY
from move37.scoring import REFERENCES, scores_folder
from move37.second_looks import accepted_of, audit_reading, chain_counts, chain_errors, zero_set_tally
from move37.store import RunStore
from move37.tallies import count_outcomes, counted_tally, first_samples, fixed_tally, stopped_tally
from move37.truth import kept_truth, kept_truths
from move37.types import FinishReason, Outcome
from move37.zero_set import kept_zero_set

TallyT = TypeVar("TallyT", Tally, StoppedTally)

CALIBRATION = "calibration.json"
"""In the run folder: what each verifier does with answers whose truth is known, by its label."""
DECISION = "decision.json"
"""In the run folder of a study that was sampled until decided."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a run says of problems like its own: their law under two models, mean lengths where they are known."""

    pair: AssumedPair
    lengths: tuple[MeanTokens, MeanTokens] | None
    name: str
    n: int


class RunEvidence:
    """What a run says at the moment; what was read is kept, so an object serves one command."""

    def __init__(self, store: RunStore, judged_by: str | None = None) -> None:
        """`judged_by` is a label whose verdicts count in place of the current ones. Raises StoreError for a run whose
        problems are gone."""
        self.store = store
        self._judged_by = judged_by
        self._tallies: dict[str, AnyTally] = {}
        self._silent: dict[str, tuple[int, int]] = {}
        store.require_problems()

    @cached_property
    def labels(self) -> list[str]:
        """The labels whose verdicts count."""
        if self._judged_by is not None:
            return [self._judged_by]
        return sorted(set(self.store.current_labels().values()))

    # -- tallies -------------------------------------------------------------------------------------------------

    def tally(self, model: str) -> AnyTally:
        """Counts of `model` from imported counts or its current verdicts, stopped early where its plan says so.

        Raises InputError where there are none, and where a problem has not reached its stopping point.
        """
        if model not in self._tallies:
            self._tallies[model] = self._tally(model)
        return self._tallies[model]

    def _tally(self, model: str) -> AnyTally:
        store, plan = self.store, self.store.plan(model)
        counts = store.counts(model).read()
        if not counts.is_empty():
            return counted_tally(model, counts.sort("problem_id"), plan)
        if plan is None:
            return self._as_known(model, self.fixed_tally(model))
        ids = sorted(problem.id for problem in store.problems())
        frames = (self.collect(model, rows) for _, rows in self.verdicts(model, [*KEY, "outcome", "truncated"]))
        tally = stopped_tally(model, frames, ids, plan, f"run `move37 sample {store.folder}`")
        if not tally.problems:
            raise self._no_verdicts(model)
        return self._as_known(model, tally)

    def fixed_tally(self, model: str, below: int | None = None) -> Tally:
        """Counts of `model` over all its samples, or over those with an index below `below`.

        Unbiased for a fixed n only if that was decided beforehand: under a stopping plan, at most its first look.
        """
        counts = self._count_verdicts(model, first_samples(below))
        if counts.is_empty():
            raise self._no_verdicts(model)
        return fixed_tally(model, counts.sort("problem_id"))

    def tally_not_truncated(self, model: str, below: int | None = None) -> Tally | None:
        """Counts over the samples that ended by themselves; None where that is not known or there are none."""
        counts = self._count_verdicts(model, first_samples(below) & ~pl.col("truncated"))
        return None if counts.is_empty() else fixed_tally(model, counts.sort("problem_id"))

    def tally_with_answer(self, model: str, below: int | None = None) -> Tally | None:
        """Counts over the samples in which an answer was found; None where no sample has one."""
        counts = self._count_verdicts(model, first_samples(below) & pl.col("answer").is_not_null())
        return None if counts.is_empty() else fixed_tally(model, counts.sort("problem_id"))

    def correct_among_truncated(self, model: str, below: int | None = None) -> int | None:
        """Samples that were cut at the token limit and are correct, of those that the study uses; None without any."""
        cut_and_right = pl.col("truncated") & (pl.col("outcome") == Outcome.CORRECT.value)
        counts = [
            self.collect(model, rows.filter(first_samples(below)).select(cut_and_right.sum())).item()
            for _, rows in self.used_verdicts(model, [*KEY, "outcome", "truncated"])
        ]
        return int(sum(counts)) if counts else None

    def ending_unknown(self, model: str) -> int:
        """Samples of an import that does not say how they ended. Of a call that failed there is nothing to say."""
        return self._endings(model)[0]

    def _endings(self, model: str) -> tuple[int, int]:
        """Responses in the run whose ending nobody knows, and all of its responses."""
        if model not in self._silent:
            parts = self.store.samples(model)
            responses = parts.scan(["finish_reason", "error"]).filter(pl.col("error").is_null())
            silent = (pl.col("finish_reason") == FinishReason.UNKNOWN.value).sum()
            found = parts.collect(responses.select(silent.alias("silent"), pl.len().alias("all")))
            self._silent[model] = int(found["silent"][0]), int(found["all"][0])
        return self._silent[model]

    def _as_known(self, model: str, tally: TallyT) -> TallyT:
        """The tally, without the zeros of truncated samples where no sample says how it ended."""
        silent, responses = self._endings(model)
        is_known = not silent or silent < responses
        return tally if is_known else replace(tally, unknown=tally.unknown | {"truncated"})

    # -- what else verdicts and samples say ------------------------------------------------------------------------

    def reasons(self, model: str, below: int | None = None) -> list[tuple[str, str, int]]:
        """(outcome, reason, count) over the current verdicts, most frequent first; empty for imported counts.

        Of all samples, or of those with an index below `below`.
        """
        totals: dict[tuple[str, str], int] = {}
        for _, rows in self.used_verdicts(model, [*KEY, "outcome", "reason"]):
            grouped = self.collect(model, rows.filter(first_samples(below)).group_by("outcome", "reason").len())
            for outcome, reason, count in grouped.rows():
                totals[outcome, reason] = totals.get((outcome, reason), 0) + count
        ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        return [(outcome, reason, count) for (outcome, reason), count in ordered]

    def flags(self, model: str) -> list[tuple[str, str, int]]:
        """(outcome, flag, count) over the current verdicts, by outcome and flag."""
        frames = [
            self.collect(model, rows.explode("flags").drop_nulls("flags").group_by("outcome", "flags").len())
            for _, rows in self.used_verdicts(model, ["outcome", "flags"])
        ]
        totals: Counter[tuple[str, str]] = Counter()
        for frame in frames:
            totals.update({(outcome, flag): count for outcome, flag, count in frame.rows()})
        return [(outcome, flag, count) for (outcome, flag), count in sorted(totals.items())]

    def answers(self, model: str, below: int | None = None) -> pl.DataFrame:
        """Distinct answers: problem_id, answer (null: none), correct, count; unscored samples are left out.

        Of all samples, or of those with an index below `below`.
        """
        frames = [
            self.collect(
                model,
                rows.filter(first_samples(below) & (pl.col("outcome") != Outcome.UNSCORED.value))
                .group_by("problem_id", "answer", correct=pl.col("outcome") == Outcome.CORRECT.value)
                .agg(count=pl.len()),
            )
            for _, rows in self.used_verdicts(model, [*KEY, "answer", "outcome"])
        ]
        empty = pl.DataFrame(
            schema={"problem_id": pl.String, "answer": pl.String, "correct": pl.Boolean, "count": pl.UInt32}
        )
        return pl.concat([empty, *(f.select(pl.col(n).cast(t) for n, t in empty.schema.items()) for f in frames)])

    def responses(self, model: str, below: int | None = None) -> pl.DataFrame:
        """Distinct responses: problem_id, count; of all samples with a response, or of those below an index."""
        rows = self.samples(model, [*KEY, "digest", "error"]).filter(first_samples(below) & pl.col("error").is_null())
        counted = rows.group_by("problem_id", "digest").agg(count=pl.len()).select("problem_id", "count")
        return self.collect(model, counted)

    def tools(self, model: str, below: int | None = None) -> ToolUse | None:
        """Turns and calls of its samples, of all or of those below an index; None where nothing answers its turns."""
        study = self.store.study()
        if model not in study.models or study.sampling_of(model).environment == "single_turn":
            return None
        episodes = self.samples(model, [*KEY, "segments"]).filter(first_samples(below))
        frames = [
            self.collect(model, tool_columns(episodes).join(rows.select(*KEY, "outcome"), on=KEY))
            for _, rows in self.used_verdicts(model, [*KEY, "outcome"])
        ]
        return tool_use_of(model, pl.concat(frames)) if frames else None

    def mean_tokens(self, model: str) -> float | None:
        """Generated tokens of a sample, the mean over problems; None where samples of a problem do not know it."""
        by_problem = self.mean_tokens_by_problem(model)
        return float(np.mean(list(by_problem.values()))) if by_problem else None

    def mean_tokens_by_problem(self, model: str) -> dict[str, float]:
        """Mean generated tokens per sample of each problem; empty where a sample does not know its own.

        Of calls that did not fail. Where sampling stopped early, unbiased for that (`estimates/tokens.py`).
        """
        tally = self.tally(model)
        if isinstance(tally, StoppedTally):
            return self._tokens_after_stopping(model, tally)
        lengths = self.samples(model, ["problem_id", "tokens", "error"]).filter(pl.col("error").is_null())
        means = lengths.group_by("problem_id").agg(pl.col("tokens").mean(), lost=pl.col("tokens").is_null().any())
        frame = self.collect(model, means)
        return {} if frame["lost"].any() else dict(frame.select("problem_id", "tokens").rows())

    def _tokens_after_stopping(self, model: str, tally: StoppedTally) -> dict[str, float]:
        """From the lengths of right and of wrong samples up to each stopping point."""
        lengths = self.samples(model, [*KEY, "tokens"])
        frames = [
            self.collect(model, rows.join(lengths, on=KEY)) for _, rows in self.used_verdicts(model, [*KEY, "outcome"])
        ]
        known = pl.concat(frames) if frames else pl.DataFrame()
        if known.is_empty() or known["tokens"].is_null().any():
            return {}
        means = known.group_by("problem_id", "outcome").agg(pl.col("tokens").mean())
        by_outcome = {(problem, outcome): mean for problem, outcome, mean in means.rows()}
        right, wrong = (
            np.array([by_outcome.get((each, outcome.value), np.nan) for each in tally.problem_ids], dtype=float)
            for outcome in (Outcome.CORRECT, Outcome.INCORRECT)
        )
        found = mean_length(pass_at_k_each(tally, 1), right, wrong)
        return {} if np.isnan(found).any() else dict(zip(tally.problem_ids, found.tolist(), strict=True))

    def mean_tokens_by_outcome(self, model: str) -> tuple[float, float] | None:
        """Mean generated tokens of correct and of incorrect samples; None where one of them is not known."""
        lengths = self.samples(model, [*KEY, "tokens"])
        frames = [
            self.collect(model, rows.join(lengths, on=KEY).drop(KEY))
            for _, rows in self.used_verdicts(model, [*KEY, "outcome"])
        ]
        if not frames:
            return None
        means = dict(pl.concat(frames).group_by("outcome").agg(pl.col("tokens").mean()).rows())
        correct, incorrect = (means.get(o.value) for o in (Outcome.CORRECT, Outcome.INCORRECT))
        return None if correct is None or incorrect is None else (correct, incorrect)

    def compare_verdicts(self, model: str, other: str) -> pl.DataFrame:
        """Current verdicts beside those under the label `other`: problem_id, index, outcome, answer, theirs."""
        theirs = self.store.standing(other, model, [*KEY, "outcome"]).rename({"outcome": "theirs"})
        frames = [
            self.collect(model, rows.join(theirs, on=KEY, how="inner"))
            for _, rows in self.used_verdicts(model, [*KEY, "outcome", "answer"])
        ]
        return pl.concat(frames).sort(KEY) if frames else pl.DataFrame()

    def surplus(self, model: str) -> int:
        """Samples that are here and that the study does not ask for (n was lowered, or others were brought in), without
        those of the zero set."""
        samples, chosen = self.store.samples(model), kept_zero_set(self.store.folder)
        keys = samples.scan(KEY)
        if chosen is not None:
            beyond = pl.col("index") >= self.store.study().sampling.n
            keys = keys.filter(~(beyond & chosen.samples))
        every = samples.collect(keys.select(pl.len())).item()
        return every - self.collect(model, self.samples(model, KEY).select(pl.len())).item()

    def without_verdict(self, model: str) -> int:
        """Samples that the study uses and that have no current verdict."""
        rows = [rows.select(pl.len()) for _, rows in self.used_verdicts(model, KEY)]
        verdicts = sum(self.collect(model, each).item() for each in rows)
        return self.collect(model, self.samples(model, KEY).select(pl.len())).item() - verdicts

    def models(self) -> list[str]:
        """The models that are compared: those with samples or counts that are no arm of another one here, and no
        checkpoint on the way of a training (the trajectory has those)."""
        here, study = self.store.models(), self.store.study()
        last: dict[object, int] = {}
        for name in here:
            way = _training_of(study.models[name])
            last[way] = max(last.get(way, 0), study.models[name].step or 0)
        return [
            name
            for name in here
            if study.models[name].arm_of not in here
            and (name == study.base_model() or (study.models[name].step or 0) == last[_training_of(study.models[name])])
        ]

    def analysed(self) -> list[str]:
        """All models that a report speaks of for themselves: those that are compared, and checkpoints."""
        return list(dict.fromkeys([*self.models(), *self._trained()]))

    def checkpoints(self) -> list[Checkpoint]:
        """The models that are checkpoints of trainings, behind those that these started from; empty without any."""
        found = [self._checkpoint(name, *about) for name, about in self._trained().items()]
        starts = dict.fromkeys(each.start for each in found)
        return [*(self._checkpoint(name, "", 0, 0, name) for name in starts), *found]

    def _trained(self) -> dict[str, tuple[str, int, int, str]]:
        """The checkpoints of trainings that are no arm of another model: algorithm, seed, step, start."""
        here, study = self.store.models(), self.store.study()
        found: dict[str, tuple[str, int, int, str]] = {}
        for name in here:
            model = study.models[name]
            start = model.start or study.base_model()
            known = model.algorithm is not None and model.seed is not None and bool(model.step)
            if known and model.arm_of is None and name != study.base_model() and start in here and start is not None:
                found[name] = (model.algorithm or "", model.seed or 0, model.step or 0, start)
        return found

    def _checkpoint(self, name: str, algorithm: str, seed: int, step: int, start: str) -> Checkpoint:
        plan = self.store.plan(name)
        first_stop = None if plan is None else plan.first_stop
        return Checkpoint(
            model=name,
            algorithm=algorithm,
            seed=seed,
            step=step,
            start=start,
            tally=self.tally(name),
            entropy=self.entropy(name, first_stop),
            length=self.mean_tokens(name),
            answers=self.answers(name, first_stop),
            chances=kept_truth(self.store, name),
        )

    def entropy(self, model: str, below: int | None = None) -> float | None:
        """Nats per token of the distribution that was sampled: minus the mean log-probability of what was drawn.

        Of all samples, or of those with an index below `below`. None where samples do not say it: their
        log-probabilities are the model's own, which are those drawn from at temperature 1 and top-p 1 alone.
        """
        known = self.store.study().models.get(model)
        if known is None or known.engine == IMPORTED:
            return None
        own = self.store.study().sampling_of(model)
        if (own.temperature, own.top_p) != (1.0, 1.0):
            return None
        rows = self.samples(model, [*KEY, "tokens", "logprob"]).filter(first_samples(below))
        sums = self.collect(
            model, rows.select(pl.col("tokens").sum(), pl.col("logprob").sum(), lost=pl.col("logprob").is_null().any())
        )
        tokens, logprob, lost = sums.row(0)
        return None if lost or not tokens else -float(logprob) / int(tokens)

    def arms(self) -> dict[str, list[AnyTally]]:
        """Tallies of the other arms of each model that has some. Raises InputError for one that lacks a problem."""
        found: dict[str, list[AnyTally]] = {}
        for name in self.store.models():
            model = self.store.study().models[name]
            main = model.arm_of
            if main is not None and main in self.store.models() and model.guess is None:
                found.setdefault(main, []).append(paired(self.tally(main), self.tally(name))[1])
        return found

    def guess_controls(self) -> list[GuessControl]:
        """The arms that guess, behind the models that they are of."""
        study, here = self.store.study(), self.store.models()
        shown = frozenset(problem.id for problem in self.store.problems() if problem.images)
        found = []
        for name, model in ((name, study.models[name]) for name in here):
            if model.guess is not None and model.arm_of in here:
                about = shown if model.guess == "blind" else None
                found.append(GuessControl(model.arm_of, name, model.guess, self.tally(name), self.answers(name), about))
        return found

    # -- for the analyses ------------------------------------------------------------------------------------------

    def of_model(self, model: str) -> ModelData:
        """All that the analyses may know of one model."""
        store, tally, plan = self.store, self.tally(model), self.store.plan(model)
        first_stop = None if plan is None else plan.first_stop
        fixed = None if plan is None or not store.samples(model).files() else self.fixed_tally(model, first_stop)
        fixed = None if fixed is None else self._as_known(model, fixed)
        silent = self.ending_unknown(model)
        others = [label for label in store.labels(model) if label not in (*self.labels, AUDITED)]
        return ModelData(
            tally=tally,
            fixed=fixed,
            not_truncated=None if silent else self.tally_not_truncated(model, first_stop),
            with_answer=self.tally_with_answer(model, first_stop),
            correct_among_truncated=self.correct_among_truncated(model, first_stop),
            ending_unknown=silent,
            reasons=self.reasons(model, first_stop),
            flags=self.flags(model),
            mean_tokens=self.mean_tokens(model),
            tokens_by_problem=self.mean_tokens_by_problem(model),
            answers=self.answers(model, first_stop),
            responses=self.responses(model, first_stop),
            agreement=[(label, self.compare_verdicts(model, label)) for label in others],
            first_stop=first_stop,
            verifier=", ".join(self.labels),
            references=self.references,
            audit=audit_reading(self, model),
            chains=chain_counts(self, model, first_stop),
            tools=self.tools(model, first_stop),
            zero_set=zero_set_tally(self, model),
        )

    @cached_property
    def references(self) -> dict[str, str]:
        """The right answer of every problem, alternatives joined."""
        return {problem.id: " or ".join(problem.references) for problem in self.store.problems()}

    def facts(self) -> Facts:
        """What the analyses may know of the study itself."""
        study = self.store.study()
        runs: dict[str, list[str]] = {}
        probes, compared = kept_probes(self.store.folder), self.models()
        for name in compared:
            model = study.models[name]
            if model.algorithm is not None and name != study.base_model():
                runs.setdefault(model.algorithm, []).append(name)
        return Facts(
            problems=tagged(self.store.problems(), probes),
            strata=study.analysis.strata,
            clusters=study.analysis.clusters,
            runs={algorithm: names for algorithm, names in runs.items() if len(names) > 1},
            decision=self.decision(),
            calibrations=self.calibrations(),
            beyond=study.analysis.beyond,
            notices=tuple(self.notices()),
            exact=[known for known in kept_truths(self.store) if known.model in compared],
            scores=self.scores(),
            arms=self.arms(),
            guess_controls=self.guess_controls(),
            training_tokens={
                name: model.training_tokens for name, model in study.models.items() if model.training_tokens is not None
            },
            uses=study.analysis.uses,
            probes={model: [(s.share, s.completed, s.answered) for s in seen] for model, seen in probes.items()},
            chain_errors=chain_errors(self),
            checkpoints=self.checkpoints(),
            entropy_matches=kept_matches(self.store),
            zero_set_start=None if (chosen := kept_zero_set(self.store.folder)) is None else chosen.start,
        )

    def scores(self) -> dict[tuple[str, str], ScoredResponses]:
        """Responses under models, by (author, model): authors under themselves as they were drawn. Empty unless one
        model's were scored under another."""
        names = self.store.models()
        pairs = [(author, model) for model in names for author in (*names, REFERENCES)]
        there = [pair for pair in pairs if pair[0] != pair[1] and scores_folder(self.store, *pair).files()]
        if all(author == REFERENCES for author, _ in there):
            return {}
        own = [(name, name) for name in names]
        return {pair: known for pair in (*own, *there) if (known := self._scored(*pair)) is not None}

    def _scored(self, author: str, model: str) -> ScoredResponses | None:
        columns = ["sample", "tokens", "logprob", "drawn", "mass_ahead"]
        if author == model:  # its log-probabilities stand with the samples
            drawn = self.samples(author, [*KEY, "digest", "tokens", "logprob"]).rename({"digest": "sample"})
            rows = drawn.with_columns(drawn=pl.lit(None, pl.Float64), mass_ahead=pl.lit(None, pl.Float64))
        else:
            rows = scores_folder(self.store, author, model).scan([*KEY, *columns])
        if author == REFERENCES:
            rows = rows.with_columns(correct=pl.lit(-1))
        else:
            here = self.samples(author, [*KEY, "digest"])
            rows = rows.join(here, left_on=[*KEY, "sample"], right_on=[*KEY, "digest"], how="inner")
            right = pl.when(pl.col("outcome") == Outcome.CORRECT.value).then(1).otherwise(0)
            verdicts = [
                each.filter(pl.col("outcome") != Outcome.UNSCORED.value).select(*KEY, correct=right)
                for _, each in self.used_verdicts(author, [*KEY, "outcome"])
            ]
            if not verdicts:
                return None
            rows = rows.join(pl.concat(verdicts), on=KEY, how="inner")
        frame = self.collect(author, rows.drop_nulls("logprob").sort(KEY))
        return _responses(author, model, frame) if frame.height else None

    def pilot(self) -> "Pilot":
        """What the run says of problems like its own. Raises InputError unless base and another model are here."""
        folder, names = self.store.folder, self.store.models()[:2]
        if len(names) < 2:
            raise InputError(f"{folder}: a pilot needs base and another model with verdicts, and has {len(names)}")
        base, rl = paired(*(self.tally(name) for name in names))
        fitted = fit_joint_mixture(correct_samples(base), base.scored, correct_samples(rl), rl.scored)
        of_base, of_rl = (self.mean_tokens_by_outcome(name) for name in names)
        return Pilot(
            pair=AssumedPair(fitted.base_p, fitted.rl_p, fitted.weight),
            lengths=(MeanTokens(*of_base), MeanTokens(*of_rl)) if of_base and of_rl else None,
            name=f"the pilot {folder.name} ({base.problems} problems, {names[0]} and {names[1]})",
            n=min(k_limit(base), k_limit(rl)),
        )

    def notices(self) -> Iterator[str]:
        """What is in the run and not in the report, and how models were asked differently, one sentence each."""
        if self.store.study().smoke:
            yield "made with --smoke: too few problems, samples and steps for any number here to mean anything"
        reason = self.store.study().analysis.accept_differences
        for difference in differences(self.store) if reason else ():
            yield f"{difference}; compared all the same: {reason}"
        yield from overridden(self.store)
        yield from loaded_apart(self.store)
        seen = sum(bool(problem.images) for problem in self.store.problems())
        if seen and not any(each.kind == "blind" for each in self.guess_controls()):
            yield (
                f"{seen:,} problems have images, and no model was asked without them: how many of these are solved by "
                'guessing is not known (an arm with guess = "blind" says it)'
            )
        if self.store.elsewhere:
            apart = ", ".join(sorted(self.store.elsewhere))
            yield f"with bases of their own, in reports of their own: {apart}"
        for model in self.store.unnamed_models():
            yield f"{model} has samples or counts in this run, and the study names it no longer: it is left out"
        known = self.store.models()
        if absent := [model for model in self.store.study().models if model not in known]:
            yield (
                f"{', '.join(absent)}: in the study, without samples or counts: left out of this report; run "
                f"`move37 sample {name_of(self.store.folder)}`"
            )
        for model in known:
            surplus = self.surplus(model)
            if surplus:
                yield f"{model}: {surplus:,} samples of this run are beyond what the study asks for and are not used"
            waiting = self.without_verdict(model)
            if waiting:
                advice = f"run `move37 verify {name_of(self.store.folder)}`"
                yield f"{model}: {waiting:,} samples have no verdict yet and count nowhere; {advice}"

    def decision(self) -> Decision | None:
        """The decision that sampling went on until, from the verdicts as they are now; None where it did not.

        Raises InputError where samples that it was made from are gone.
        """
        known = kept_decision(self.store.folder)
        if known is None:
            return None
        study, ids = self.store.study(), [problem.id for problem in self.store.problems()]
        # What was one unit while sampling stays one: a tag that is named later does not make the order another one.
        clusters = cluster_labels(self.store.problems(), study.analysis.clusters) if known.unit == "cluster" else None
        plan = decision_plan(ids, known.k, study.seed, alpha=known.alpha, clusters=clusters)
        if known.problems != plan.units:
            return known
        base, rl = (self.store.outcomes(name, ids, known.k) for name in (known.base, known.rl))
        decision = decide(plan, finished_problems(ids, base, rl, known.k), known.base, known.rl)
        if decision.next_problems:
            raise InputError(
                f"{self.store.folder}: was sampled until decided, and some of those samples or verdicts are "
                f"gone; run `move37 sample {self.store.folder} --until decided`"
            )
        return decision

    def calibrations(self) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
        """What is known of the verifiers whose verdicts count: (accepted, scored) of right and of wrong answers."""
        path = self.store.folder / CALIBRATION
        known = read_json(path) or {}
        try:
            return [
                (label, accepted_of(found["references"]), accepted_of(found["corrupted"]))
                for label, found in known.items()
                if label in self.labels
            ]
        except (AttributeError, KeyError, TypeError):
            raise StoreError(f"{path}: no calibration in it; move it away and run `move37 calibrate` again") from None

    # -- reading -----------------------------------------------------------------------------------------------------

    def verdicts(self, model: str, columns: Sequence[str]) -> Iterator[tuple[str, pl.LazyFrame]]:
        """Verdicts that stand, by label."""
        for label in self.labels:
            if self.store.verdicts(label, model).files():
                yield label, self.store.standing(label, model, columns)

    def used_verdicts(self, model: str, columns: Sequence[str]) -> Iterator[tuple[str, pl.LazyFrame]]:
        """Those of them that are about samples which the study uses."""
        for label, rows in self.verdicts(model, list(dict.fromkeys([*KEY, *columns]))):
            yield label, self._used(model, rows).select(columns)

    def samples(self, model: str, columns: Sequence[str]) -> pl.LazyFrame:
        return self._used(model, self.store.samples(model).scan(list(dict.fromkeys([*KEY, *columns])))).select(columns)

    def _used(self, model: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Rows with problem_id and index, without what is beyond n or, stopped early, beyond a stopping point."""
        n = self.store.fixed_n(model)
        if n is not None:
            return rows.filter(pl.col("index") < n)
        plan = self.store.plan(model)
        if plan is None or not self.store.samples(model).files():
            return rows
        tally = self.tally(model)
        if not isinstance(tally, StoppedTally) or not tally.surplus.any():
            return rows
        used = {"problem_id": list(tally.problem_ids), "used": tally.trials + tally.unscored}
        return rows.join(pl.LazyFrame(used), on="problem_id").filter(pl.col("index") < pl.col("used")).drop("used")

    def _count_verdicts(self, model: str, keep: pl.Expr) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=COUNTS.columns)]
        n = self.store.fixed_n(model)
        for _, rows in self.verdicts(model, [*KEY, "outcome", "truncated", "answer"]):
            frames.append(self.collect(model, count_outcomes(rows.filter(keep & first_samples(n)))))
        return pl.concat(frames)

    def collect(self, model: str, rows: pl.LazyFrame) -> pl.DataFrame:
        return self.store.samples(model).collect(rows)

    def _no_verdicts(self, model: str) -> InputError:
        return InputError(
            f"{self.store.folder}: {model!r} has no verdicts yet; run `move37 verify {self.store.folder}`"
        )


def on_common_problems(models: Sequence[ModelData]) -> list[ModelData]:
    """What is known of several models, their counts on the problems alone that all of them have."""
    common = frozenset.intersection(*(each.tally.id_set for each in models))
    if not common:
        raise InputError("the models have no problem in common; nothing can be compared")
    return [
        replace(
            each,
            tally=on_problems(each.tally, common),
            fixed=None if each.fixed is None else on_problems(each.fixed, common),
            not_truncated=None if each.not_truncated is None else on_problems(each.not_truncated, common),
        )
        for each in models
    ]


def _responses(author: str, model: str, frame: pl.DataFrame) -> ScoredResponses:
    problem_ids = tuple(frame["problem_id"].unique(maintain_order=True).to_list())
    place = {problem: i for i, problem in enumerate(problem_ids)}
    return ScoredResponses(
        author=author,
        model=model,
        problem_ids=problem_ids,
        problems=frame["problem_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy(),
        correct=frame["correct"].cast(pl.Int64).to_numpy(),
        tokens=frame["tokens"].cast(pl.Int64).to_numpy(),
        texts=frame["sample"].to_numpy(),
        logprobs=frame["logprob"].to_numpy(),
        drawn=frame["drawn"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        mass_ahead=frame["mass_ahead"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
    )


def _training_of(model: ModelConfig) -> object:
    """What the checkpoints of one training have in common; for another model, nothing that a second one has."""
    if model.training is not None:
        return model.training
    known = model.algorithm is not None and model.seed is not None and model.step is not None
    return (model.algorithm, model.seed) if known else id(model)


def kept_decision(folder: Path) -> Decision | None:
    """The decision in decision.json, if there is one. Raises StoreError for a file that holds none."""
    path = folder / DECISION
    known = read_json(path)
    if known is None:
        return None
    try:
        return Decision(**known | {"status": Status(known["status"]), "next_problems": tuple(known["next_problems"])})
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{path}: no decision in it; restore it, or move it away and sample again") from None
