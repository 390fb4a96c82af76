"""Small random models of some sixty architectures over the alphabet of `tiny_models`, for what must hold for all."""

from pathlib import Path
from typing import Any

from tests.tiny_models import VOCABULARY, save_tokenizer

WIDTHS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
OLD = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
"""As GPT-2's config calls them."""
EXPERTS = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}
LATENT = {
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "head_dim": 4,
    "num_key_value_heads": 4,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
GATED = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_chunk_size": 8}

SHARED: dict[str, dict[str, Any]] = {
    "apertus": {},
    "arcee": {},
    "bitnet": {},
    "bloom": OLD,
    "codegen": {**OLD, "rotary_dim": 4},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"logit_scale": 0.25, "sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]},
    "cwm": {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]},
    "deepseek_v2": {**EXPERTS, **LATENT},
    "deepseek_v3": {**EXPERTS, **LATENT},
    "diffllama": {},
    "doge": {},
    "dots1": {**EXPERTS, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "ernie4_5": {},
    "ernie4_5_moe": {**EXPERTS, "moe_num_experts": 4, "moe_k": 2},
    "exaone4": {"sliding_window": None, "layer_types": ["full_attention", "full_attention"]},
    "falcon": {"num_kv_heads": 2, "new_decoder_architecture": True},
    "flex_olmo": EXPERTS,
    "gemma": {},
    "gemma2": {
        "sliding_window": 9,
        "query_pre_attn_scalar": 8,
        "final_logit_softcapping": 4.0,
        "attn_logit_softcapping": 3.0,
    },
    "gemma3_text": {"sliding_window": 9, "query_pre_attn_scalar": 8},
    "glm": {"pad_token_id": 1},
    "glm4": {},
    "glm4_moe": {**EXPERTS, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "gpt2": OLD,
    "gpt_bigcode": OLD,
    "gpt_neo": {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 9},
    "gpt_neox": {},
    "gpt_oss": {**EXPERTS, "sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]},
    "gptj": {**OLD, "rotary_dim": 4},
    "granite": {"logits_scaling": 2.0, "residual_multiplier": 0.5, "embedding_multiplier": 2.0},
    "granitemoe": {**EXPERTS, "logits_scaling": 2.0},
    "helium": {},
    "hunyuan_v1_dense": {},
    "jetmoe": {**EXPERTS, "kv_channels": 8, "num_key_value_heads": 2},
    "llama": {},
    "llama4_text": {**EXPERTS, "attention_chunk_size": 16, "interleave_moe_layer_step": 2, "intermediate_size_mlp": 48},
    "minimax_m2": EXPERTS,
    "ministral": {"sliding_window": 9},
    "mistral": {"sliding_window": 9},
    "mixtral": EXPERTS,
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 128},
    "nemotron": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]},
    "olmoe": EXPERTS,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "persimmon": {},
    "phi": {},
    "phi3": {},
    "phimoe": EXPERTS,
    "qwen2": {},
    "qwen2_moe": EXPERTS,
    "qwen3": {},
    "qwen3_moe": EXPERTS,
    "seed_oss": {},
    "smollm3": {"no_rope_layers": [1, 0]},
    "stablelm": {},
    "starcoder2": {},
    "xglm": {"d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48},
}
"""Architectures of which the parts that samples share are computed once."""
ALONE: dict[str, dict[str, Any]] = {
    "bamba": {**MAMBA2, "attn_layer_indices": [1]},
    "falcon_h1": {**MAMBA2, "mamba_d_ssm": 64},
    "falcon_mamba": {"state_size": 4},
    "granitemoehybrid": {**MAMBA2, **EXPERTS, "layer_types": ["mamba", "attention"], "logits_scaling": 2.0},
    "jamba": {**EXPERTS, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {**EXPERTS, "layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "openai-gpt": OLD,
    "qwen3_5_text": GATED,
    "qwen3_next": {**EXPERTS, **GATED},
    "recurrent_gemma": {"lru_width": 32, "attention_window_size": 16, "num_hidden_layers": 3},
    "rwkv": {"attention_hidden_size": 32},
}
"""Architectures with another state: each sample is a row of its own."""


def save_architecture(folder: Path, kind: str) -> Path:
    """A random model of `kind`, of those settings that its config knows."""
    import inspect

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    own = {**SHARED, **ALONE}[kind]
    known = inspect.signature(type(AutoConfig.for_model(kind)).__init__).parameters
    common = {name: value for name, value in WIDTHS.items() if name in known or "kwargs" in name}
    config = AutoConfig.for_model(kind, **{**common, **own})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "conv" not in name:
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder
