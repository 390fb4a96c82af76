"""Answers made to hang, to fill memory or to break out: each decided or unscored, quickly, and the pool lives on."""

import time
from dataclasses import dataclass

import pytest

from move37.config import VerificationConfig
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.math import LONGEST_ANSWER, MathVerifier

CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED
pytestmark = [pytest.mark.own_workers, pytest.mark.slow]

EITHER = (INCORRECT, UNSCORED)
NUMBER = Problem("made-up/8", "What is it?", ("8",), "made-up", "math")
FORMULA = Problem("made-up/x", "What is it?", ("\\frac{x+1}{2}",), "made-up", "math")
EQUATION = Problem("made-up/y", "What is it?", ("y=2x",), "made-up", "math")

# Too large to be worked out. Each of these provably is not 8, and is a constant, which (x+1)/2 and y = 2x are not.
HUGE = {
    "a power tower": "9^{9^9}",
    "a power tower with braces": "9^{9^{9}}",
    "a tower of five": "9^{9^{9^{9^{9}}}}",
    "ten to the ten to the ten": "10^{10^{10}}",
    "an odd huge number": "2^{2^{40}}+1",
    "a negative tower": "-7^{7^{7^7}}",
    "a tower below a root": "\\sqrt{9^{9^9}}",
    "a tower in a sum": "1 + 2 \\cdot 3^{4^{5^6}}",
    "a tower times pi": "9^{9^9} \\pi",
    "a tower that vanishes": "2^{-2^{64}}",
    "a bracketed tower": "\\left(9^{\\left(9^{9}\\right)}\\right)",
    "a factorial": "(10^9)!",
    "a factorial in digits": "1000000000!",
    "a factorial of a factorial": "((9!)!)!",
    "factorials by the dozen": "((((((3!)!)!)!)!)!)!",
    "a factorial over a factorial": "\\frac{(10^{12})!}{2}",
    "a binomial": "\\binom{10^9}{5 \\cdot 10^8}",
    "a binomial in digits": "\\binom{1000000000}{500000000}",
    "a decimal exponent": "1e999999999",
    "an exponent of thirty digits": "1e999999999999999999999999999999",
    "a vanishing decimal": "1e-999999999",
    "a fraction of towers": "\\frac{1}{9^{9^9}}",
    "a tower with a broken exponent": "9^{9^{9.5}}",
    "a root of a tower": "\\sqrt[3]{10^{10^{10}}}",
}

