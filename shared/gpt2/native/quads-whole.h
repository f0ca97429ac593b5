/**
 * How four 12-bit inputs lie in their eight bytes: as four 16-bit numbers, for tiles that multiply such.
 * Included inside the namespace of an instruction set.
 */

/** Two quads of inputs as the tiles want them. */
INLINE s8 arranged(s8 quads) { return quads; }
