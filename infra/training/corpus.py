"""Turns the raw public-domain books into clean documents, split into training text and held-out passages.

Guarantees: paragraphs are single lines separated by a blank line, duplicated lines left by whoever cut the books into
overlapping pieces are gone, no document appears in two sources, and the held-out passages are contiguous and never
part of the training text. Tokenising and batching are left to `tokens.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

END_OF_TEXT = "<|endoftext|>"
WRAP_COLUMNS = 67  # the width at which novels.txt is wrapped
FIRST_LINE_INDENT = 4  # indent that the first line of a paragraph had before it was stripped
MAX_OVERLAP_LINES = 4  # neighbouring pieces repeat at most this many lines


@dataclass(frozen=True)
class HoldOut:
    """A source is cut into `blocks` equal stretches; the last `share` of each is held out."""

    blocks: int
    share: float


HOLD_OUT = {
    "novels": HoldOut(blocks=20, share=0.05),
    "alice": HoldOut(blocks=1, share=0.05),
    "shakespeare": HoldOut(blocks=5, share=0.03),
    "kjv": HoldOut(blocks=5, share=0.015),
}


@dataclass(frozen=True)
class Source:
    """One source: training documents, and the held-out passages cut out of them."""

    name: str
    train: list[str]
    held_out: list[str]


def load_sources(corpus: Path) -> list[Source]:
    """Reads `novels.txt`, `alice.txt`, `shakespeare.txt` and `kjv.txt` from `corpus`.

    Raises FileNotFoundError naming the missing file.
    """
    alice = clean_alice(read(corpus / "alice.txt"))
    known = {run for doc in alice for run in word_runs(doc)}
    novels = [doc for doc in clean_novels(read(corpus / "novels.txt")) if not is_copy(doc, known)]
    documents = {
        "novels": novels,
        "alice": alice,
        "shakespeare": clean_shakespeare(read(corpus / "shakespeare.txt")),
        "kjv": clean_kjv(read(corpus / "kjv.txt")),
    }
    return [split(name, docs, HOLD_OUT[name]) for name, docs in documents.items()]


def read(path: Path) -> str:
    """The file's text with the typography unified: straight quotes, plain spaces, em dashes as one character."""
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\x1a", "")
    for raw, plain in {"\u00a0": " ", "“": '"', "”": '"', "‘": "'", "’": "'", "…": "...", "--": "—"}.items():
        text = text.replace(raw, plain)
    return re.sub(r"_(\S[^_\n]*?)_", r"\1", text)


def clean_novels(text: str) -> list[str]:
    """Novels wrapped at 67 columns, without blank lines, cut into overlapping pieces: whole chapters again."""
    chapters: list[list[str]] = []
    for piece in text.split(END_OF_TEXT):
        lines = undo_inner_overlaps([line.strip() for line in piece.split("\n") if line.strip()])
        overlap = overlap_length(chapters[-1], lines) if chapters else 0
        if overlap:
            chapters[-1].extend(lines[overlap:])
        elif lines:
            chapters.append(lines)
    return ["\n\n".join(tidy(p) for p in unwrap(lines)) for lines in chapters]


def overlap_length(before: list[str], after: list[str]) -> int:
    """How many lines at the end of `before` are repeated at the start of `after`."""
    sizes = range(min(MAX_OVERLAP_LINES, len(before), len(after)), 0, -1)
    return next((size for size in sizes if before[-size:] == after[:size]), 0)


def undo_inner_overlaps(lines: list[str]) -> list[str]:
    """Removes overlaps that were joined without a line break: `a, ba, b` (two lines) or `aa` (one line)."""
    out: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        half = len(line) // 2
        if len(line) > 8 and line[:half] == line[half:]:
            out.append(line[:half])
            i += 1
            continue
        size = next(
            (
                k
                for k in range(2, MAX_OVERLAP_LINES + 1)
                if len(out) >= k - 1 and i + k - 1 < len(lines) and line == lines[i + k - 1] + out[-(k - 1)]
            ),
            0,
        )
        if size:
            i += size - 1
            continue
        out.extend(split_glued(line))
        i += 1
    return out


def split_glued(line: str) -> list[str]:
    """Two paragraphs glued together without a space, in a line longer than the wrap, become two lines."""
    if len(line) <= WRAP_COLUMNS:
        return [line]
    return re.sub(r'([a-z][.!?]"?)(?="?[A-Z][a-z])', r"\1\n", line, count=1).split("\n")


