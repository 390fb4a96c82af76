"""How fast are stored responses scored, against a bare forward pass of the same model over the same texts?

    python bench/scoring.py

4,096 responses of the shipped base to 64 puzzles, scored under it with all that `move37 score` keeps; the peer is the
model of transformers on padded batches of 64 without a loss, logits taken and thrown away. CPU seconds, one thread;
tokens are those of prompts and responses as they stand, each text counted for itself.
"""

import json
import time

import torch

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig
from move37.engines.transformers import TransformersEngine
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.prompting import TEMPLATES, render_prompt
from move37.rollouts import requests_for


def main() -> None:
    torch.set_num_threads(1)
    engine = TransformersEngine.load(ModelConfig(path=str(checkpoint_folder("countdown-base"))))
    sampling = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=48, template="completion", keep_tokens=True)
    prompts = [
        render_prompt(problem, TEMPLATES["completion"])
        for problem in load_problems([ProblemsConfig(benchmark="countdown", size=64)])
    ]
    ids = {prompt.problem_id: engine.encode(prompt.text) for prompt in prompts}
    requests = [request for prompt in prompts for request in requests_for(prompt, range(64), 0, "base")]
    texts = [(ids[made.problem_id], list(made.token_ids or ())) for made in engine.generate(requests, sampling)]
    texts.sort(key=lambda text: text[0])
    tokens = sum(len(prompt) + len(response) for prompt, response in texts)
    start = time.process_time()
    scored = list(engine.score_together(texts, sampling))
    ours = time.process_time() - start
    bare = bare_forward([[*prompt, *response] for prompt, response in texts])
    print(
        f"{len(scored):,} responses, {tokens:,} tokens: {tokens / ours:,.0f} tokens/s scored, {tokens / bare:,.0f} bare"
    )
    print(json.dumps({"tokens_per_second": tokens / ours, "bare": tokens / bare, "ratio": bare / ours}))


@torch.inference_mode()
def bare_forward(texts: list[list[int]]) -> float:
    """CPU seconds of the plain model, rows of like length together."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint_folder("countdown-base"))
    texts = sorted(texts, key=len)
    start = time.process_time()
    for place in range(0, len(texts), 64):
        batch = texts[place : place + 64]
        width = max(map(len, batch))
        model(input_ids=torch.tensor([[*text, *[0] * (width - len(text))] for text in batch]), use_cache=False)
    return time.process_time() - start


if __name__ == "__main__":
    main()
