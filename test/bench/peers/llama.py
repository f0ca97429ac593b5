"""Measures llama.cpp as engine-child.ts measures ours: one JSON line on stdout.

Usage: python llama.py MODEL.gguf THREADS LOGITS_FILE. The same prompts, batches and positions; tokens are drawn greedily.
"""

from __future__ import annotations

import ctypes
import json
import resource
import statistics
import sys
import time

import llama_cpp as llama
import numpy as np

BATCH_SIZES = (1, 4, 8, 16)
PROMPT_TOKENS = 128
MEASURED_STEPS = 48
POSITIONS = 512
ALL_ROWS = 2048


def prompt(length: int, salt: int) -> list[int]:
    """The benchmark's made-up prompt."""
    return [(i * 7919 + salt * 104_729 + 13) % 256 for i in range(length)]


class Llama:
    """One context with room for 16 sequences."""

    def __init__(self, path: str, threads: int) -> None:
        self.log = llama.llama_log_callback(lambda *_: None)
        llama.llama_log_set(self.log, ctypes.c_void_p(0))
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = 16 * POSITIONS
        parameters.n_batch = ALL_ROWS
        parameters.n_ubatch = POSITIONS
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.n_seq_max = 16
        parameters.flash_attn_type = 1
        self.context = llama.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(ALL_ROWS, 0, 1)

    def forget(self) -> None:
        """Empties the KV cache."""
        llama.llama_memory_clear(llama.llama_get_memory(self.context), False)

    def decode(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """One step of rows (token, position, sequence, whether logits are wanted)."""
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = wanted
        if llama.llama_decode(self.context, self.batch) != 0:
            raise RuntimeError("llama_decode failed")

    def logits(self, row: int) -> np.ndarray:
        """Logits of a row of the last step."""
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(self.context, row), shape=(self.vocabulary,))

    def prefill(self, ids: list[int], sequence: int) -> int:
        """Feeds a prompt and draws its first token."""
        self.decode([(token, i, sequence, i == len(ids) - 1) for i, token in enumerate(ids)])
        return int(self.logits(len(ids) - 1).argmax())


def decode_rate(engine: Llama, batch: int) -> float:
    """Tokens per second: batch size by the median step."""
    engine.forget()
    tokens = [engine.prefill(prompt(PROMPT_TOKENS, i), i) for i in range(batch)]
    times = []
    for step in range(MEASURED_STEPS):
        started = time.perf_counter()
        engine.decode([(token, PROMPT_TOKENS + step, i, True) for i, token in enumerate(tokens)])
        tokens = [int(engine.logits(i).argmax()) for i in range(batch)]
        times.append(time.perf_counter() - started)
    return batch / statistics.median(times)


def prefill_rate(engine: Llama, length: int) -> float:
    """Prompt tokens per second, the first token's drawing included."""
    times = []
    for round_ in range(5):
        engine.forget()
        started = time.perf_counter()
        engine.prefill(prompt(length, round_), 0)
        times.append(time.perf_counter() - started)
    return length / statistics.median(times)


def write_logits(engine: Llama, path: str) -> None:
    """Logits of positions 120 to 127, each computed in a step of its own."""
    engine.forget()
    ids = prompt(PROMPT_TOKENS, 0)
    engine.prefill(ids[:-8], 0)
    rows = []
    for position in range(PROMPT_TOKENS - 8, PROMPT_TOKENS):
        engine.decode([(ids[position], position, 0, True)])
        rows.append(engine.logits(0).copy())
    np.stack(rows).astype(np.float32).tofile(path)


def main() -> None:
    """See above."""
    path, threads, logits_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    started = time.perf_counter()
    engine = Llama(path, threads)
    load_s = time.perf_counter() - started
    engine.prefill(prompt(PROMPT_TOKENS, 0), 0)
    figures = {
        "backend": f"llama.cpp by llama-cpp-python {llama.__version__}, {threads} threads",
        "decode": {str(batch): decode_rate(engine, batch) for batch in BATCH_SIZES},
        "prefill": {str(length): prefill_rate(engine, length) for length in (128, 512)},
        "ttftMs": 64_000 / prefill_rate(engine, 64),
        "rssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "loadS": load_s,
    }
    write_logits(engine, logits_path)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
