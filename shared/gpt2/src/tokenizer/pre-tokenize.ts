/**
 * Splits text into the pieces inside which byte pairs may merge: GPT-2's pattern (Radford et al. 2019, `encoder.py`).
 * The pieces concatenated are the text; time is linear, whatever the text.
 */

// White_Space is written out because JavaScript's \s differs from it (it includes U+FEFF and lacks U+0085).
const PIECE =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Calls `visit` with each piece, in order. The text must be well-formed UTF-16. */
export function forEachPiece(text: string, visit: (piece: string) => void): void {
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(text); match !== null; match = PIECE.exec(text)) visit(match[0]);
}
