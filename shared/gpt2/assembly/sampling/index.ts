/**
 * From a row of logits to a token: the passes over the whole vocabulary, with two doubles at a time where no order is
 * at stake. What is added up is added one by one in the order of ids, and only multiplications and additions that
 * IEEE-754 rounds are used, so every sum and weight has the bits that plain code gives (src/sampling/exp.ts).
 *
 * Rows are read in blocks: `count` is a multiple of BLOCK, and what stands behind the vocabulary is -Infinity.
 */

/** Ids whose weights share an entry of `sums`. */
const BLOCK: i32 = 16;

const STEPS: f64 = 64;
const LN2: f64 = 0.6931471805599453;
const STEPS_PER_UNIT: f64 = STEPS / LN2;
const STEP_HIGH: f64 = 0.6931471803691238 / STEPS;
const STEP_LOW: f64 = 1.9082149292705877e-10 / STEPS;
const UNDERFLOW: f64 = -700;

/** The largest value; NaN if there is one. */
export function largest(values: usize, count: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let c = a;
  let d = a;
  for (let end = values + (<usize>count << 2); values < end; values += 64) {
    a = f32x4.max(a, v128.load(values));
    b = f32x4.max(b, v128.load(values, 16));
    c = f32x4.max(c, v128.load(values, 32));
    d = f32x4.max(d, v128.load(values, 48));
  }
  a = f32x4.max(f32x4.max(a, b), f32x4.max(c, d));
  a = f32x4.max(a, v128.shuffle<f32>(a, a, 2, 3, 0, 1));
  return max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1));
}

/** The lowest id with this value; `count` if none has it. */
export function firstAt(values: usize, count: i32, value: f32): i32 {
  const wanted = f32x4.splat(value);
  for (let id = 0; id < count; id += 4) {
    const equal = f32x4.eq(v128.load(values + (<usize>id << 2)), wanted);
    if (v128.any_true(equal)) return id + ctz(i32x4.bitmask(equal));
  }
  return count;
}

/** Lanes with (logit - max) * scale, from the lower two of four logits. */
@inline
function exponents(logits: v128, most: v128, scale: v128): v128 {
  return f64x2.mul(f64x2.sub(f64x2.promote_low_f32x4(logits), most), scale);
}

@inline
function upper(logits: v128): v128 {
  return v128.shuffle<f64>(logits, logits, 1, 0);
}

/** e^x as `expNonPositive` computes it; 0 where that is below `least`. */
@inline
function exponential(x: v128, fractions: usize, least: v128): v128 {
  const i = i32x4.trunc_sat_f64x2_s_zero(f64x2.sub(f64x2.splat(0.5), f64x2.mul(x, f64x2.splat(STEPS_PER_UNIT))));
  const steps = f64x2.convert_low_i32x4_s(i);
  const r = f64x2.add(
    f64x2.add(x, f64x2.mul(steps, f64x2.splat(STEP_HIGH))),
    f64x2.mul(steps, f64x2.splat(STEP_LOW)),
  );
  let p = f64x2.add(f64x2.splat(1.0 / 24.0), f64x2.mul(r, f64x2.splat(1.0 / 120.0)));
  p = f64x2.add(f64x2.splat(1.0 / 6.0), f64x2.mul(r, p));
  p = f64x2.add(f64x2.splat(1.0 / 2.0), f64x2.mul(r, p));
  p = f64x2.add(f64x2.splat(1), f64x2.mul(r, p));
  p = f64x2.add(f64x2.splat(1), f64x2.mul(r, p));
  const first = fractions + (<usize>(i32x4.extract_lane(i, 0) & 63) << 3);
  const second = fractions + (<usize>(i32x4.extract_lane(i, 1) & 63) << 3);
  const fraction = v128.load64_lane(second, v128.load64_zero(first), 1);
  const power = i64x2.shl(i64x2.sub(i64x2.splat(1023), i64x2.extend_low_i32x4_s(i32x4.shr_s(i, 6))), 52);
  const result = v128.and(f64x2.mul(f64x2.mul(p, fraction), power), f64x2.ge(x, f64x2.splat(UNDERFLOW)));
  return v128.andnot(result, f64x2.lt(result, least));
}

/**
 * weights[id] = e^((values[id] - most) * scale), or 0 if that is below `least`.
 * @param fractions the table of exp.ts
 * @param lowest exponents below it give 0 in any case
 * @param sums their running sum behind each block
 * @returns their sum
 */
