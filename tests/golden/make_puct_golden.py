"""Make puct.json: which states TTT-Discover's sampler picks, from its own code.

    git clone https://github.com/test-time-training/discover                  96df74f
    python tests/golden/make_puct_golden.py FOLDER_OF_THE_CLONES

The class is taken out of its file; states are stubs with an id, a value, parents and a code. Nothing is written there.
"""

import ast
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


def sampler_of(clones: Path) -> Any:
    """An empty PUCTSampler with its initial state."""
    text = (clones / "discover/tinker_cookbook/recipes/ttt/sampler.py").read_text()
    (found,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "PUCTSampler"]
    found.bases = []
    space: dict[str, Any] = {"np": np, "threading": threading, "State": object, "__annotations__": {}}
    space |= {"create_initial_state": lambda *_: state("0", "", 0.0), "_sampler_file_for_step": lambda *_: ""}
    space |= {"InequalitiesState": (), "ErdosState": ()}
    exec(compile(ast.Module([found], []), "sampler.py", "exec"), space)
    kind = space["PUCTSampler"]
    kind._save = lambda self, step: None
    kind._filter_topk_per_parent = lambda self, states, parents, k: (states, parents)

    def set_parent_info(self: Any, child: Any, parent: Any) -> None:
        child.parents = [{"id": parent.id}, *parent.parents]

    kind._set_parent_info = set_parent_info
    return kind("", env_type="own", max_buffer_size=12, puct_c=0.7)


def state(name: str, code: str, value: float) -> Any:
    return SimpleNamespace(id=name, code=code, value=value, parents=[], construction=None)


def main() -> None:
    sampler, generator = sampler_of(Path(sys.argv[1])), np.random.default_rng(0)
    steps, made = [], 1
    for _ in range(14):
        count = int(generator.integers(1, 4))
        picked = sampler.sample_states(count)
        children = []
        for parent in picked:
            values = sorted((float(v) for v in generator.random(2).round(4)), reverse=True)
            children += [(parent, state(str(made + i), f"code {made + i}", v)) for i, v in enumerate(values)]
            made += 2
        sampler.update_states([child for _, child in children], [parent for parent, _ in children])
        born = [[int(parent.id), child.value] for parent, child in children]
        left = sorted(int(each.id) for each in sampler._states)
        steps.append({"count": count, "picked": [int(each.id) for each in picked], "children": born, "left": left})
    Path(__file__).with_name("puct.json").write_text(json.dumps({"c": 0.7, "size": 12, "steps": steps}) + "\n")


if __name__ == "__main__":
    main()
