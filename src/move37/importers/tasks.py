"""A tool's name for a task -> the benchmark that it is here; its name for a model -> one that a run can hold.

Tools call a benchmark by many names (gsm8k_cot_zeroshot, aime2024, HumanEval). A name that is none of ours stays what
it is: its problems are judged by the verifier for maths unless somebody says otherwise.
"""

import re

_NAMES = (
    (r"gsm8k(?!.*(?:platinum|hard|symbolic))", "gsm8k"),
    (r"(?:hendrycks_?)?math_?-?500|minerva_math500", "math500"),
    (r"aime_?-?(?:20)?24", "aime24"),
    (r"amc_?-?(?:20)?23", "amc23"),
    (r"olympiad_?-?bench", "olympiadbench"),
    (r"human_?-?eval(?:[_-]?plus|\+)", "humaneval-plus"),
    (r"human_?-?eval(?!.*(?:plus|infill|x\b))", "humaneval"),
    (r"mbpp(?:[_-]?plus|\+)", "mbpp-plus"),
    (r"mbpp(?!.*plus)", "mbpp"),
    (r"live_?-?code_?-?bench|codegeneration", "livecodebench"),
)


def benchmark_of(task: str) -> str:
    """The benchmark of ours that a task is, or its own name as one."""
    # lighteval's "suite|task|few-shot examples".
    parts = [part.strip() for part in task.rpartition("/")[2].split("|") if not part.strip().isdigit()]
    name = parts[-1] if parts else task
    lower = name.lower()
    known = next((ours for pattern, ours in _NAMES if re.match(pattern, lower)), None)
    return known or re.sub(r"[^\w.:+-]+", "_", name).strip("_.") or "unnamed"


def model_name(name: str) -> str:
    """A model's name as a folder's: "Qwen/Qwen2.5-7B" is Qwen2.5-7B."""
    last = name.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    plain = "".join(character if character.isprintable() else "_" for character in last).strip().lstrip(".")
    return plain.encode()[:150].decode(errors="ignore") or "model"