export function weigh(
  values: usize, count: i32, most: f64, scale: f64, least: f64, lowest: f64, fractions: usize, weights: usize, sums: usize,
): f64 {
  const most2 = f64x2.splat(most);
  const scale2 = f64x2.splat(scale);
  const least2 = f64x2.splat(least);
  const lowest2 = f64x2.splat(lowest);
  const zero = f64x2.splat(0);
  let total: f64 = 0;
  for (let end = values + (<usize>count << 2); values < end; values += 64, weights += 128, sums += 8) {
    const first = v128.load(values);
    const second = v128.load(values, 16);
    const third = v128.load(values, 32);
    const fourth = v128.load(values, 48);
    const top = f32x4.max(f32x4.max(first, second), f32x4.max(third, fourth));
    const anyLives = v128.or(
      f64x2.ge(exponents(top, most2, scale2), lowest2),
      f64x2.ge(exponents(upper(top), most2, scale2), lowest2),
    );
    if (v128.any_true(anyLives)) {
      for (let at: usize = 0; at < 64; at += 16) {
        const logits = v128.load(values + at);
        const low = exponential(exponents(logits, most2, scale2), fractions, least2);
        const high = exponential(exponents(upper(logits), most2, scale2), fractions, least2);
        v128.store(weights + (at << 1), low);
        v128.store(weights + (at << 1), high, 16);
        total += f64x2.extract_lane(low, 0);
        total += f64x2.extract_lane(low, 1);
        total += f64x2.extract_lane(high, 0);
        total += f64x2.extract_lane(high, 1);
      }
    } else {
      for (let at: usize = 0; at < 128; at += 16) v128.store(weights + at, zero);
    }
    f64.store(sums, total);
  }
  return total;
}

/** Sets to zero the weight of all but the values above `value` and the first `ties` equal to it; as `weigh` otherwise. */
export function keepOnly(values: usize, count: i32, value: f32, ties: i32, weights: usize, sums: usize): f64 {
  const bound = f32x4.splat(value);
  const zero = f64x2.splat(0);
  let total: f64 = 0;
  for (let end = values + (<usize>count << 2); values < end; sums += 8) {
    for (const blockEnd = values + 64; values < blockEnd; values += 16, weights += 32) {
      const logits = v128.load(values);
      if (!v128.any_true(f32x4.ge(logits, bound))) {
        v128.store(weights, zero);
        v128.store(weights, zero, 16);
        continue;
      }
      for (let lane: usize = 0; lane < 4; lane++) {
        const logit = f32.load(values + (lane << 2));
        if (logit > value || (logit == value && ties-- > 0)) total += f64.load(weights + (lane << 3));
        else f64.store(weights + (lane << 3), 0);
      }
    }
    f64.store(sums, total);
  }
  return total;
}

/** The id at which the running sum, in the order of ids, first exceeds `target`; the last with a weight if it never does. */
export function crossing(count: i32, weights: usize, sums: usize, target: f64): i32 {
  const blocks = count / BLOCK;
  let block = 0;
  while (block < blocks && !(f64.load(sums + (<usize>block << 3)) > target)) block++;
  if (block < blocks) {
    let running = block == 0 ? 0 : f64.load(sums + (<usize>(block - 1) << 3));
    let id = block * BLOCK;
    while (id < count) {
      running += f64.load(weights + (<usize>id << 3));
      if (running > target) break;
      id++;
    }
    return id;
  }
  let last = count - 1;
  while (last > 0 && f64.load(weights + (<usize>last << 3)) == 0) last--;
  return last;
}

/** maxima[b] = the largest value of block b. */
export function blockMaxima(values: usize, count: i32, maxima: usize): void {
  for (let end = values + (<usize>count << 2); values < end; values += 64, maxima += 4) {
    let most = f32x4.max(
      f32x4.max(v128.load(values), v128.load(values, 16)),
      f32x4.max(v128.load(values, 32), v128.load(values, 48)),
    );
    most = f32x4.max(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1));
    f32.store(maxima, max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)));
  }
}

/** Writes the ids with at least this value, in order; returns how many. */
export function collectValues(values: usize, count: i32, least: f32, ids: usize): i32 {
  const bound = f32x4.splat(least);
  const start = ids;
  for (let id = 0; id < count; id += 4) {
    let mask = i32x4.bitmask(f32x4.ge(v128.load(values + (<usize>id << 2)), bound));
    while (mask != 0) {
      i32.store(ids, id + ctz(mask));
      ids += 4;
      mask &= mask - 1;
    }
  }
  return <i32>((ids - start) >> 2);
}

/** Writes the ids with at least this weight, in order; returns how many. */
export function collectWeights(weights: usize, count: i32, least: f64, ids: usize): i32 {
  const bound = f64x2.splat(least);
  const start = ids;
  for (let id = 0; id < count; id += 2) {
    let mask = i64x2.bitmask(f64x2.ge(v128.load(weights + (<usize>id << 3)), bound));
    while (mask != 0) {
      i32.store(ids, id + ctz(mask));
      ids += 4;
      mask &= mask - 1;
    }
  }
  return <i32>((ids - start) >> 2);
}
