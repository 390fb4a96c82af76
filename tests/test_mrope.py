"""Models that count an image's tokens in two dimensions (Qwen2.5-VL, Qwen3-VL) go on behind it at other positions.

Their processors need torchvision; what they make of one image is written out here with the image processor alone.
"""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import transformers as hf  # noqa: E402

from move37.engines.transformers_cache import BranchCache  # noqa: E402
from move37.engines.transformers_forward import distance_of_images, forward_of  # noqa: E402
from move37.engines.transformers_images import ImagePrompt  # noqa: E402
from move37.engines.transformers_score import score  # noqa: E402
from move37.images import pixels  # noqa: E402
from tests.tiny_vision import picture  # noqa: E402

START, STOP, IMAGE, VIDEO = 3, 4, 5, 6
_TEXT: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 1, "head_dim": 8,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]},
}  # fmt: skip
_TOKENS: dict[str, Any] = {
    "image_token_id": IMAGE, "video_token_id": VIDEO, "vision_start_token_id": START, "vision_end_token_id": STOP
}  # fmt: skip


def qwen2_5() -> Any:
    vision = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 32,
              "fullatt_block_indexes": [1], "window_size": 56}  # fmt: skip
    return hf.Qwen2_5_VLForConditionalGeneration(
        hf.Qwen2_5_VLConfig(text_config=_TEXT, vision_config=vision, **_TOKENS)
    )


def qwen3() -> Any:
    vision = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 32,
              "patch_size": 14, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}  # fmt: skip
    return hf.Qwen3VLForConditionalGeneration(hf.Qwen3VLConfig(text_config=_TEXT, vision_config=vision, **_TOKENS))


def prompt(width: int, height: int, seed: int) -> ImagePrompt:
    """Two tokens, an image, and three tokens."""
    processor = hf.Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 16})
    made = processor(images=[pixels(picture(width, height, seed), "p")], return_tensors="pt")
    tokens = int(made["image_grid_thw"].prod()) // 4
    ids = [0, 7, START, *[IMAGE] * tokens, STOP, 8, 9, 10]
    kinds = torch.tensor([[int(token == IMAGE) for token in ids]])
    return ImagePrompt(ids, lambda: {**made, "mm_token_type_ids": kinds})


@pytest.mark.parametrize("make", [qwen2_5, qwen3])
def test_branches_behind_an_image_go_on_at_the_models_own_positions(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    forward, prompts = forward_of(model), [prompt(84, 56, 0), prompt(56, 112, 1)]
    assert distance_of_images(forward, prompts) < 1e-3
    with torch.inference_mode():
        reads = list(forward.read(prompts))
    assert all(read.offset < 0 for read in reads)
    for each, read in zip(prompts, reads, strict=True):
        ids = torch.tensor([each])
        given = each.tensors(model.device, model.dtype)
        whole = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6, eos_token_id=None,
            return_dict_in_generate=True, output_logits=True, **given,
        )  # fmt: skip
        model.model.rope_deltas = None
        response = whole.sequences[0, len(each) :].tolist()
        expected = [
            float(logits[0].double().log_softmax(-1)[token])
            for logits, token in zip(whole.logits, response, strict=True)
        ]
        cache, made, logits = BranchCache(1, len(each), 6, stays=True), [], read.logits
        cache.admit(read.states, read.offset)
        with torch.inference_mode():
            for _ in range(6):
                made.append(int(logits[0].argmax()))
                positions = cache.before_step()
                logits = forward.step(np.array(made[-1:]), positions, cache)
                cache.after_step()
        assert made == response
        assert score(model, each, response) == pytest.approx(expected, abs=1e-4)
    # What was read last says nothing about a text.
    plain = score(model, [0, 7, 8], [9, 10])
    model.model.rope_deltas = None
    assert score(model, [0, 7, 8], [9, 10]) == plain
