"""Writes and reads a model folder in Hugging Face's GPT-2 layout.

Guarantees: weights are f16, the output layer is not stored a second time, and every file is replaced atomically, so
that a reader sees the old or the new one. Vocabulary and shape are expected to stay the same between two exports.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from bpe import load_tokenizer
from corpus import END_OF_TEXT
from model import GPT2, GPT2Config

DROPOUT = 0.1


def hf_config(config: GPT2Config, end_id: int) -> dict[str, Any]:
    """The content of config.json."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_ctx": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "initializer_range": 0.02,
        "embd_pdrop": DROPOUT,
        "resid_pdrop": DROPOUT,
        "attn_pdrop": 0.0,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "torch_dtype": "float16",
    }


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights as they ship: f16, contiguous, under their own names. Raises ValueError where f16 overflows."""
    halves = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in weights.items()}
    overflown = [name for name, tensor in halves.items() if not torch.isfinite(tensor).all()]
    if overflown:
        raise ValueError(f"not finite in f16: {', '.join(overflown)}")
    return halves


def write_folder(folder: Path, config: GPT2Config, weights: dict[str, Tensor], tokenizer_folder: Path) -> None:
    """Writes config.json, generation_config.json, tokenizer files and model.safetensors (last) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    end_id = json.loads((tokenizer_folder / "vocab.json").read_text(encoding="utf-8"))[END_OF_TEXT]
    for name in ("vocab.json", "merges.txt"):
        write_text(folder / name, (tokenizer_folder / name).read_text(encoding="utf-8"))
    write_json(folder / "config.json", hf_config(config, end_id))
    write_json(
        folder / "generation_config.json",
        {"bos_token_id": end_id, "eos_token_id": end_id, "do_sample": True, "temperature": 0.8, "top_p": 0.95},
    )
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "model_max_length": config.n_positions,
            "add_prefix_space": False,
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "unk_token": END_OF_TEXT,
        },
    )
    temporary = folder / ".model.safetensors.tmp"
    save_file(half(weights), temporary, metadata={"format": "pt"})
    temporary.chmod(0o644)
    os.replace(temporary, folder / "model.safetensors")


def read_folder(folder: Path) -> tuple[GPT2, Tokenizer]:
    """The shipped weights, widened to f32, and the tokenizer."""
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = GPT2Config(**{name: raw[name] for name in GPT2Config.__dataclass_fields__})
    model = GPT2(config)
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()})
    return model.eval(), load_tokenizer(folder)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Atomic, two spaces, newline at the end."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Atomic."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
