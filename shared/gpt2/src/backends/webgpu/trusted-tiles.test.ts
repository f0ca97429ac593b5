/** A card whose compiler treats a tile of rows otherwise than one row computes rows one by one. */
import { expect, it } from 'vitest';
import { stepOf } from '../../testing/run-sequence.ts';
import { ROW_TILES } from './runner.ts';
import { trustedTiles } from './trusted-tiles.ts';

const batch = stepOf([{ ids: [1, 2, 3, 4, 5, 6, 7, 8], from: 0, table: Int32Array.of(0) }], 'all');

/** Gives the last bit of one logit another value when `spoilt` rows go together. */
function runnerThatSpoils(spoilt: number | undefined) {
  return {
    tiles: [] as readonly number[],
    async run() {
      const rows = Array.from(batch.logitsRows, (row) => Float32Array.of(row, row + 0.5));
      if (this.tiles[0] === spoilt) new Uint32Array(rows[6]!.buffer)[1]! ^= 1;
      return rows;
    },
  };
}

it('tiles that change no bit are used', async () => {
  const runner = runnerThatSpoils(undefined);
  expect(await trustedTiles(runner, batch)).toEqual([8, 1]);
  expect(runner.tiles).toEqual([...ROW_TILES]);
});

it('a tile that changes one bit of one row is not', async () => {
  const runner = runnerThatSpoils(8);
  expect(await trustedTiles(runner, batch)).toEqual([1]);
  expect(runner.tiles).toEqual([1]);
});
