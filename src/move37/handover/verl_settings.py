"""A recipe's algorithm, loss and optimizer in the words of verl 0.9's configuration; what verl cannot do is refused."""

from typing import Any

from move37.handover.plan import HandOver
from move37.training.algorithms.dapo import DAPO
from move37.training.algorithms.grpo import GRPO
from move37.training.algorithms.ppo import PPO
from move37.training.algorithms.reinforce_pp import ReinforcePP
from move37.training.algorithms.remax import ReMax
from move37.training.algorithms.rloo import RLOO

_NO_DUAL_CLIP = 1e9
"""verl's dual clip cannot be turned off; at this bound it changes nothing."""
_KL = {"k1": "kl", "k2": "mse", "k3": "low_var_kl"}
_TOKENS = 16_384


def refuse_impossible(plan: HandOver) -> list[str]:
    """Raises ConfigError for what verl cannot do; what it does otherwise, in sentences."""
    recipe, loss, optimizer = plan.recipe, plan.recipe.loss, plan.recipe.optimizer
    prompts, parts = recipe.rollout.prompts, optimizer.mini_batches
    needs, own = plan.algorithm.needs, _verls_own(plan)
    plan.refuse(
        "verl",
        {
            "algorithm.name": "is handed a critic only with ppo, and a greedy response only with remax"
            if own is None and (needs.critic or needs.greedy_response or needs.teacher)
            else None,
            "algorithm.options.whiten": "always whitens the advantages of PPO"
            if isinstance(plan.algorithm, PPO) and not plan.algorithm.options.whiten
            else None,
            "algorithm.options.epsilon": _other_epsilon(plan),
            "loss.ratio": "has a sequence ratio per token (GSPO), not the product over the response"
            if loss.ratio == "sequence"
            else None,
            "optimizer.shared_critic": "trains the critic as a model of its own" if optimizer.shared_critic else None,
            "optimizer.schedule": "has constant and cosine schedules" if optimizer.schedule == "linear" else None,
            "optimizer.mini_batches": f"needs mini-batches of equal size ({prompts} prompts in {parts})"
            if prompts % parts
            else None,
            "loss.value_coefficient": "has no weight of the value loss" if loss.value_coefficient != 1 else None,
        },
    )
    differs = ["old log-probabilities are recomputed by the trainer (a sampler in vLLM is not bit for bit the model)"]
    if plan.template.stop:
        stops = ", ".join(map(repr, plan.template.stop))
        differs.append(
            f"responses do not end at the template's stop strings ({stops}), unless they are the model's end tokens: "
            "the reward reads what stands before them, but what follows is trained on too"
        )
    if needs.siblings or needs.mixed_groups:
        differs.append("a response without a verdict is not left out of its group: it counts as wrong there")
    if plan.tokenizer is None:
        differs.append("the model's tokenizer was not at hand: data.max_prompt_length is a bound by the prompts' bytes")
    if not plan.held_out:
        differs.append("the recipe evaluates nothing: validation.parquet holds one problem, for verl insists on a file")
    if recipe.model.precision == "float32":
        differs.append("verl computes in bfloat16 over float32 weights")
    return differs


def _other_epsilon(plan: HandOver) -> str | None:
    match plan.algorithm:
        case DAPO(options=options) if options.epsilon != 1e-6:
            return "adds 1e-6 to DAPO's standard deviation"
    return None


def algorithm_overrides(plan: HandOver) -> dict[str, Any]:
    """How rewards become advantages."""
    own = _verls_own(plan)
    if own is None:
        filtering = _refilled(plan) if plan.algorithm.needs.mixed_groups else {}
        return {"algorithm.adv_estimator": "move37"} | filtering
    return own


def loss_overrides(plan: HandOver) -> dict[str, Any]:
    loss, actor = plan.recipe.loss, "actor_rollout_ref.actor"
    in_loss, in_reward = (bool(loss.kl_coefficient) and loss.kl_in == where for where in ("loss", "reward"))
    values: dict[str, Any] = {
        f"{actor}.clip_ratio": loss.clip_low,
        f"{actor}.clip_ratio_low": loss.clip_low,
        f"{actor}.clip_ratio_high": loss.clip_high,
        f"{actor}.clip_ratio_c": loss.dual_clip or _NO_DUAL_CLIP,
        f"{actor}.loss_agg_mode": loss.aggregation,
        f"{actor}.entropy_coeff": loss.entropy_coefficient,
        f"{actor}.calculate_entropy": True,
        f"{actor}.use_kl_loss": in_loss,
        "algorithm.use_kl_in_reward": in_reward,
    }
    if loss.aggregation == "seq-mean-token-sum-norm":
        values[f"{actor}.loss_scale_factor"] = plan.recipe.rollout.max_new_tokens
    if in_loss:
        values |= {f"{actor}.kl_loss_coef": loss.kl_coefficient, f"{actor}.kl_loss_type": _KL[loss.kl_estimator]}
    if in_reward:
        values |= {"algorithm.kl_penalty": _KL[loss.kl_estimator], "algorithm.kl_ctrl.type": "fixed"}
        values |= {"algorithm.kl_ctrl.kl_coef": loss.kl_coefficient}
    return values


