/** What is there is found wherever it stands, in few questions where it stands together. */
import { expect, it } from 'vitest';
import { knownAmong } from './known-among.ts';

const ids = Array.from({ length: 1000 }, (_, index) => `id_${index}`);

async function among(blocks: readonly (readonly string[])[]) {
  let asked = 0;
  const known = await knownAmong(ids, async (some) => {
    asked++;
    return blocks.filter((block) => block.some((id) => some.includes(id))).flat();
  });
  return { asked, there: ids.filter((id) => known.has(id)) };
}

it.each([
  ['nothing', []],
  ['everything in two blocks', [ids.slice(0, 500), ids.slice(500)]],
  ['everything in blocks of one', ids.map((id) => [id])],
  ['only the last', [['other', ids[999]!]]],
  ['every third, beside others', [ids.filter((_, index) => index % 3 === 0), ['others']]],
])('finds what is there: %s', async (_, blocks) => {
  const { asked, there } = await among(blocks);
  const written = new Set(blocks.flat());
  expect(there).toEqual(ids.filter((id) => written.has(id)));
  expect(asked).toBeLessThanOrEqual(6);
});

it('asks no more than a few times for a batch that was written before', async () => {
  expect((await among([ids.slice(0, 300), ids.slice(300, 700), ids.slice(700)])).asked).toBe(3);
});
