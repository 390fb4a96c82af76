"""What a training needs of memory, before it is begun: a formula over the configuration of the model.

    weights            4 N bytes; frozen ones and adapters alike
    gradients          4 T, T the weights that learn (of adapters, theirs alone)
    optimizer          8 T: AdamW's two averages
    sampler            2 N where precision = bfloat16, a copy; none in float32, where the same weights sample
    start model        4 N where a KL to it is asked for and there are no adapters that could be switched off
    critic             16 N where it is a model of its own
    keys and values    rows x (prompt + response) x bytes of a token
    activations        per token of a micro-batch 34 D L numbers of 1 byte each in bfloat16 (Korthikanti et al. 2022,
                       arXiv 2205.05198, eq. 2, without the part that fused attention does not keep), twice that in
                       float32; with recomputation those of one layer and D L numbers of 2 or 4 bytes; and logits

The first six lines are exact (a test weighs the tensors); the last two are bounds for models of the usual shape. What
libraries hold beside (kernels' workspaces, fragmentation) is not in it: leave a tenth free.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from move37.engines.transformers_load import classified, place_of
from move37.training.algorithms import Needs
from move37.training.recipe import IMITATION, TrainConfig, build_algorithm

_ROWS = {"cpu": 64, "cuda": 512}
_TOKENS = {"cpu": 1024, "cuda": 16_384}
_LOGITS = {"cpu": 2**27, "cuda": 2**29}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, by what holds them."""

    parameters: int
    trained: int
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def memory_of(recipe: TrainConfig, longest_prompt: int, device: str = "cpu") -> Memory:
    """The memory of a training on a "cpu" or a "cuda" device. Raises EngineError where there is no model."""
    settings, needs = recipe.model, Needs() if recipe.algorithm.name == IMITATION else build_algorithm(recipe).needs
    with classified(settings.path), torch.device("meta"):
        config = AutoConfig.from_pretrained(**place_of(settings.path, None, settings.trust_remote_code))
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=settings.trust_remote_code)
    count = model.num_parameters()
    trained = _adapters(model, settings.lora_rank) if settings.lora_rank else count
    narrow = settings.precision == "bfloat16"
    asks_kl = recipe.loss.kl_coefficient != 0 or recipe.records.kl_every != 0
    own_critic = needs.critic and not recipe.optimizer.shared_critic
    parts = {
        "weights": 4 * (count + (trained if settings.lora_rank else 0)),
        "gradients": 4 * trained,
        "optimizer": 8 * trained,
        "sampler": 2 * count if narrow else 0,
        "start model": 4 * count if asks_kl and not settings.lora_rank else 0,
        "critic": 16 * count if own_critic else 0,
        "keys and values": _cache(recipe, config, longest_prompt, 2 if narrow else 4, device),
        "activations": _activations(recipe, config, device),
    }
    return Memory(count, trained, {name: size for name, size in parts.items() if size})


def _adapters(model: Any, rank: int) -> int:
    """Weights of LoRA adapters on all linear layers but the head."""
    head = model.get_output_embeddings()
    layers = (module for module in model.modules() if isinstance(module, torch.nn.Linear) and module is not head)
    return sum(rank * (layer.in_features + layer.out_features) for layer in layers)


def _cache(recipe: TrainConfig, config: Any, longest_prompt: int, width: int, device: str) -> int:
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    rollout = recipe.rollout
    rows = min(rollout.rows or _ROWS[device], rollout.prompts * rollout.responses)
    tokens = longest_prompt + rollout.max_new_tokens
    return rows * tokens * 2 * text.num_hidden_layers * heads * size * width


def _activations(recipe: TrainConfig, config: Any, device: str) -> int:
    text = config.get_text_config(decoder=True)
    numbers = text.hidden_size * text.num_hidden_layers
    tokens, width = recipe.optimizer.micro_batch_tokens or _TOKENS[device], recipe.model.precision == "float32"
    if recipe.model.gradient_checkpointing:
        return tokens * (numbers * 2 + 34 * text.hidden_size) * (1 + width) + _LOGITS[device]
    return tokens * 34 * numbers * (1 + width) + _LOGITS[device]