def optimizer_overrides(plan: HandOver) -> dict[str, Any]:
    recipe, settings, actor = plan.recipe, plan.recipe.optimizer, "actor_rollout_ref.actor"
    whole = plan.longest_prompt + recipe.rollout.max_new_tokens
    values: dict[str, Any] = {
        f"{actor}.ppo_mini_batch_size": recipe.rollout.prompts // settings.mini_batches,
        f"{actor}.ppo_epochs": settings.epochs,
        f"{actor}.use_dynamic_bsz": True,
        f"{actor}.ppo_max_token_len_per_gpu": max(whole, settings.micro_batch_tokens or _TOKENS),
        f"{actor}.grad_clip": settings.gradient_norm,
        **_adamw(plan, f"{actor}.optim", settings.learning_rate),
    }
    model = recipe.model
    if model.lora_rank:
        values["actor_rollout_ref.model.lora_rank"] = model.lora_rank
        values["actor_rollout_ref.model.lora_alpha"] = model.lora_alpha or 2 * model.lora_rank
        values["actor_rollout_ref.rollout.load_format"] = "safetensors"
    if recipe.checkpoints.keep_every:
        values[f"{actor}.checkpoint.save_contents"] = ["model", "optimizer", "extra", "hf_model"]
    if plan.algorithm.needs.critic:
        rate = settings.critic_learning_rate or 10 * settings.learning_rate
        values |= {"critic.model.path": model.path, "critic.cliprange_value": recipe.loss.value_clip}
        values |= {"critic.grad_clip": settings.gradient_norm, **_adamw(plan, "critic.optim", rate)}
    return values


def _adamw(plan: HandOver, where: str, rate: float) -> dict[str, Any]:
    settings = plan.recipe.optimizer
    return {
        f"{where}.lr": rate,
        f"{where}.betas": list(settings.betas),
        f"{where}.weight_decay": settings.weight_decay,
        f"{where}.clip_grad": settings.gradient_norm,
        f"{where}.lr_warmup_steps": settings.warmup_steps,
        f"{where}.lr_scheduler_type": settings.schedule,
    }


def _verls_own(plan: HandOver) -> dict[str, Any] | None:
    """verl's settings for an algorithm that it has itself, exactly; None for another."""
    match plan.algorithm:
        case PPO(options=options):
            return {
                "algorithm.adv_estimator": "gae",
                "algorithm.gamma": options.gamma,
                "algorithm.lam": options.lam,
            }
        case GRPO(options=options) if (options.epsilon, options.ddof) == (1e-6, 1):
            return _grpo(options.scale == "std")
        case DAPO():
            return _grpo(True) | _refilled(plan) | _overlong(plan.algorithm, plan.recipe.rollout.max_new_tokens)
        case ReinforcePP(options=options) if options.baseline:
            return {"algorithm.adv_estimator": "reinforce_plus_plus_baseline"}
        case ReinforcePP(options=options):
            return {"algorithm.adv_estimator": "reinforce_plus_plus", "algorithm.gamma": options.gamma}
        case RLOO():
            return {"algorithm.adv_estimator": "rloo"}
        case ReMax():  # the trainer of before: the new one samples no greedy baseline
            return {"algorithm.adv_estimator": "remax", "trainer.use_v1": False}
    return None


def _grpo(scaled: bool) -> dict[str, Any]:
    return {"algorithm.adv_estimator": "grpo", "algorithm.norm_adv_by_std_in_grpo": scaled}


def _refilled(plan: HandOver) -> dict[str, Any]:
    """Groups that are all right or all wrong are sampled anew; mixed is decided by the verdicts."""
    return {
        "algorithm.filter_groups.enable": True,
        "algorithm.filter_groups.metric": "acc",
        "algorithm.filter_groups.max_num_gen_batches": plan.recipe.rollout.refill_rounds,
    }


def _overlong(algorithm: DAPO, limit: int) -> dict[str, Any]:
    share, where = algorithm.options.buffer_share, "+reward.reward_kwargs.overlong_buffer_cfg"
    return {
        "reward.reward_manager.name": "dapo",
        "+reward.reward_kwargs.max_resp_len": limit,
        f"{where}.enable": bool(share),
        f"{where}.len": max(1, round(share * limit)),
        f"{where}.penalty_factor": algorithm.options.penalty,
        f"{where}.log": True,
    }
