"""Writes a small held-out text to `shared/gpt2/test-data/held-out.txt`: what the bundled model never saw, for measuring other ways to compute it.

Usage: python held_out_text.py CORPUS_DIRECTORY. From every source it takes the beginning of each held-out passage; passages are separated
by `<|endoftext|>`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corpus import END_OF_TEXT, load_sources

CHARACTERS = {"novels": 2000, "alice": 3000, "shakespeare": 1500, "kjv": 1500}
OUTPUT = Path(__file__).parents[2] / "shared" / "gpt2" / "test-data" / "held-out.txt"


def beginning(passage: str, characters: int) -> str:
    """The first whole lines of a passage, or its first words where a line is longer."""
    if len(passage) <= characters:
        return passage.strip()
    cut = passage[:characters]
    return cut[: max(cut.rfind("\n"), cut.rfind(" "))].strip()


def main() -> None:
    """See above."""
    passages = [
        beginning(passage, CHARACTERS[source.name])
        for source in load_sources(Path(sys.argv[1]))
        for passage in source.held_out
    ]
    OUTPUT.write_text(END_OF_TEXT.join(p for p in passages if len(p) > 200), encoding="utf-8")
    print(f"{len(passages)} passages, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
