"""Trains Inkwell's byte-level BPE on the training text and writes it in GPT-2's layout.

Guarantees: GPT-2's pre-tokenizer regex and byte alphabet, `<|endoftext|>` as the last token of the vocabulary as in
GPT-2, and files (`vocab.json`, `merges.txt`) that any GPT-2 tokenizer reads.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import END_OF_TEXT


def train_tokenizer(texts: list[str], vocab_size: int, out: Path) -> Tokenizer:
    """Trains `vocab_size` tokens (`<|endoftext|>` among them) and writes `vocab.json` and `merges.txt` into `out`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab: dict[str, int] = dict(model["vocab"])
    vocab[END_OF_TEXT] = len(vocab)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    out.mkdir(parents=True, exist_ok=True)
    ordered = dict(sorted(vocab.items(), key=lambda item: item[1]))
    (out / "vocab.json").write_text(json.dumps(ordered, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return load_tokenizer(out)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Reads `vocab.json` and `merges.txt` of `folder`."""
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer
