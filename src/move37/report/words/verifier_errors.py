"""What an audit found, and what the verifier's errors may have done to a curve, in plain words."""

from move37.analyses.chain_audit import ChainAudit, ValidFourWay
from move37.analyses.chains import ChainCurve
from move37.analyses.corrected_curves import AUDIT, CorrectedCurve
from move37.analyses.false_solves import FalseSolves
from move37.report.number_format import count, counted, level, percent, percent_interval, small_share
from move37.report.words.claim import THESE, Assertion, Claim, described

_CHAINS, _ANSWERS = "chains corrupted like these", "answers corrupted like these"


def chain_sentence(found: ChainAudit) -> Claim:
    """How many of a model's problems are solved with a valid chain, as the readers say; nothing is inferred."""
    if not found.audited:
        return described(f"{found.model} has no problem with {_few(found)}: there is nothing to read.")
    parts = [f"{count(found.with_valid)} with a valid chain", f"{count(found.without_valid)} without any"]
    parts += [f"{count(found.open)} not read to an end"] if found.open else []
    lowest, highest = found.solved_validly
    solved = count(lowest) if lowest == highest else f"{count(lowest)} to {count(highest)}"
    return described(
        f"Of {counted(found.audited, 'problem')} of {found.model} with {_few(found)}: {', '.join(parts)}. "
        f"So {found.model} solves {solved} of {counted(found.problems, 'problem')} with a valid chain, those with more "
        f"accepted samples taken as solved ({count(found.solved)} by answers alone)."
    )


def four_way_sentence(found: ValidFourWay) -> Claim:
    """Who solves what with a valid chain."""
    return described(
        f"With a valid chain {found.base} alone solves {_between(found.base_only)}, {found.rl} alone "
        f"{_between(found.rl_only)}, both {_between(found.both)}."
    )


def cot_sentence(found: ChainCurve) -> Claim:
    """CoT-pass@k at the largest k, and how far the judge can be trusted."""
    k, last = count(found.k[-1]), -1
    accepted = percent(found.accepted[last])
    if found.unjudged:
        accepted = percent_interval(found.accepted[last], found.accepted_upper[last], None, "")
    text = (
        f"{found.model}: pass@{k} of these samples is {percent(found.answers[last])} by answers, and {accepted} with a "
        f"chain that {found.judge} accepts"
    )
    if found.lower is None or found.upper is None:
        return described(f"{text}; {found.note or 'how often it errs is not known (`move37 calibrate RUN --chains`)'}.")
    known = {"clean": found.sensitivity or (0.0, 0.0, 1.0), "corrupted": found.false_accepts or (0.0, 0.0, 1.0)}
    errors = " and ".join(
        f"{percent(share)} ({percent_interval(low, high, None, '')}) of {what} chains"
        for what, (share, low, high) in known.items()
    )
    ends = _range(found.lower[last], found.upper[last])
    return Claim(
        f"{text}; it accepts {errors} ({level(found.confidence)} confidence each, for chains corrupted like these), "
        f"with which it is {ends} of valid chains. How the samples vary is not in that range.",
        tuple(Assertion(f"{what} accepted", (found.judge,), (), low, high) for what, (_, low, high) in known.items()),
        target=_CHAINS,
        confidence=found.confidence,
        corrected_over="each share by itself",
    )


def corrected_sentence(found: CorrectedCurve) -> Claim:
    """What is left of the end of a curve."""
    last, box = -1, found.box
    low, high = box.false_accepts_range
    sure = f"{level(found.confidence)} confidence"
    origin = (
        f"the audit puts the share of its wrong samples that were accepted at {_rate(box.false_accepts)} ({_rate(low)} "
        f"to {_rate(high)}, {sure}, for {THESE})"
        if found.source == AUDIT
        else f"the calibration accepts {_rate(box.false_accepts)} of corruptions ({_rate(low)} to {_rate(high)}, "
        f"{sure}, for answers corrupted like these), and they may tempt it more or less than the model's own"
    )
    k = count(found.k[last])
    return Claim(
        f"{found.model}: {origin}; pass@{k} is {percent(found.measured[last])} as measured and "
        f"{_range(found.lower[last], found.upper[last])} without such errors. How the samples vary "
        "is not in that range.",
        (Assertion("false accepts", (found.model,), (), low, high),),
        target=THESE if found.source == AUDIT else _ANSWERS,
        confidence=found.confidence,
        corrected_over="for this model alone" if found.source == AUDIT else "for this verifier alone",
    )


def false_solves_sentence(found: FalseSolves) -> Claim:
    """On how many problems a wrong answer is to be expected among the accepted ones, from the calibration."""
    return described(
        f"{found.model} gave {counted(found.distinct_wrong, 'different wrong answer')} to "
        f"{counted(found.unsolved, 'problem')} that it did not solve. If each had been accepted as often as corrupted "
        f"answers are ({_rate(found.false_accepts)}; at most {_rate(found.false_accepts_upper)}), about "
        f"{found.expected:.1f} of the {counted(found.solved, 'problem')} that count as solved would be so by a wrong "
        f"answer alone (at that most, {found.expected_upper:.1f})."
    )


def _range(low: float, high: float) -> str:
    one, two = (str(percent(end)) for end in (low, high))
    return one if one == two else str(percent_interval(low, high, None, ""))


def _rate(share: float) -> str:
    return small_share(share)


def _few(found: ChainAudit) -> str:
    return "one accepted sample" if found.max_correct == 1 else f"1 to {count(found.max_correct)} accepted samples"


def _between(ends: tuple[int, int]) -> str:
    return count(ends[0]) if ends[0] == ends[1] else f"{count(ends[0])} to {count(ends[1])}"
