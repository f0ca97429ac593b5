import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Deadlines } from './deadline.ts';
import { TurnoverMap } from './turnover-map.ts';
import { TurnoverSet } from './turnover-set.ts';

setFlagsFromString('--expose-gc');
// What V8 learns of so hurried a test would have new objects begin among the old ones, and the old keep others alive.
setFlagsFromString('--no-allocation-site-pretenuring');
const collect = runInNewContext('gc') as (options: { type: 'major' | 'minor' }) => void;

const oldBytes = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;

const jobs = 20_000;
const atOnce = 64;

const text = JSON.stringify(new Array(1000).fill(7));
/** A value of 8 kB. */
const load = () => JSON.parse(text) as number[];

/** Most bytes by which V8's old objects grew while jobs came and went, `atOnce` of them at a time: 160 MB in all, seen by young collections only. */
function mostGrowth(come: (n: number) => void, go: (n: number) => void): number {
  for (let n = 0; n < atOnce; n++) come(n);
  // Now the table is among the old objects.
  collect({ type: 'major' });
  collect({ type: 'major' });
  const before = oldBytes();
  let most = 0;
  for (let n = atOnce; n < jobs; n++) {
    come(n);
    go(n - atOnce);
    if (n % 500 > 0) continue;
    collect({ type: 'minor' });
    most = Math.max(most, oldBytes() - before);
  }
  return most;
}

describe('what was deleted is garbage at once, without a full collection', () => {
  it('in a TurnoverMap', () => {
    const map = new TurnoverMap<string, number[]>();
    const growth = mostGrowth(
      (n) => map.set(`job ${n}`, load()),
      (n) => map.delete(`job ${n}`),
    );
    expect(map.size).toBe(atOnce);
    expect(growth).toBeLessThan(8_000_000);
  });

  it('in a TurnoverSet', () => {
    const set = new TurnoverSet<number[]>();
    const removes = new Array<() => void>(2 * atOnce);
    const growth = mostGrowth(
      (n) => {
        removes[n % removes.length] = set.add(load());
      },
      (n) => removes[n % removes.length]!(),
    );
    expect(set.size).toBe(atOnce);
    expect(growth).toBeLessThan(8_000_000);
  });

  it('in deadlines that were met', () => {
    const deadlines = new Deadlines(60_000);
    const met = new Array<() => void>(2 * atOnce);
    const growth = mostGrowth(
      (n) => {
        const value = load();
        met[n % met.length] = deadlines.watch(() => expect.unreachable(`${value}`));
      },
      (n) => met[n % met.length]!(),
    );
    expect(growth).toBeLessThan(8_000_000);
    for (const meet of met) meet();
  });
});

it('a TurnoverMap holds what a Map would', () => {
  const map = new TurnoverMap<number, string | undefined>();
  map.set(1, 'a');
  map.set(2, undefined);
  map.set(3, 'c');
  map.set(1, 'b');
  expect([...map.values()]).toEqual(['b', undefined, 'c']);
  expect([map.size, map.has(2), map.get(2), map.get(4), map.has(4)]).toEqual([3, true, undefined, undefined, false]);
  expect([map.delete(2), map.delete(2), map.has(2), map.size]).toEqual([true, false, false, 2]);
  for (const value of map.values()) {
    map.delete(3);
    expect(value).toBe('b');
  }
  expect(map.size).toBe(1);
});

it('a TurnoverSet holds what was added until each is taken out', () => {
  const set = new TurnoverSet<string | undefined>();
  const [takeA, takeNothing, takeAnotherA] = ['a', undefined, 'a'].map((value) => set.add(value));
  expect([...set.values()]).toEqual(['a', undefined, 'a']);
  takeNothing!();
  takeA!();
  takeA!();
  expect([[...set.values()], set.size]).toEqual([['a'], 1]);
  set.add('b');
  const seen: unknown[] = [];
  for (const value of set.values()) {
    takeAnotherA!();
    seen.push(value);
  }
  expect([seen, set.size]).toEqual([['a', 'b'], 1]);
});
