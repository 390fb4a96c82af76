"""What a report says, for programs: report.json, with the title, the answers and every claim of the summary.

All numbers are in analyses.json; here is what may be said of them, each claim with what it asserts and its terms. And
how move37 is cited.
"""

import json
from typing import Any

from move37 import __version__
from move37.analyses import Findings
from move37.report import ReportContext
from move37.report.summary import notes, summaries
from move37.report.words import unnamed
from move37.report.words.claim import Claim
from move37.report.words.first_screen import first_screen

FORMAT = 1
BIBTEX = f"""@software{{move37,
  title   = {{move37: does RLVR give a language model moves it did not have?}},
  author  = {{{{The move37 authors}}}},
  version = {{{__version__}}},
  license = {{Apache-2.0}}
}}

@article{{chen2021evaluating,
  title   = {{Evaluating Large Language Models Trained on Code}},
  author  = {{Chen, Mark and others}},
  journal = {{arXiv:2107.03374}},
  year    = {{2021}},
  note    = {{the unbiased estimator of pass@k}}
}}

@article{{yue2025does,
  title   = {{Does Reinforcement Learning Really Incentivize Reasoning Capacity in LLMs Beyond the Base Model?}},
  author  = {{Yue, Yang and others}},
  journal = {{arXiv:2504.13837}},
  year    = {{2025}},
  note    = {{the comparison of pass@k curves of base and RL}}
}}"""


def report_json(findings: Findings, context: ReportContext) -> bytes:
    """The bytes of report.json."""
    screen = first_screen(findings)
    said = {
        "format": FORMAT,
        "move37": __version__,
        "study": context.title,
        "note": context.note,
        "title": _claim(screen.title),
        "comparisons": [
            {
                "rl": rl,
                "base": base,
                "answers": [
                    {
                        "key": each.key,
                        "question": unnamed(each.question),
                        "verdict": each.verdict,
                        "answer": unnamed(each.short),
                        **_claim(each.claim),
                    }
                    for each in answers
                ],
            }
            for (rl, base), answers in zip(screen.pairs, screen.answers, strict=True)
        ],
        "summaries": [[_claim(claim) for group in each.paragraphs for claim in group] for each in summaries(findings)],
        "notes": [_claim(each) for each in notes(findings)],
        "models": [
            {
                "model": curve.model,
                "problems": curve.problems,
                "samples": curve.samples,
                "k": (ks := sorted({1, len(curve.k)})),
                "pass_at_k": [float(curve.pass_at_k[k - 1]) for k in ks],
                "stopped_early": curve.stopped_early,
            }
            for curve in findings.curves
        ],
        "warnings": list(findings.warnings),
        "settings": [list(row) for row in context.settings],
        "command": context.command,
        "cite": BIBTEX,
    }
    return json.dumps(said, ensure_ascii=False, indent=1, allow_nan=False).encode()


def _claim(claim: Claim) -> dict[str, Any]:
    """In words, what it asserts within which bounds (null: none), and under which terms."""
    return {
        "text": unnamed(claim.text),
        "asserts": [
            {
                "quantity": each.quantity,
                "models": list(each.models),
                "k": list(each.ks),
                "lower": _finite(each.lower),
                "upper": _finite(each.upper),
                "problems": list(each.problems),
            }
            for each in claim.asserts
        ],
        "terms": claim.terms,
    }


def _finite(bound: float) -> float | None:
    return float(bound) if abs(bound) < float("inf") else None
