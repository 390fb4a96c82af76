"""Tests never reach a hub: what they need is made, shipped by a package, or beside the project."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
