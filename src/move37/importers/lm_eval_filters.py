"""lm-eval's own rule of a task, as far as its results file spells it out: a regular expression, then an exact match.

Tasks with `repeats` are scored on their first repeat alone; the rule says what the other repeats would have got. Only
what the file spells out is read (filters regex, remove_whitespace and take_first; metric exact_match): any other filter
or metric is a function that the file only names, and gives no rule. Whoever uses a rule checks it against the scores
that the tool logged (`lm_eval.py`).
"""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from move37.types import Outcome

_FALLBACK = "[invalid]"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one filter takes out of a response, and what exact_match leaves out when it compares."""

    patterns: tuple[tuple[re.Pattern[str], int, str], ...]
    """(pattern, which match, what stands for none), one after the other."""
    ignored: tuple[re.Pattern[str], ...]
    ignore_case: bool
    ignore_punctuation: bool
    ignore_numbers: bool

    def verdict(self, text: str, target: str) -> Outcome:
        same = self._plain(self._extracted(text)) == self._plain(target)
        return Outcome.CORRECT if same else Outcome.INCORRECT

    def _extracted(self, text: str) -> str:
        for pattern, which, fallback in self.patterns:
            matches = pattern.findall(text)
            try:
                match = matches[which]
            except IndexError:
                text = fallback
                continue
            text = next((part for part in match if part), fallback) if isinstance(match, tuple) else match
            text = text.strip()
        return text

    def _plain(self, text: str) -> str:
        for pattern in self.ignored:
            text = pattern.sub("", text)
        text = text.lower() if self.ignore_case else text
        dropped = (string.punctuation if self.ignore_punctuation else "") + (
            string.digits if self.ignore_numbers else ""
        )
        return text.translate(str.maketrans("", "", dropped))


def rules_of(config: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules of a task by "exact_match,<filter>"; none where its configuration does not spell them out."""
    metrics = config.get("metric_list")
    metric = next(
        (each for each in metrics or () if isinstance(each, dict) and each.get("metric") == "exact_match"), {}
    )
    filters = config.get("filter_list") or [{"name": "none", "filter": [{"function": "take_first"}]}]
    rules = {}
    for each in filters if metric and isinstance(filters, list) else ():
        rule = _rule(each.get("filter") if isinstance(each, dict) else None, metric)
        if rule is not None:
            rules[f"exact_match,{each['name']}"] = rule
    return rules


def _rule(steps: Any, metric: Mapping[str, Any]) -> Rule | None:
    patterns: list[tuple[re.Pattern[str], int, str]] = []
    for step in steps if isinstance(steps, list) else [{}]:
        function = step.get("function") if isinstance(step, dict) else None
        if function == "take_first":
            continue
        if function == "remove_whitespace":
            patterns.append((re.compile(r"(?s)^\s*(.*)$"), 0, ""))
        elif function == "regex" and isinstance(step.get("regex_pattern"), str):
            try:
                pattern = re.compile(step["regex_pattern"])
            except re.error:
                return None
            patterns.append((pattern, int(step.get("group_select", 0)), str(step.get("fallback", _FALLBACK))))
        else:
            return None
    ignored: Sequence[str] = metric.get("regexes_to_ignore") or ()
    try:
        compiled = tuple(map(re.compile, ignored))
    except (re.error, TypeError):
        return None
    flags = (bool(metric.get(name)) for name in ("ignore_case", "ignore_punctuation", "ignore_numbers"))
    return Rule(tuple(patterns), compiled, *flags)
