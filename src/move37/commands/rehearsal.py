"""`--dry-run` of `sample` and `train`: the prompt as the model would read it, and what a training takes of memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from move37.commands.application import command
from move37.console import tell

if TYPE_CHECKING:
    from move37.dry_run import ShownPrompt

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompt as the model would read it, and do nothing.")
]
TokenIds = Annotated[bool, typer.Option("--token-ids", help="The same with the prompt's token ids.")]


def show_prompts_of_study(run: Path, token_ids: bool, as_json: bool) -> None:
    """Of a study file, or of a run folder, whose stored prompts are shown."""
    from move37.config import load_study
    from move37.dry_run import prompts_of_study
    from move37.store import RunStore

    with command("sample", as_json) as emit:
        if run.suffix == ".toml":
            shown = prompts_of_study(load_study(run), token_ids)
        else:
            store = RunStore.open(run)
            asked = {model: store.model_record(model).prompts for model in store.models()}
            shown = prompts_of_study(store.study(), token_ids, asked)
        emit({"prompts": shown})
    _print(shown, as_json)


def show_prompt_of_recipe(recipe: Path, token_ids: bool, as_json: bool) -> None:
    """With the memory that the training takes on a CPU and on a GPU."""
    from move37.dry_run import prompt_of_recipe
    from move37.training.memory import memory_of
    from move37.training.recipe import load_recipe

    with command("train", as_json) as emit:
        config = load_recipe(recipe)
        shown = prompt_of_recipe(config, token_ids)
        longest = (shown.longest or 0) if shown else 0
        memory = {device: memory_of(config, longest, device) for device in ("cpu", "cuda")}
        emit({"prompts": [shown] if shown else [], "memory": memory})
    _print([shown] if shown else [], as_json)
    for device, found in memory.items():
        parts = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in found.parts.items())
        tell(as_json, f"Memory on {device}: about {found.total / 2**30:.2f} GiB ({parts})")


def _print(shown: "Sequence[ShownPrompt]", as_json: bool) -> None:
    for each in shown:
        ends = ", ".join(map(repr, each.stop)) or "the model's end tokens alone"
        tokens = "tokens not known" if each.tokens is None else f"{each.tokens:,} tokens"
        tell(as_json, f"{each.model}, template {each.template}: {tokens}; ends at {ends}\n")
        tell(as_json, each.text)
        if each.token_ids is not None:
            tell(as_json, f"\n{' '.join(map(str, each.token_ids))}")
        tell(
            as_json,
            f"\n{each.prompts:,} prompts"
            + (f", the longest of {each.longest:,} tokens" if each.longest is not None else "")
            + f", each with room for {each.max_new_tokens:,} more\n",
        )
