"""Does a policy loss keep the contract of `move37.training.policy_losses.PolicyLoss`? Needs torch: move37[local]."""

from typing import Any

from move37.config import Settings
from move37.testing.claims import require
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs

ROWS, TOKENS, VOCABULARY = 6, 7, 11
BOUNDS = Bounds(0.2, 0.2)


def check_policy_loss(kind: Any, **options: Any) -> None:
    """Raises AssertionError unless `kind`, made with `options`, does what its contract says on random tokens.

    Checked: loss and clipped are of the batch's shape, finite on own tokens; the gradient reaches what carries it; a
    token's loss does not depend on what stands off the mask, nor on which other responses are in the micro-batch; the
    same generator chooses the same own tokens.
    """
    import torch  # heavy, and only needed here

    settings = isinstance(getattr(kind, "Options", None), type) and issubclass(kind.Options, Settings)
    require(settings, "Options has to be a class of settings (move37.config.Settings)")
    rule = kind(kind.Options(**options))
    drawn = torch.Generator().manual_seed(3)
    own_bR = torch.arange(TOKENS) < torch.tensor([7, 3, 5, 1, 6, 4])[:, None]
    logits_bRV = torch.randn(ROWS, TOKENS, VOCABULARY, generator=drawn) * 2
    advantages_bR = (torch.randn(ROWS, 1, generator=drawn) + 0.1) * own_bR
    chosen_bR = None
    if rule.chooses:
        values = (-torch.rand(ROWS, TOKENS, generator=drawn) * own_bR, torch.zeros(ROWS, TOKENS), advantages_bR)
        inputs = ChoiceInputs(*values, own_bR)
        chosen_bR, again = (rule.choose(inputs, BOUNDS, torch.Generator().manual_seed(1)) for _ in range(2))
        require(torch.equal(chosen_bR, again), "the same generator has to choose the same tokens")
        require(chosen_bR.dtype is torch.bool and chosen_bR.shape == own_bR.shape, "choose has to give bool (B, T)")
        require(not bool((chosen_bR & ~own_bR).any()), "choose has to choose own tokens")

    def losses(logits: Any, noise: float, rows: Any) -> tuple[Any, Any]:
        tokens = _tokens(torch, rule, logits, own_bR, advantages_bR, chosen_bR, noise)
        return rule.loss(tokens if rows is None else _only(tokens, rows), BOUNDS)

    carrying = logits_bRV.clone().requires_grad_(True)
    found, clipped = losses(carrying, 0.0, None)
    require(found.shape == own_bR.shape == clipped.shape, "loss has to give two tensors of the shape of own_bR")
    require(bool(found[own_bR].isfinite().all()), "the loss of an own token is not finite")
    require(found.requires_grad, "the loss carries no gradient")
    found[own_bR].sum().backward()
    require(bool(carrying.grad.isfinite().all()), "the gradient is not finite")  # type: ignore[union-attr]
    noisy, _ = losses(logits_bRV, 5.0, None)
    require(torch.allclose(noisy[own_bR], found[own_bR]), "the loss depends on what stands off the mask")
    alone, _ = losses(logits_bRV, 0.0, torch.tensor([0, 4]))
    near = torch.allclose(alone[own_bR[[0, 4]]], found[[0, 4]][own_bR[[0, 4]]])
    require(near, "the loss of a response depends on the others of its micro-batch")


def _tokens(
    torch: Any, rule: Any, logits_bRV: Any, own_bR: Any, advantages_bR: Any, chosen_bR: Any, noise: float
) -> TokenInputs:
    """What the rule reads of responses whose token is always number 2 of the vocabulary."""
    logprobs_bRV = logits_bRV.log_softmax(-1)
    ratio_bR = logprobs_bRV[..., 2] - logprobs_bRV[..., 2].detach() * 0.9 + noise * ~own_bR
    entropies_bR = -(logprobs_bRV.exp() * logprobs_bRV).sum(-1).detach() + noise * ~own_bR
    return TokenInputs(
        log_ratio_bR=ratio_bR.clamp(-0.15, 0.15),
        advantages_bR=advantages_bR,
        own_bR=own_bR,
        right_b=advantages_bR[:, 0] > 0,
        chosen_bR=chosen_bR,
        entropies_bR=entropies_bR if rule.entropies else None,
        likeliest_bR=(logprobs_bRV.argmax(-1) == 2) & own_bR if rule.ranks else None,
        top_logprobs=(lambda places: logprobs_bRV[places].topk(rule.ranks, -1).values) if rule.ranks else None,
    )


def _only(tokens: TokenInputs, rows: Any) -> TokenInputs:
    """Some of the responses."""
    whole = tokens.top_logprobs

    def top_logprobs(places: Any) -> Any:
        assert whole is not None
        everywhere = tokens.own_bR.new_zeros(tokens.own_bR.shape)
        everywhere[rows] = places
        return whole(everywhere)

    def cut(value: Any) -> Any:
        return None if value is None else value[rows]

    return TokenInputs(
        log_ratio_bR=cut(tokens.log_ratio_bR),
        advantages_bR=cut(tokens.advantages_bR),
        own_bR=cut(tokens.own_bR),
        right_b=cut(tokens.right_b),
        chosen_bR=cut(tokens.chosen_bR),
        entropies_bR=cut(tokens.entropies_bR),
        likeliest_bR=cut(tokens.likeliest_bR),
        top_logprobs=None if whole is None else top_logprobs,
    )
