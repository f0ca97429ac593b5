/** What one owner of a partition writes down is what the next one knows. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { markOf, PartitionProgress } from './progress.ts';

const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

it('commits the first unfinished offset, and everything read when all is finished', () => {
  const progress = new PartitionProgress('t', 0, 10, '');
  for (let offset = 10; offset < 20; offset++) expect(progress.read(offset)).toBe(0);
  expect(progress.prefix).toBe(10);
  for (const offset of [12, 11, 19]) progress.finish(offset);
  expect(progress.prefix).toBe(10);
  progress.finish(10);
  expect(progress.prefix).toBe(13);
  for (let offset = 13; offset < 19; offset++) progress.finish(offset);
  expect(progress.prefix).toBe(20);
});

it('tells the next owner what is finished and how often the rest was handed out, over any number of owners', () => {
  // How often an owner hands a message out, or that it finishes it.
  const deed = fc.constantFrom<number | 'finished'>('finished', 0, 1, 2);
  const owner = fc.array(deed, { maxLength: 40 });
  fc.assert(
    fc.property(fc.nat(1000), fc.array(owner, { minLength: 1, maxLength: 6 }), (start, owners) => {
      const truth = new Map<number, number | 'finished'>();
      let [committed, record] = [start, ''];
      for (const deeds of owners) {
        const progress = new PartitionProgress('t', 0, committed, record);
        for (const [index, done] of deeds.entries()) {
          const offset = committed + index;
          const known = truth.get(offset) ?? 0;
          expect(progress.read(offset)).toBe(known);
          if (known !== 'finished') truth.set(offset, act(progress, offset, known, done));
        }
        [committed, record] = [progress.prefix, progress.record('me')];
        expect(markOf(record)).toBe('me');
        for (let offset = start; offset < committed; offset++) expect(truth.get(offset)).toBe('finished');
      }
    }),
    { seed },
  );
});

/** Answers what is true of the message afterwards. */
function act(progress: PartitionProgress, offset: number, known: number, deed: number | 'finished') {
  if (deed === 'finished') {
    progress.finish(offset);
    return deed;
  }
  for (let times = 0; times < deed; times++) progress.handedOut(offset);
  return known + deed;
}

it('says in a few characters that tens of thousands are finished behind one that is not', () => {
  const progress = new PartitionProgress('t', 0, 0, '');
  for (let offset = 0; offset < 50_000; offset++) progress.read(offset);
  progress.handedOut(0);
  for (let offset = 1; offset < 50_000; offset++) progress.finish(offset);
  expect(progress.prefix).toBe(0);
  expect(progress.record('me')).toBe('1 me aF49999');
});

it('forgets what does not fit, and what it keeps is true', () => {
  const progress = new PartitionProgress('t', 0, 0, '');
  for (let offset = 0; offset < 20_000; offset++) progress.read(offset);
  for (let offset = 1; offset < 20_000; offset += 2) progress.finish(offset);
  const record = progress.record('me');
  expect(record.length).toBeLessThanOrEqual(4000);
  const next = new PartitionProgress('t', 0, 0, record);
  let repeated = 0;
  for (let offset = 0; offset < 20_000; offset++) {
    const fate = next.read(offset);
    if (offset % 2 === 0) expect(fate).toBe(0);
    else if (fate !== 'finished') repeated++;
  }
  expect(repeated).toBeLessThan(8_100);
});

it('takes a record nobody can read for none', () => {
  for (const record of ['', 'x', '2 me F5', '1 me F5!', '1 me', '\u0000']) {
    expect(new PartitionProgress('t', 0, 7, record).read(7)).toBe(0);
  }
});
