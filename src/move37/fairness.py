"""Were the models of a pair asked the same? A difference between them is else taken for one between their skills.

Models that are sampled here share the study's settings, so this is about imported ones: their logs say, more or less,
how they were asked. What a log does not say is not compared. Differences are named and refused, unless the study says
why they do not matter (`analysis.accept_differences`); then the report prints them with that reason.
"""

import re
from collections.abc import Iterator, Mapping

import polars as pl

from move37.config import IMPORTED
from move37.errors import InputError
from move37.store import ModelRecord, RunStore

_SETTINGS = {
    "temperature": "temperature",
    "top_p": "top-p",
    "top_k": "top-k",
    "max_tokens": "token limit",
    "few_shot": "number of few-shot examples",
    "limit": "limit of problems",
    "template": "template",
    "split": "split",
    "reasoning_effort": "reasoning effort",
}
"""What logs say of how a model was asked, as sentences call it."""
_END = re.compile(r"(\d+) \(([^)]*)\)")
"""A token and who names it, in the line of an engine's identity."""


def differences(store: RunStore) -> list[str]:
    """One sentence for each pair with the base and each difference; none where all were asked the same."""
    study, base = store.study(), store.study().base_model()
    models = store.models()
    if base not in models:
        return []
    arms = {name for name in models if study.models[name].arm_of in models}  # asked otherwise on purpose
    others = [name for name in models if name != base and name not in arms]
    imported = {name for name in models if study.models[name].engine == IMPORTED}
    return [
        sentence for name in others if base in imported or name in imported for sentence in _between(store, base, name)
    ]


def refuse_differences(store: RunStore) -> list[str]:
    """The differences that the study accepts. Raises InputError where there are some and it gives no reason."""
    found = differences(store)
    if found and not store.study().analysis.accept_differences:
        raise InputError(
            f"{store.folder}: the models were not asked the same: {'; '.join(found)}; if it does not matter say why: "
            f'move37 report {store.folder} --accept-differences "REASON"'
        )
    return found


def overridden(store: RunStore) -> Iterator[str]:
    """Models sampled here that the study asks under another template, or with another limit, than base; no arms."""
    study, base, models = store.study(), store.study().base_model(), store.models()
    if base is None or base not in models:
        return
    for name in models:
        if IMPORTED in (study.models[name].engine, study.models[base].engine) or study.models[name].arm_of in models:
            continue
        own, first = study.sampling_of(name), study.sampling_of(base)
        for key, called in (("template", "template"), ("max_new_tokens", "token limit")):
            if getattr(own, key) != getattr(first, key):
                yield (
                    f"{called} is {getattr(first, key)} for {base} and {getattr(own, key)} for {name}, as the study "
                    "says: a difference between them may be its"
                )


def loaded_apart(store: RunStore) -> Iterator[str]:
    """How models sampled here differ from base in what was loaded: precision, prompts of their chat templates, ends."""
    study, base = store.study(), store.study().base_model()
    sampled = [name for name in store.models() if study.models[name].engine != IMPORTED]
    for name in sampled:
        yield from _ends(name, store.model_record(name).identity)
    if base not in sampled:
        return
    first = store.model_record(base)
    for name in sampled:
        other = store.model_record(name)
        one, two = first.identity.get("dtype"), other.identity.get("dtype")
        if one is not None and two is not None and one != two:
            yield (
                f"{base} was sampled in {one} and {name} in {two}: a difference between them may be the precision's "
                "(options.dtype sets it)"
            )
        asked_apart = study.models[name].arm_of is not None or name == base
        if not asked_apart and all(prompt.rendered for prompt in (*first.prompts[:1], *other.prompts[:1])):
            for sentence in _about_prompts(first, other, base, name):
                yield f"{sentence}, as their chat templates wrote them: a difference between them may be the prompts'"


def _ends(name: str, identity: Mapping[str, str]) -> Iterator[str]:
    """A caution where what other tools end a response at is not all that the model's own files name."""
    named = dict(_END.findall(identity.get("ends_named_by", "")))
    main = next((who for who in ("generation_config", "tokenizer") if any(who in by for by in named.values())), None)
    beyond = {token: by for token, by in named.items() if main is not None and main not in by}
    if beyond:
        listed = " and ".join(f"{token} ({by})" for token, by in beyond.items())
        yield (
            f"{name}: its {main} does not name all tokens that end a response, and {listed} ended them here too: tools "
            "that read it alone let such responses run on"
        )


def _between(store: RunStore, base: str, other: str) -> Iterator[str]:
    first, second = store.model_record(base), store.model_record(other)
    one, two = _settings(store, base, first), _settings(store, other, second)
    for name in one.keys() & two.keys():
        if not _same(one[name], two[name]):
            task, _, setting = name.rpartition(": ")
            where = f" on {task}" if task else ""
            yield f"{_SETTINGS[setting]}{where} is {one[name]} for {base} and {two[name]} for {other}"
    yield from _about_problems(store, base, other)
    yield from _about_prompts(first, second, base, other)


def _settings(store: RunStore, model: str, record: ModelRecord) -> dict[str, str]:
    study = store.study()
    if study.models[model].engine != IMPORTED:
        own = study.sampling_of(model)
        return {"temperature": f"{own.temperature:g}", "top_p": f"{own.top_p:g}", "max_tokens": str(own.max_new_tokens)}
    return {name: value for name, value in record.identity.items() if name.rpartition(": ")[2] in _SETTINGS}


def _same(one: str, two: str) -> bool:
    try:
        return float(one) == float(two)
    except ValueError:
        return one == two


def _about_problems(store: RunStore, base: str, other: str) -> Iterator[str]:
    one, two = _sizes(store, base), _sizes(store, other)
    if not one or not two:
        return  # counts: they know no samples, and their pairing looks at the problems itself
    for name, lacking, mine, theirs in ((other, base, two, one), (base, other, one, two)):
        alone = sorted(mine.keys() - theirs.keys())
        if alone:
            yield f"{len(alone)} of {len(mine)} problems of {name} were not put to {lacking} (first: {alone[0]})"
    if store.plan(base) is not None or store.plan(other) is not None:
        return  # stopped early: how many samples a problem has follows from what was right
    common = sorted(one.keys() & two.keys())
    differ = [problem for problem in common if one[problem] != two[problem]]
    if differ:
        yield (
            f"n is {_range(one)} for {base} and {_range(two)} for {other}, on {len(differ)} of {len(common)} problems "
            f"(first: {differ[0]})"
        )


def _sizes(store: RunStore, model: str) -> dict[str, int]:
    """Samples by problem."""
    parts = store.samples(model)
    if not parts.files():
        return {}
    return dict(parts.collect(parts.scan(["problem_id"]).group_by("problem_id").agg(pl.len())).rows())


def _range(sizes: Mapping[str, int]) -> str:
    low, high = min(sizes.values()), max(sizes.values())
    return str(low) if low == high else f"{low} to {high}"


def _about_prompts(first: ModelRecord, second: ModelRecord, base: str, other: str) -> Iterator[str]:
    one, two = ({prompt.problem_id: prompt.text.strip() for prompt in each.prompts} for each in (first, second))
    common = sorted(one.keys() & two.keys())
    differ = [problem for problem in common if one[problem] != two[problem]]
    if differ:
        yield (
            f"the prompts of {base} and {other} differ on {len(differ)} of {len(common)} problems (first: {differ[0]})"
        )