# Nothing can be proven about these without the work, which is refused, or stopped by the budget.
OTHERS: dict[str, tuple[str, tuple[Outcome, ...]]] = {
    "a tower with a letter": ("x + 9^{9^9}", EITHER),
    "a tower in a sine": ("\\sin(9^{9^9})", EITHER),
    "a tower in a logarithm": ("\\log_{2}(2^{2^{50}})", EITHER),
    "a root with a huge index": ("\\sqrt[10^{10^{10}}]{2}", EITHER),
    "permutations": ("(1000000000)_{5}", EITHER),
    "a long sum": ("\\sum_{k=1}^{10^{12}} \\frac{1}{k^2}", EITHER),
    "a long product": ("\\prod_{k=1}^{10^{9}} k", EITHER),
    "a sum of factorials": ("\\sum_{k=1}^{1000} k!", EITHER),
    "a double integral": ("\\int_0^1 \\int_0^1 \\frac{1}{1+x^5 y^7} dx dy", EITHER),
    "a hard integral": ("\\int_0^1 \\frac{\\sin(x^{x})}{\\ln(1+e^{x^3})} dx", EITHER),
    "a hard limit": ("\\lim_{x \\to 0} \\frac{\\sin(\\tan(x)) - \\tan(\\sin(x))}{x^7}", EITHER),
    "an expansion": ("(a+b+c+d+f)^{300} - (a+b+c+d+f)^{299}", (INCORRECT,)),
    "an expansion of fractions": ("\\frac{(a+b+c)^{80}}{(a-b)^{60}} + \\frac{1}{(a+c)^{50}}", EITHER),
    "nested sines": ("\\sin(" * 25 + "1" + ")" * 25, EITHER),
    "a determinant": (
        "\\begin{vmatrix}"
        + "\\\\".join("&".join(f"a_{{{i}{j}}}" for j in range(6)) for i in range(6))
        + "\\end{vmatrix}",
        EITHER,
    ),
    "a matrix to a power": ("\\begin{pmatrix} 1 & 1 \\\\ 1 & 0 \\end{pmatrix}^{10000000}", EITHER),
    "a huge matrix": ("\\begin{pmatrix}" + "1 & 2 \\\\ " * 95 + "\\end{pmatrix}", EITHER),
    "a matrix of ragged rows": ("\\begin{pmatrix} 1 & 2 \\\\ 3 \\end{pmatrix}", EITHER),
    "a continued fraction": ("1+\\frac{1}{" * 30 + "2" + "}" * 30, (INCORRECT,)),
    "a continued fraction of letters": ("x+\\frac{1}{" * 30 + "x" + "}" * 30, EITHER),
    "nested roots": ("\\sqrt{" * 39 + "2" + "}" * 39, (INCORRECT,)),
    "a nest of exponents": ("2^{" * 30 + "2" + "}" * 30, (INCORRECT,)),
    "exponents in a chain": ("9^9^9^9^9", EITHER),
    "deep brackets": ("(" * 400 + "1" + ")" * 400, (INCORRECT,)),
    "deep fractions": ("\\frac{1}{" * 300 + "2" + "}" * 300, (INCORRECT,)),
    "deep mixed brackets": ("([" * 100 + "8" + "])" * 100, (INCORRECT,)),
    "60,000 characters": ("1+" * 30_000 + "1", (INCORRECT,)),
    "60,000 digits": ("7" * 60_000, (INCORRECT,)),
    "60,000 decimals": ("8." + "0" * 60_000, (CORRECT, INCORRECT)),
    "60,000 zeros and a letter": ("0" * 60_000 + "x", (INCORRECT,)),
    "60,000 spaces": ("1" + " " * 60_000 + "2", (INCORRECT,)),
    "60,000 commas": ("1," * 30_000, (INCORRECT,)),
    "999 digits": ("7" * 999, (INCORRECT,)),
    "500 terms": ("0" + "+1" * 499, (INCORRECT,)),
    "499 factors": ("x" + " x" * 450, EITHER),
    "a set of 400": (",".join(map(str, range(200))), (INCORRECT,)),
    "unclosed braces": ("\\frac{1}{", EITHER),
    "an unclosed brace in front": ("{5", EITHER),
    "brackets the wrong way round": (")8(", EITHER),
    "interval of nothing": ("(,)", EITHER),
    "control characters": ("\x00\x07\x1b[31m8\x1b[0m", (INCORRECT, CORRECT)),
    "a null byte": ("8\x00", (INCORRECT, CORRECT)),
    "half of a surrogate pair": ("\ud800", (INCORRECT,)),
    "digits of another script": ("\u0668", (CORRECT,)),  # ARABIC-INDIC DIGIT EIGHT
    "a superscript digit": ("2\u00b3", (CORRECT,)),
    "wide digits": ("\uff18", (INCORRECT, CORRECT, UNSCORED)),
    "a right-to-left mark": ("\u202e8", (INCORRECT, CORRECT)),
    "another file": ("\\input{/etc/passwd}", EITHER),
    "a macro that calls itself": ("\\def\\a{\\a\\a}\\a", EITHER),
    "a program": ("__import__('os').system('true')", EITHER),
    "a lambda": ("(lambda: 8)()", EITHER),
    "dollars": ("$" * 900, EITHER),
    "backslashes": ("\\" * 900, EITHER),
    "carets": ("8" + "^" * 300, EITHER),
    "minus signs": ("-" * 900 + "8", (CORRECT, *EITHER)),  # an even number of them
    "plus and minus": ("+-" * 450 + "8", (CORRECT, *EITHER)),
    "repeated operators": ("8 */*/* 8", EITHER),
    "factorial signs": ("3" + "!" * 300, EITHER),
    "primes": ("f" + "'" * 300 + "(x)", EITHER),
    "equations in a chain": ("=".join("abcdfghjklmnpqrstuvwxyz"), EITHER),
    "division by zero": ("\\frac{1}{0}", EITHER),
    "zero to the zero": ("0^{0}", EITHER),
    "zero to a negative power": ("0^{-1}", EITHER),
    "infinity": ("\\infty", (INCORRECT,)),
    "infinity less infinity": ("\\infty - \\infty", EITHER),
    "nothing but a space": ("\\ ", EITHER),
    "an empty fraction": ("\\frac{}{}", EITHER),
    "an empty root": ("\\sqrt{}", EITHER),
    "a table": ("\\begin{array}{c}" + "8 \\\\ " * 50 + "\\end{array}", EITHER),
    "chess notation": ("\\text{Qxf7\\#}", EITHER),
}

