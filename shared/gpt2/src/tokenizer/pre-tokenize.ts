/**
 * Splits text into the pieces inside which byte pairs may merge: GPT-2's pattern (Radford et al. 2019, `encoder.py`).
 * The pieces concatenated are the text; time is linear, whatever the text. Letters and numbers are those of Unicode 16,
 * as in Hugging Face tokenizers, whatever Unicode this JavaScript engine knows: ids must not depend on the machine.
 */

/** Letters and numbers that came with Unicode 17. */
const TOO_NEW = [
  '\\u{88f}\\u{c5c}\\u{cdc}\\u{a7ce}-\\u{a7cf}\\u{a7d2}\\u{a7d4}\\u{a7f1}\\u{10940}-\\u{10959}\\u{10ec5}-\\u{10ec7}',
  '\\u{11db0}-\\u{11ddb}\\u{11de0}-\\u{11de9}\\u{16ea0}-\\u{16eb8}\\u{16ebb}-\\u{16ed3}\\u{16ff2}-\\u{16ff6}',
  '\\u{187f8}-\\u{187ff}\\u{18d09}-\\u{18d1e}\\u{18d80}-\\u{18df2}\\u{1e6c0}-\\u{1e6de}\\u{1e6e0}-\\u{1e6e2}',
  '\\u{1e6e4}-\\u{1e6e5}\\u{1e6e7}-\\u{1e6ed}\\u{1e6f0}-\\u{1e6f4}\\u{1e6fe}-\\u{1e6ff}\\u{2b73a}-\\u{2b73f}',
  '\\u{2cea2}-\\u{2cead}\\u{323b0}-\\u{33479}',
].join('');

const LETTER = `[\\p{L}--[${TOO_NEW}]]`;
const NUMBER = `[\\p{N}--[${TOO_NEW}]]`;
const OTHER = `[[^\\p{White_Space}\\p{L}\\p{N}][${TOO_NEW}]]`;

// White_Space is written out because JavaScript's \s differs from it (it includes U+FEFF and lacks U+0085).
const PIECE = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?${LETTER}+| ?${NUMBER}+| ?${OTHER}+|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+`,
  'gv',
);

/** Calls `visit` with each piece, in order. The text must be well-formed UTF-16. */
export function forEachPiece(text: string, visit: (piece: string) => void): void {
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(text); match !== null; match = PIECE.exec(text)) visit(match[0]);
}