def unwrap(lines: list[str]) -> list[str]:
    """Joins wrapped lines. A paragraph ends where the next word would still have fitted on the line."""
    paragraphs: list[str] = []
    starts = True
    for i, line in enumerate(lines):
        if starts:
            paragraphs.append(line)
        elif paragraphs[-1].endswith("-") and not paragraphs[-1].endswith("—"):
            paragraphs[-1] += line
        else:
            paragraphs[-1] += " " + line
        if i + 1 == len(lines):
            break
        starts = ends_paragraph(line, lines[i + 1], WRAP_COLUMNS - (FIRST_LINE_INDENT if starts else 0))
    return paragraphs


def ends_paragraph(line: str, following: str, width: int) -> bool:
    """Whether the break after `line` is deliberate: a sentence ended, and the next word would still have fitted."""
    sentence_ended = line[-1] in ".!?:;—\"')" and not following[0].islower()
    return sentence_ended and len(line) + 1 + len(following.split(" ")[0]) <= width


def clean_alice(text: str) -> list[str]:
    """Alice in the layout of the Millennium Fulcrum edition: one document for each chapter, without headings."""
    documents = []
    for chapter in re.split(r"\n\s*CHAPTER [IVX]+\s*\n", text)[1:]:
        chapter = chapter.split("THE END")[0]
        blocks = [block for block in re.split(r"\n\s*\n", chapter) if block.strip(" *\n")]
        documents.append("\n\n".join(tidy(alice_block(block)) for block in blocks[1:]))
    return documents


def alice_block(block: str) -> str:
    """One paragraph, or one verse of a poem (deeply indented) with its line breaks kept, quotes made double."""
    lines = block.strip("\n").split("\n")
    verse = len(lines) > 1 and all(line.startswith("      ") for line in lines if line.strip())
    text = ("\n" if verse else " ").join(line.strip() for line in lines if line.strip())
    text = re.sub(r"- (?=[A-Z])", "-", text)
    text = re.sub(r'"([^"]*)"', r"'\1'", text)
    text = text.replace("`", '"')
    return re.sub(r"(?<=[,.!?;:)—*])'(?=$|[\s)—])", '"', text)


def clean_shakespeare(text: str) -> list[str]:
    """Speeches, one for each paragraph, as they are: the line breaks are the verse."""
    speeches = [speech.strip() for speech in re.split(r"\n\s*\n", text) if speech.strip()]
    return grouped(speeches, 100, "\n\n")


def clean_kjv(text: str) -> list[str]:
    """Verses, one for each line, without their numbers."""
    verses = [re.sub(r"^(?:\d?\s?[A-Za-z ]+ )?\d+:\d+\s+", "", line.strip()) for line in text.split("\n")]
    return grouped([verse for verse in verses if verse], 200, "\n")


def grouped(items: list[str], size: int, separator: str) -> list[str]:
    """Documents of `size` items each."""
    return [separator.join(items[i : i + size]) for i in range(0, len(items), size)]


def tidy(paragraph: str) -> str:
    """Single spaces, no rows of asterisks, no space before a closing sign, a space after a sentence."""
    text = re.sub(r"(\* ?){3,}", "", paragraph)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"\.,(?=[A-Z])", "., ", text)
    text = re.sub(r'([a-z][.!?]"?)(?="?[A-Z][a-z])', r"\1 ", text)
    return text.strip()


def is_copy(document: str, known: set[tuple[str, ...]]) -> bool:
    """True when more than 30 % of the document's runs of eight words are known."""
    runs = word_runs(document)
    return bool(runs) and sum(run in known for run in runs) > 0.3 * len(runs)


def word_runs(text: str, length: int = 8) -> list[tuple[str, ...]]:
    """All runs of `length` lower-cased words."""
    words = re.findall(r"[a-z]+", text.lower())
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]


def split(name: str, documents: list[str], rule: HoldOut) -> Source:
    """Cuts the held-out passages (whole paragraphs) out of the documents; what follows a cut is a new document."""
    total = sum(len(doc) for doc in documents)
    block = total / rule.blocks
    train: list[str] = []
    held: list[str] = []
    position = 0
    previous_held = False
    for doc in documents:
        separator = "\n" if name == "kjv" else "\n\n"
        new_document = True
        for paragraph in doc.split(separator):
            held_now = (position % block) >= block * (1 - rule.share)
            target = held if held_now else train
            if new_document or held_now != previous_held or not target:
                target.append(paragraph)
            else:
                target[-1] += separator + paragraph
            position += len(paragraph) + len(separator)
            previous_held, new_document = held_now, False
    return Source(name, train, held)
