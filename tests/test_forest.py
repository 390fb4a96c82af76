"""Texts that begin alike are read once, and what is read is what the model itself makes of each text alone."""

from pathlib import Path

import numpy as np
import pytest

from move37.engines.forest import NOTHING, Forest, plant, rows_of
from tests.tiny_models import VOCABULARY, save_model

torch = pytest.importorskip("torch")


def test_a_tree_has_a_node_for_every_different_beginning() -> None:
    # After the prompt 7 8: [1 2 3], [1 2], [1 4], twice [5]. Beginnings: 1, 12, 123, 14, 5 -> 5 nodes behind 2.
    tree = plant([7, 8], rows_of([[1, 2, 3], [1, 2], [5], [1, 4], [5]]))
    assert len(tree.tokens) == 7
    assert tree.tokens[:2].tolist() == [7, 8]
    spelt = [[int(tree.tokens[node]) for node in row if node != NOTHING] for row in tree.places]
    assert spelt == [[1, 2, 3], [1, 2], [5], [1, 4], [5]]
    assert tree.places[2, 0] == tree.places[4, 0]
    assert tree.places[0, 1] == tree.places[1, 1]


def test_subtrees_are_ranges_of_the_order() -> None:
    rng = np.random.default_rng(0)
    trees = [
        plant([1] * int(rng.integers(1, 4)), rng.integers(0, 3, (int(rng.integers(1, 9)), int(rng.integers(1, 6)))))
        for _ in range(20)
    ]
    forest = Forest(trees)
    for node in range(len(forest)):
        below = [other for other in range(len(forest)) if node in [*forest.path(other), other]]
        assert below == list(range(node, int(forest.ends[node])))


def test_stretches_read_every_inner_node_once_behind_its_ancestors() -> None:
    rng = np.random.default_rng(1)
    forest = Forest([plant([1, 2], rng.integers(0, 3, (12, 5))) for _ in range(3)])
    own = []
    for stretch in forest.stretches(7):
        assert set(forest.path(int(stretch.nodes[-1]))) <= set(stretch.nodes.tolist())
        own += stretch.nodes[stretch.ancestors :].tolist()
    assert own == forest.inner.tolist()


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
@pytest.mark.parametrize("stretch", [5, 100, 2048])
def test_logits_are_those_of_each_text_alone(kind: str, stretch: int, tmp_path: Path, monkeypatch) -> None:
    from transformers import AutoModelForCausalLM

    from move37.engines import transformers_forest

    monkeypatch.setattr(transformers_forest, "_STRETCH", stretch)
    model = AutoModelForCausalLM.from_pretrained(save_model(tmp_path / kind, kind)).eval()
    rng = np.random.default_rng(2)
    texts = [rng.integers(0, 4, int(rng.integers(1, 9))).tolist() for _ in range(40)]
    trees = [plant(prompt, rows_of(texts[i::2])) for i, prompt in enumerate(([5, 6, 7], [9]))]
    forest = Forest(trees)
    read = {
        int(n): row
        for nodes, logits in transformers_forest.forest_logits(model, forest)
        for n, row in zip(nodes, logits, strict=True)
    }
    assert sorted(read) == forest.inner.tolist()
    for node in forest.inner.tolist():
        text = [int(forest.tokens[each]) for each in [*forest.path(node), node]]
        with torch.no_grad():
            alone = model(input_ids=torch.tensor([text])).logits[0, -1]
        assert alone.shape == (VOCABULARY,)
        torch.testing.assert_close(read[node], alone, atol=2e-5, rtol=1e-4)
