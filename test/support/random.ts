/** A small seeded generator (mulberry32) for tests; the seed is printed so that a failure can be run again with TEST_SEED. */
export function seededRandom(label: string): { seed: number; next(): number; below(n: number): number } {
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${label}: TEST_SEED=${seed}`);
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next, below: (n) => Math.floor(next() * n) };
}
