"""Live against TRL: fresh random inputs through its losses and ours, and the advantages of its whole trainers."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
if find_spec("trl") is None:
    pytest.skip("TRL is not installed: pip install 'move37[peers]'", allow_module_level=True)

from move37.training.algorithms import AdvantageInputs  # noqa: E402
from tests.golden import make_training_golden as peers  # noqa: E402
from tests.test_advantages import advantages_of  # noqa: E402
from tests.test_losses import TRL, policy_loss  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

pytestmark = pytest.mark.peer

SEEDS = range(100, 120)


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_and_gradients_are_trls(seed: int) -> None:
    inputs = peers.make_inputs(seed, binary=False)
    for case in peers.trl_losses(inputs):
        rloo = case["kind"] == "rloo"
        loss, gradient = policy_loss(
            inputs,
            torch.tensor(inputs["advantages"])[:, :1].expand(-1, 7),
            TRL[case["kind"]],
            clip_low=0.2,
            clip_high=0.28,
            dual_clip=case["delta"],
            sequence=rloo,
            kl=0.0 if rloo else 0.04,
        )
        torch.testing.assert_close(loss, torch.tensor(case["loss"]), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradient, torch.tensor(case["gradient"]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_advantages_are_those_that_trls_trainers_compute(kind: str, tmp_path: Path) -> None:
    """One step of TRL's whole trainer on a random model, with a reward that depends on the text alone."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer  # pyright: ignore[reportPrivateImportUsage]  # loaded lazily

    given: list[float] = []

    def reward(completions: list[str], **_: object) -> list[float]:
        given.extend(float(len(text) % 3) for text in completions)
        return given

    chosen: Any = (GRPOConfig, GRPOTrainer) if kind == "grpo" else (RLOOConfig, RLOOTrainer)
    config, trainer = chosen
    model = save_model(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    settings = config(
        output_dir=str(tmp_path / "out"),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=12,
        num_generations=4,
        max_completion_length=9,
        beta=0.0,
        max_steps=1,
        report_to="none",
        save_strategy="no",
    )
    data = Dataset.from_list([{"prompt": text} for text in ("ab", "what is 2", "x")])
    made = trainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        reward_funcs=reward,
        args=settings,
        train_dataset=data,
        processing_class=tokenizer,
    )
    made.train()
    theirs = torch.tensor(list(made._logs["advantages"]))
    groups, mask = torch.arange(12) // 4, torch.ones(12, 1, dtype=torch.bool)
    inputs = AdvantageInputs(torch.tensor(given[:12])[:, None], groups, mask, max_length=9)
    ours = advantages_of(kind, inputs, **({"epsilon": 1e-4} if kind == "grpo" else {})).advantages_BT[:, 0]
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
