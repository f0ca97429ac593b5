"""Trains Inkwell's bundled GPT-2 on public-domain books, on a CPU, for a given number of minutes.

Guarantees: the learning rate follows the clock, so that the run ends by itself, fully annealed, after `--minutes`
whatever else the machine does; a checkpoint is written atomically every few minutes and `--resume` goes on from it;
`log.csv` tells speed, training loss and held-out bits per character. Writing the Hugging Face folder is left to
`export.py`.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bpe import load_tokenizer, train_tokenizer
from corpus import Source, load_sources
from evaluate import HeldOut, score
from model import GPT2, GPT2Config
from muon import Muon
from process_settings import use_process_settings
from tokens import MixedSampler, encode

WARM_UP = 0.015  # share of the run
SHORT_CONTEXT = 256  # attention over 512 tokens is a third of a step here, so most of the run does without
SHORT_CONTEXT_UNTIL = 0.8  # share of the run
MAX_GRADIENT_NORM = 1.0
EVALUATE_EVERY_S = 900
CHECKPOINT_EVERY_S = 300
LOG_EVERY_STEPS = 50


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the four text files, see README.md")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tokenizer, checkpoint and log")
    parser.add_argument("--minutes", type=float, default=105, help="wall-clock training time")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    parser.add_argument("--lr", type=float, default=4e-3, help="peak learning rate")
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--ema", type=float, default=0.995, help="decay of the averaged weights, for each step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    return parser.parse_args()


def prepare(corpus: Path, out: Path, vocab_size: int) -> tuple[dict[str, np.ndarray], dict[str, HeldOut]]:
    """Training streams and held-out text; trains the tokenizer on the training text unless `out` has one."""
    sources: list[Source] = load_sources(corpus)
    if (out / "vocab.json").exists():
        tokenizer = load_tokenizer(out)
    else:
        tokenizer = train_tokenizer([doc for source in sources for doc in source.train], vocab_size, out)
    streams = {source.name: encode(tokenizer, source.train) for source in sources}
    held_out = {
        source.name: HeldOut(encode(tokenizer, source.held_out), sum(map(len, source.held_out))) for source in sources
    }
    return streams, held_out


def optimizers(model: GPT2, kind: str, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices and AdamW for the rest, or AdamW for all."""
    hidden = [p for p in model.transformer.h.parameters() if p.ndim == 2]
    embeddings = [model.transformer.wte.weight, model.transformer.wpe.weight]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": embeddings, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    if kind == "muon":
        return [
            Muon(hidden, lr, weight_decay=0.1),
            torch.optim.AdamW(groups, lr, betas=(0.9, 0.95), fused=True),
        ]
    groups.append({"params": hidden, "weight_decay": 0.1})
    return [torch.optim.AdamW(groups, lr, betas=(0.9, 0.95), fused=True)]


def schedule(progress: float) -> float:
    """Factor of the learning rate for `progress` in 0..1: linear warm-up, then linear to zero."""
    return min(1.0, progress / WARM_UP) * max(0.0, 1 - progress)


def context_at(progress: float, full: int) -> int:
    """Length of the windows for `progress` in 0..1."""
    return SHORT_CONTEXT if progress < SHORT_CONTEXT_UNTIL else full