CPU_SECONDS = 0.5
"""A twentieth of what is usual: those that are stopped use up what they get."""


def test_there_are_at_least_60() -> None:
    assert len(HUGE) + len(OTHERS) >= 90


@dataclass
class Judged:
    """One pass over all of them, on two workers."""

    verdicts: dict[str, Verdict]
    after: list[Verdict]
    seconds: float


@pytest.fixture(scope="module")
def judged() -> Judged:
    start = time.monotonic()
    texts = {kind: f"\\boxed{{{answer}}}" for kind, answer in HUGE.items()}
    items = [
        (problem, text, f"{kind} ({problem.id})")
        for kind, text in texts.items()
        for problem in (NUMBER, FORMULA, EQUATION)
    ]
    items += [(NUMBER, f"<answer>{answer}</answer>", kind) for kind, (answer, _) in OTHERS.items()]
    after = ["\\frac{16}{2}", "9", "\\sqrt{64} + \\sin(0)"]
    with VerifierPool(VerificationConfig(workers=2, timeout_seconds=CPU_SECONDS)) as pool:
        verdicts = dict(pool.verify(MathVerifier(), items))
        later = dict(pool.verify(MathVerifier(), [(NUMBER, f"\\boxed{{{each}}}", each) for each in after]))
    return Judged(verdicts, [later[each] for each in after], time.monotonic() - start)


@pytest.mark.parametrize(
    "problem", [NUMBER, FORMULA, EQUATION], ids=["a plain number", "a formula in x", "an equation"]
)
def test_an_answer_too_large_to_work_out_is_incorrect_against(problem: Problem, judged: Judged) -> None:
    wrong = {kind: judged.verdicts[f"{kind} ({problem.id})"] for kind in HUGE}
    assert {kind: verdict for kind, verdict in wrong.items() if verdict.outcome is not INCORRECT} == {}


def test_every_other_pathological_answer_is_decided_or_unscored(judged: Judged) -> None:
    unexpected = {
        kind: judged.verdicts[kind] for kind, (_, due) in OTHERS.items() if judged.verdicts[kind].outcome not in due
    }
    assert unexpected == {}


def test_the_pool_is_alive_and_right_afterwards(judged: Judged) -> None:
    assert [verdict.outcome for verdict in judged.after] == [CORRECT, INCORRECT, CORRECT]


def test_they_take_no_longer_than_their_budgets(judged: Judged) -> None:
    stopped = sum(verdict.reason.startswith("timed out") for verdict in judged.verdicts.values())
    assert stopped <= 12
    # Each of those costs its CPU seconds and a new worker (under 10 s on a loaded machine), on two workers;
    # all others together take a few seconds.
    assert judged.seconds < 60 + stopped * (CPU_SECONDS + 10)


@pytest.mark.parametrize("answer", ["9^{9^9}", "(10^9)!", "1e999999999", "\\binom{10^9}{5 \\cdot 10^8}"])
def test_a_huge_answer_costs_milliseconds(answer: str) -> None:
    verifier = MathVerifier()
    verifier.set_up()
    start = time.process_time()
    assert verifier.verify(NUMBER, answer).outcome is INCORRECT
    assert verifier.verify(FORMULA, answer).outcome is INCORRECT
    assert verifier.verify(EQUATION, answer).outcome is INCORRECT
    assert time.process_time() - start < 0.5


def test_a_huge_reference_matches_the_same_string() -> None:
    huge = Problem("made-up/huge", "How many?", ("9^{9^9}",), "made-up", "math")
    assert MathVerifier().verify(huge, "9^{ 9^9 }").outcome is CORRECT
    assert MathVerifier().verify(huge, "8").outcome is INCORRECT
    assert MathVerifier().verify(huge, "9^{9^9}+0").outcome is UNSCORED


def test_an_answer_above_the_size_limit_is_unscored_only_against_a_formula() -> None:
    limit = "8" + "+0" * ((LONGEST_ANSWER - 1) // 2)
    assert len(limit) <= LONGEST_ANSWER < len(limit + "+0")
    assert MathVerifier().verify(NUMBER, limit).outcome is CORRECT
    assert MathVerifier().verify(NUMBER, limit + "+0").outcome is CORRECT  # a plain number, whatever its length
    long = "\\sin x" + " + 0" * LONGEST_ANSWER
    assert MathVerifier().verify(NUMBER, long).outcome is INCORRECT
    assert MathVerifier().verify(FORMULA, long) == Verdict(UNSCORED, "answer too long to decide")
