/** Row-wise kernels: embedding lookup, layer norm, and storing new keys and values. A chunk is a range of rows. */
import { getArgument, getFloatArgument, setArgument, setFloatArgument } from './job';
import { horizontalSum, multiplyAdd, splat } from './vector-math';

@inline
function pointer(control: usize, index: i32): usize {
  return <usize>(<u32>getArgument(control, index));
}

@inline
function chunkCount(rows: i32, rowsPerChunk: i32): i32 {
  return (rows + rowsPerChunk - 1) / rowsPerChunk;
}

/** wte is packed as linear.ts packs it: token t is column t % 8 of panel t / 8. */
export function prepareEmbed(
  control: usize, tokens: usize, positions: usize, wte: usize, wpe: usize, out: usize, rows: i32, width: i32, rowsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>tokens);
  setArgument(control, 1, <i32>positions);
  setArgument(control, 2, <i32>wte);
  setArgument(control, 3, <i32>wpe);
  setArgument(control, 4, <i32>out);
  setArgument(control, 5, rows);
  setArgument(control, 6, width);
  setArgument(control, 7, rowsPerChunk);
  return chunkCount(rows, rowsPerChunk);
}

/** out[r] = wte[tokens[r]] + wpe[positions[r]] */
export function runEmbed(control: usize, chunk: i32): void {
  const rows = getArgument(control, 5);
  const width = getArgument(control, 6);
  const perChunk = getArgument(control, 7);
  const end = min((chunk + 1) * perChunk, rows);
  for (let r = chunk * perChunk; r < end; r++) {
    const token = load<i32>(pointer(control, 0) + (<usize>r << 2));
    const position = load<i32>(pointer(control, 1) + (<usize>r << 2));
    let column = pointer(control, 2) + (<usize>(token >> 3) * <usize>width * 8 + <usize>(token & 7)) * 4;
    let embedding = pointer(control, 3) + <usize>position * (<usize>width << 2);
    let out = pointer(control, 4) + <usize>r * (<usize>width << 2);
    for (let i = 0; i < width; i++) {
      store<f32>(out, load<f32>(column) + load<f32>(embedding));
      column += 32;
      embedding += 4;
      out += 4;
    }
  }
}

export function prepareLayerNorm(
  control: usize, x: usize, selection: usize, gain: usize, bias: usize, out: usize, epsilon: f32, rows: i32, width: i32,
  rowsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>x);
  setArgument(control, 1, <i32>gain);
  setArgument(control, 2, <i32>bias);
  setArgument(control, 3, <i32>out);
  setFloatArgument(control, 4, epsilon);
  setArgument(control, 5, rows);
  setArgument(control, 6, width);
  setArgument(control, 7, rowsPerChunk);
  setArgument(control, 8, <i32>selection);
  return chunkCount(rows, rowsPerChunk);
}

function rowSum(x: usize, width: i32): f32 {
  let sums = splat(0);
  let i = 0;
  for (; i + 4 <= width; i += 4) sums = f32x4.add(sums, v128.load(x + (<usize>i << 2)));
  let sum = horizontalSum(sums);
  for (; i < width; i++) sum += load<f32>(x + (<usize>i << 2));
  return sum;
}

function rowSquaredDistance(x: usize, mean: f32, width: i32): f32 {
  const means = splat(mean);
  let sums = splat(0);
  let i = 0;
  for (; i + 4 <= width; i += 4) {
    const d = f32x4.sub(v128.load(x + (<usize>i << 2)), means);
    sums = multiplyAdd(d, d, sums);
  }
  let sum = horizontalSum(sums);
  for (; i < width; i++) {
    const d = load<f32>(x + (<usize>i << 2)) - mean;
    sum += d * d;
  }
  return sum;
}

/** out[r] = (x[s] - mean) / sqrt(variance + epsilon) * gain + bias, s = selection[r] or r (Ba, Kiros, Hinton 2016). */
export function runLayerNorm(control: usize, chunk: i32): void {
  const rows = getArgument(control, 5);
  const width = getArgument(control, 6);
  const perChunk = getArgument(control, 7);
  const gain = pointer(control, 1);
  const bias = pointer(control, 2);
  const selection = pointer(control, 8);
  const end = min((chunk + 1) * perChunk, rows);
  for (let r = chunk * perChunk; r < end; r++) {
    const source = selection == 0 ? r : load<i32>(selection + (<usize>r << 2));
    const x = pointer(control, 0) + <usize>source * (<usize>width << 2);
    const out = pointer(control, 3) + <usize>r * (<usize>width << 2);
    const mean = rowSum(x, width) / <f32>width;
    const variance = rowSquaredDistance(x, mean, width) / <f32>width;
    const scale: f32 = <f32>1 / sqrt<f32>(variance + getFloatArgument(control, 4));
    const means = splat(mean);
    const scales = splat(scale);
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const at = <usize>i << 2;
      const normal = f32x4.mul(f32x4.sub(v128.load(x + at), means), scales);
      v128.store(out + at, multiplyAdd(normal, v128.load(gain + at), v128.load(bias + at)));
    }
    for (; i < width; i++) {
      const at = <usize>i << 2;
      store<f32>(out + at, (load<f32>(x + at) - mean) * scale * load<f32>(gain + at) + load<f32>(bias + at));
    }
  }
}

/** slots[r] = block * blockSize + offset: where in the cache row r's key and value go. */
export function prepareStoreKv(
  control: usize, qkv: usize, slots: usize, keys: usize, values: usize, rows: i32, heads: i32, headWidth: i32, blockSize: i32, rowsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>qkv);
  setArgument(control, 1, <i32>slots);
  setArgument(control, 2, <i32>keys);
  setArgument(control, 3, <i32>values);
  setArgument(control, 4, heads);
  setArgument(control, 5, rows);
  setArgument(control, 6, headWidth);
  setArgument(control, 7, rowsPerChunk);
  setArgument(control, 8, blockSize);
  return chunkCount(rows, rowsPerChunk);
}

/** keys[block][head][offset] = k[r][head], likewise values. qkv [rows, 3 * heads * headWidth] */
export function runStoreKv(control: usize, chunk: i32): void {
  const heads = getArgument(control, 4);
  const rows = getArgument(control, 5);
  const headBytes = <usize>getArgument(control, 6) << 2;
  const perChunk = getArgument(control, 7);
  const blockSize = getArgument(control, 8);
  const width = <usize>heads * headBytes;
  const end = min((chunk + 1) * perChunk, rows);
  for (let r = chunk * perChunk; r < end; r++) {
    const slot = load<i32>(pointer(control, 1) + (<usize>r << 2));
    let key = pointer(control, 0) + <usize>r * width * 3 + width;
    let at = (<usize>(slot / blockSize) * <usize>heads * <usize>blockSize + <usize>(slot % blockSize)) * headBytes;
    for (let h = 0; h < heads; h++) {
      memory.copy(pointer(control, 2) + at, key, headBytes);
      memory.copy(pointer(control, 3) + at, key + width, headBytes);
      key += headBytes;
      at += <usize>blockSize * headBytes;
    }
  }
}
