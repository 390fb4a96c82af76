"""Logits -> the next token of every sample, from the temperature and nucleus distribution of transformers' own warpers.

The sampling distribution: divide by the temperature, then keep the smallest set of most probable tokens whose mass
reaches `top_p`, the token that crosses included (Holtzman et al. 2020, arXiv 1904.09751, section 3.1;
`TopPLogitsWarper`), then draw in proportion. Which of several tokens with exactly equal logits the set keeps is open
there and here.

Decisions. A sample's draw is the inverse distribution function at one uniform of its own, so it does not depend on
the others. Samples whose texts agree so far read the same row of logits; whatever concerns a row alone is computed once
for all of them. The nucleus is found among the most probable few tokens; only rows that need more are looked at again,
and no vocabulary is sorted. Without a nucleus the draw picks a block of tokens and then a token in it, which reads a
large vocabulary once. Long sums run in double precision: among 150,000 tokens the small ones would be lost in single.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

_FEW = (64, 512, 4096)
"""How many of the most probable tokens are looked at for a nucleus, one after the other."""
_BLOCK = 64
"""Tokens."""
_SMALL = 256
"""Tokens of a vocabulary that is read without blocks."""


def draw(logits: Tensor, rows: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Next tokens and their natural-log probabilities under the model itself (temperature 1, no top-p).

    Both have the shape (samples,). `logits` is float32 of shape (rows, vocabulary); `rows`, int64 of shape (samples,),
    is the row that each sample reads; `uniforms` is float64 in [0, 1) of shape (samples,). Where a row of logits gives
    nothing to draw by (a nan, or an infinity at the top), the log-probability is nan and the token has no meaning.
    """
    if temperature == 0:
        tokens = logits.argmax(-1)[rows]
    else:
        probabilities = (logits if temperature == 1 else logits / temperature).softmax(-1)
        given = (probabilities, rows, uniforms)
        tokens = _from_all(*given) if top_p == 1 else _from_nucleus(*given, top_p)
        if temperature == 1:  # what was drawn is never 0
            return tokens, probabilities[rows, tokens].double().log()
    return tokens, distribution_logprobs(logits, rows, tokens, 1.0)


def distribution_logprobs(logits: Tensor, rows: Tensor, tokens: Tensor, temperature: float) -> Tensor:
    """Natural-log probabilities of the tokens at this temperature, without a nucleus, (samples,)."""
    scaled = logits if temperature == 1 else logits / temperature
    return scaled[rows, tokens].double() - scaled.logsumexp(-1).double()[rows]


def log_distribution(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """The whole sampling distribution in natural logs, float64 of the shape of `logits` (rows, vocabulary).

    What `draw` never draws has minus infinity: beyond the nucleus, and at temperature 0 all but the most probable.
    """
    if temperature == 0:
        chosen = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(-1, keepdim=True), True)
        return torch.zeros(logits.shape, dtype=torch.float64, device=logits.device).masked_fill_(~chosen, -torch.inf)
    logprobs = (logits.double() / temperature).log_softmax(-1)
    if top_p == 1:
        return logprobs
    ordered, places = logprobs.sort(-1, descending=True)
    probabilities = ordered.exp()
    before = probabilities.cumsum(-1) - probabilities  # kept while the mass before a token is short of top_p
    kept = torch.empty_like(before, dtype=torch.bool).scatter_(1, places, before < top_p)
    return logprobs.masked_fill(~kept, -torch.inf).log_softmax(-1)


def nucleus_mass(probabilities: Tensor, top_p: float) -> Tensor:
    """The mass of the nucleus of every row of probabilities (rows, vocabulary), float64 (rows,)."""
    vocabulary, found = probabilities.shape[1], torch.empty(len(probabilities), dtype=torch.float64)
    found, asked = found.to(probabilities.device), torch.arange(len(probabilities), device=probabilities.device)
    for few in (*(few for few in _FEW if few < vocabulary), vocabulary):
        cumulative = probabilities[asked].topk(few).values.cumsum(-1, dtype=torch.float64)
        last = torch.searchsorted(cumulative, torch.full_like(cumulative[:, :1], top_p)).clamp_(max=few - 1)
        found[asked] = cumulative.gather(1, last)[:, 0]
        asked = asked[cumulative[:, -1] < top_p]
        if len(asked) == 0:
            break
    return found


def _from_all(probabilities: Tensor, rows: Tensor, uniforms: Tensor) -> Tensor:
    vocabulary = probabilities.shape[1]
    if vocabulary <= _SMALL:
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)[rows]
        return _invert(cumulative, uniforms * cumulative[:, -1])
    if vocabulary % _BLOCK:
        probabilities = pad(probabilities, (0, -vocabulary % _BLOCK))
    blocks = probabilities.unflatten(1, (-1, _BLOCK))
    before = blocks.sum(-1).cumsum(-1, dtype=torch.float64)[rows]
    targets = uniforms * before[:, -1]
    block = _invert(before, targets)[:, None]
    inside = blocks[rows, block[:, 0]].cumsum(-1, dtype=torch.float64)
    # Rounding of the block's sum must not leave the target beyond the block's own cumulative mass.
    start = torch.where(block > 0, before.gather(1, (block - 1).clamp_(min=0)), 0.0)[:, 0]
    share = (targets - start) / (before.gather(1, block)[:, 0] - start)
    return block[:, 0] * _BLOCK + _invert(inside, share * inside[:, -1])


def _from_nucleus(probabilities: Tensor, rows: Tensor, uniforms: Tensor, top_p: float) -> Tensor:
    vocabulary = probabilities.shape[1]
    tokens = torch.empty_like(rows)
    asked = torch.arange(len(probabilities), device=rows.device)
    places = torch.empty_like(asked)
    for few in (*(few for few in _FEW if few < vocabulary), vocabulary):
        largest, indices = (probabilities if len(asked) == len(places) else probabilities[asked]).topk(few)
        cumulative = largest.cumsum(-1, dtype=torch.float64)
        # A token is kept while the mass before it is short of top_p; `last` is the one that crosses.
        last = torch.searchsorted(cumulative, torch.full_like(cumulative[:, :1], top_p)).clamp_(max=few - 1)
        done = (cumulative[:, -1] >= top_p) if few < vocabulary else torch.ones_like(asked, dtype=torch.bool)
        mass = cumulative.gather(1, last)[:, 0]
        places.fill_(-1)
        places[asked[done]] = torch.nonzero(done)[:, 0]
        samples = torch.nonzero(places[rows] >= 0)[:, 0]
        at = places[rows[samples]]
        ranks = torch.minimum(_invert(cumulative[at], uniforms[samples] * mass[at]), last[at, 0])
        tokens[samples] = indices[at, ranks]
        asked = asked[~done]
        if len(asked) == 0:
            break
    return tokens


def _invert(cumulative: Tensor, targets: Tensor) -> Tensor:
    """The first column of each row whose cumulative mass exceeds the target: a column of no mass is never drawn."""
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())  # first column that reaches the whole mass
    last.clamp_(max=cumulative.shape[1] - 1)  # nan reaches nothing
    return torch.minimum(torch.searchsorted(cumulative, targets[:, None], right=True), last)[:, 0]