class Run:
    """One training run: everything a checkpoint has to hold, and the loop."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.config = GPT2Config(n_layer=args.layers)
        args.out.mkdir(parents=True, exist_ok=True)
        streams, self.held_out = prepare(args.corpus, args.out, self.config.vocab_size)
        for name, stream in streams.items():
            held = self.held_out[name]
            print(f"{name}: {len(stream)} tokens, held out {len(held.ids)} tokens / {held.characters} characters")
        torch.manual_seed(args.seed)
        self.model = GPT2(self.config, args.dropout)
        print(f"{sum(p.numel() for p in self.model.parameters())} parameters")
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizers = optimizers(self.model, args.optimizer, args.lr)
        self.sampler = MixedSampler(streams, self.config.n_positions, args.seed)
        self.step = 0
        self.tokens = 0
        self.elapsed_s = 0.0

    def train(self) -> None:
        """Runs until the time is up, then writes the last checkpoint and evaluates."""
        last = {"tick": time.monotonic(), "evaluate": self.elapsed_s, "checkpoint": self.elapsed_s}
        log_from, losses = (self.elapsed_s, self.tokens), []
        while self.elapsed_s < self.args.minutes * 60:
            losses.append(self.update(self.elapsed_s / (self.args.minutes * 60)))
            now = time.monotonic()
            self.elapsed_s, last["tick"] = self.elapsed_s + now - last["tick"], now
            if self.step % LOG_EVERY_STEPS == 0:
                speed = (self.tokens - log_from[1]) / (self.elapsed_s - log_from[0])
                self.log(speed, sum(losses) / len(losses), {})
                log_from, losses = (self.elapsed_s, self.tokens), []
            if self.elapsed_s - last["evaluate"] >= EVALUATE_EVERY_S:
                last["evaluate"] = self.elapsed_s
                self.log(0.0, 0.0, self.evaluate())
            if self.elapsed_s - last["checkpoint"] >= CHECKPOINT_EVERY_S:
                last["checkpoint"] = self.elapsed_s
                self.save()
        self.save()
        self.log(0.0, 0.0, self.evaluate())

    def update(self, progress: float) -> float:
        """One optimiser step; returns the training loss in nats for each token."""
        self.sampler.use_context(context_at(progress, self.config.n_positions))
        inputs, targets = self.sampler.batch(self.args.batch_tokens // self.sampler.context, progress)
        with torch.autocast("cpu", torch.bfloat16):
            loss: Tensor = self.model.loss(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.args.lr * schedule(progress)
            optimizer.step()
        self.model.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += inputs.numel()
        decay = min(self.args.ema, 1 - 1 / (1 + self.step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.model.parameters()], 1 - decay)
        return loss.item()

    def evaluate(self) -> dict[str, float]:
        """Held-out bits per character of each source: of the weights, and of their average (`_avg`)."""
        averaged = GPT2(self.config)
        averaged.load_state_dict(self.average)
        result: dict[str, float] = {}
        with torch.autocast("cpu", torch.bfloat16):
            for name, held in self.held_out.items():
                stride = self.config.n_positions
                result[name] = score(self.model, held, stride).bits_per_character
                result[name + "_avg"] = score(averaged, held, stride).bits_per_character
        return result

    def log(self, speed: float, loss: float, held_out: dict[str, float]) -> None:
        """Appends a line to log.csv and says it."""
        row: dict[str, object] = {
            "step": self.step,
            "tokens": self.tokens,
            "minutes": round(self.elapsed_s / 60, 2),
            "tokens_per_s": round(speed) if speed else "",
            "train_loss": round(loss, 4) if loss else "",
        }
        for name in self.held_out:
            for key in (name, name + "_avg"):
                row["bpc_" + key] = round(held_out[key], 4) if key in held_out else ""
        path = self.args.out / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        print(" ".join(f"{k}={v}" for k, v in row.items() if v != ""), flush=True)

    def save(self) -> None:
        """Writes OUT/checkpoint.pt by way of a temporary file."""
        state = {
            "config": asdict(self.config),
            "args": {k: v for k, v in vars(self.args).items() if isinstance(v, int | float | str | bool)},
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "sampler": self.sampler.state(),
            "passes": self.sampler.passes(),
            "step": self.step,
            "tokens": self.tokens,
            "elapsed_s": self.elapsed_s,
            "generator": torch.get_rng_state(),
        }
        temporary = self.args.out / "checkpoint.tmp"
        torch.save(state, temporary)
        os.replace(temporary, self.args.out / "checkpoint.pt")

    def resume(self) -> None:
        """Takes up the state that `save` wrote."""
        state = torch.load(self.args.out / "checkpoint.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.sampler.restore(state["sampler"])
        self.step, self.tokens, self.elapsed_s = state["step"], state["tokens"], state["elapsed_s"]
        torch.set_rng_state(state["generator"])


def main() -> None:
    """Command line entry."""
    args = arguments()
    use_process_settings()
    torch.set_num_threads(args.threads)
    run = Run(args)
    if args.resume:
        run.resume()
    run.train()


if __name__ == "__main__":
    main()
