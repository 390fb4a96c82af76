"""Trees of responses within a step: further responses leave the sampled ones where these were least sure.

    a a a a a a a          sampled
        b b b b            left it at token 2: its row of the batch is  a a b b b b
          c c              left b at token 3:                           a a b c c

The segments of this tree are  aa | aaaaa | b | bbb | cc : every segment ends where somebody leaves or a response ends.
How unsure is minus the log-probability of the token, as TreeRL's code has it (its paper says entropy). A place is
taken where the text before it reads back as the same tokens and leaves room for a whole response. Everything that a row
holds was drawn by the policy of this step, so all of it is learnt from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from move37.engines import Completion, Trainable
from move37.engines.transformers_text import ResponseText
from move37.errors import EngineError
from move37.training.algorithms import Forks
from move37.training.batches import Batch, Branch, Rollout
from move37.training.rollouts import PromptSlot, RolloutWorker


class _Place(NamedTuple):
    """A token of a response before which others may leave it."""

    rollout: Rollout
    at: int
    prefix: str
    """What they start from behind the prompt."""


class Forest:
    """Grows the trees of one round of sampling."""

    def __init__(self, asked: Forks, worker: RolloutWorker, engine: Trainable, purpose: str) -> None:
        """`purpose` goes into the seeds."""
        self._asked, self._worker, self._engine, self._purpose = asked, worker, engine, purpose
        self._text = ResponseText(engine.tokenizer)

    def of(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """The responses with those that leave them, tree by tree. Raises EngineError."""
        trees = [[replace(rollout, branch=Branch(number))] for number, rollout in enumerate(rollouts)]
        count = len(trees)
        for number in range(self._asked.rounds):
            found = [(tree, place) for tree in trees for place in self._places(tree)]
            grown = self._grown([place for _, place in found], count, f"{self._purpose} round {number}")
            for (tree, _), branches in zip(found, grown, strict=True):
                tree += branches
                count += len(branches)
        return [rollout for tree in trees for rollout in tree]

    def _places(self, tree: Sequence[Rollout]) -> list[_Place]:
        """Where the tree is left in this round."""
        tokens = [
            (rollout.made.logprobs[at], order, at)
            for order, rollout in enumerate(tree)
            for at in range(_first(rollout), len(rollout.made.token_ids))
        ]
        found: list[_Place] = []
        for _, order, at in sorted(tokens):
            if len(found) == self._asked.places:
                break
            prefix = self._prefix(tree[order], at)
            if prefix is not None:
                found.append(_Place(tree[order], at, prefix))
        return found

    def _prefix(self, rollout: Rollout, at: int) -> str | None:
        """The text before a token, if it reads back as the tokens that were drawn and leaves room."""
        made, engine = rollout.made, self._engine
        kept = self._text.written(made.token_ids[:at], self._text.before(made.prompt_ids))
        slot = PromptSlot(rollout.group, rollout.problem, rollout.prefix + kept)
        prompt = slot.started(self._worker.prompts.of(rollout.problem))
        ids = engine.encode(prompt.text, rendered=True) if prompt.rendered else engine.encode(prompt.text)
        if tuple(ids) != (*made.prompt_ids, *made.token_ids[:at]) or self._worker.with_room(slot) != slot:
            return None
        return slot.prefix

    def _grown(self, places: Sequence[_Place], first: int, purpose: str) -> Iterator[list[Rollout]]:
        """The responses that leave at each place, numbered from `first` on."""
        slots = [PromptSlot(n, place.rollout.problem, place.prefix) for n, place in enumerate(places)]
        made = self._worker.sample(slots, self._asked.branches, purpose) if slots else {}
        verified = self._worker.verify([(slot, each) for slot in slots for each in made[slot.group]])
        numbers = iter(range(first, first + len(verified)))
        for slot, place in zip(slots, places, strict=True):
            yield [_joined(place, each, next(numbers)) for each in verified if each.group == slot.group]


def _first(rollout: Rollout) -> int:
    """The first token of its own at which a response may be left: one that left another begins with what parts them."""
    return rollout.branch.at + 1 if rollout.branch is not None and rollout.branch.left is not None else 0


def _joined(place: _Place, fork: Rollout, number: int) -> Rollout:
    """A fork as a response to the prompt: what it has in common with the one that it left, and its own."""
    left, made = place.rollout, fork.made
    ids = left.made.token_ids[: place.at]
    if made.prompt_ids != (*left.made.prompt_ids, *ids):
        raise EngineError(f"{left.problem.id}: the engine read the beginning of a fork as other tokens than were drawn")
    text = place.prefix[len(left.prefix) :] + made.sample.text
    whole = Completion(
        replace(made.sample, text=text, tokens=len(ids) + len(made.token_ids)),
        left.made.prompt_ids,
        (*ids, *made.token_ids),
        (*left.made.logprobs[: place.at], *made.logprobs),
    )
    branch = Branch(number, place.at, left.branch)
    return replace(fork, group=left.group, made=whole, prefix=left.prefix, branch=branch)


def tree_inputs(rollouts: Sequence[Rollout], batch: Batch) -> dict[str, Tensor]:
    """`tree_paths_BD` and `tree_depths_BT` of the rows. Only cuts at which a row of the batch leaves make segments."""
    lineages = [_lineage(rollout.branch, row) for row, rollout in enumerate(rollouts)]
    cuts: dict[int, set[int]] = {}
    for lineage in lineages:
        for left, branch in pairwise(lineage):
            cuts.setdefault(left.number, set()).add(branch.at)
    numbers: dict[tuple[int, int], int] = {}
    paths, depths_BT = [], torch.zeros(batch.own_BT.shape, dtype=torch.int64)
    for row, lineage in enumerate(lineages):
        path: list[int] = []
        begin = 0
        for branch, following in zip(lineage, [*lineage[1:], None], strict=True):
            until = depths_BT.shape[1] if following is None else following.at
            ends = sorted({*(cut for cut in cuts.get(branch.number, ()) if cut < until), until})
            for index, end in enumerate(ends):
                path.append(numbers.setdefault((branch.number, index), len(numbers)))
                depths_BT[row, begin:end] = len(path) - 1
                begin = end
        paths.append(path)
    wide = max(map(len, paths))
    paths_BD = torch.tensor([path + [-1] * (wide - len(path)) for path in paths])
    device = batch.own_BT.device
    return {"tree_paths_BD": paths_BD.to(device), "tree_depths_BT": (depths_BT.to(device) * batch.own_BT)}


def _lineage(branch: Branch | None, row: int) -> list[Branch]:
    """From the response that was sampled first down to this one; a response of no tree is one of its own."""
    found: list[Branch] = []
    each = branch or Branch(-1 - row)
    while each is not None:
        found.insert(0, each)
        each = each.left
    return found
