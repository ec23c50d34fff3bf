/**
 * The integer kernels in AssemblyScript with WebAssembly's 128-bit SIMD: the same bits as
 * `src/engine/kernels.ts`, an order of magnitude faster. `test/build-wasm-module.ts` compiles this
 * file into `src/engine/wasm-module.ts`.
 *
 * It is an interpreter: `run` walks over records of 16 words that `src/engine/wasm-plan.ts` lays out
 * in memory, and owns no memory, no globals and no state. Everything is checked before; nothing is
 * checked here.
 *
 * Activations are int16. Weights are int16 too, `[row / 8][column / 2][8 rows][2 columns]`, so that
 * one `dot_i16x8` takes two columns of four rows; missing rows and columns are zeros. Loads may
 * reach 8 values past an activation's end: buffers have that slack, and its weights are zero.
 */

/** How sums become int16 values: clamped to 0..127 where neither bit says otherwise. */
const SATURATE_16: i32 = 1;
const SATURATE_8: i32 = 2;
/** Factors are doubles, not int32. */
const DOUBLES: i32 = 4;

const OP_EXPAND: i32 = 1;
const OP_ROWS: i32 = 2;
const OP_DEPTHWISE: i32 = 3;
const OP_MEAN: i32 = 4;
const OP_GRU: i32 = 5;
const OP_STATE: i32 = 6;

const RECORD_BYTES: usize = 64;

/** Runs `count` records. */
export function run(program: usize, count: i32): void {
  for (let i = 0; i < count; i++, program += RECORD_BYTES) {
    const operation = word(program, 0);
    if (operation == OP_ROWS) {
      rows(
        word(program, 1), word(program, 2), word(program, 3), word(program, 4),
        word(program, 5), word(program, 6), word(program, 7),
        word(program, 8), word(program, 9), word(program, 10), word(program, 11)
      );
    } else if (operation == OP_DEPTHWISE) {
      depthwise(
        word(program, 1), word(program, 2), word(program, 3), word(program, 4),
        word(program, 5), word(program, 6), word(program, 7),
        word(program, 8), word(program, 9), word(program, 10), word(program, 11)
      );
    } else if (operation == OP_EXPAND) {
      expand(word(program, 1), word(program, 2), word(program, 3));
    } else if (operation == OP_MEAN) {
      mean(
        word(program, 1), word(program, 2), word(program, 3), word(program, 4),
        word(program, 5), word(program, 6), word(program, 7)
      );
    } else if (operation == OP_GRU) {
      gru(program);
    } else if (operation == OP_STATE) {
      statePool(word(program, 1), word(program, 2), word(program, 3), word(program, 4));
    }
  }
}

// @ts-ignore: decorator
@inline
function word(record: usize, index: i32): i32 {
  return load<i32>(record + (<usize>index << 2));
}

/** Four int32 sums times four int32 factors, plus a half, the upper 32 bits of each: the factors are
 * multipliers moved up so that every shift is 32. */
// @ts-ignore: decorator
@inline
function upperHalves(sums: v128, factors: v128): v128 {
  const half = i64x2.splat(0x80000000);
  const a = i64x2.add(i64x2.extmul_low_i32x4_s(sums, factors), half);
  const b = i64x2.add(i64x2.extmul_high_i32x4_s(sums, factors), half);
  return i32x4.shuffle(a, b, 1, 3, 5, 7);
}

/** Four int32 sums times four doubles, rounded half up: for shifts that cannot be made 32. */
// @ts-ignore: decorator
@inline
function scaled(sums: v128, factors: usize): v128 {
  const half = f64x2.splat(0.5);
  const low = f64x2.convert_low_i32x4_s(sums);
  const high = f64x2.convert_low_i32x4_s(i32x4.shuffle(sums, sums, 2, 3, 2, 3));
  const a = f64x2.floor(f64x2.add(f64x2.mul(low, v128.load(factors)), half));
  const b = f64x2.floor(f64x2.add(f64x2.mul(high, v128.load(factors, 16)), half));
  return i64x2.shuffle(
    i32x4.trunc_sat_f64x2_s_zero(a), i32x4.trunc_sat_f64x2_s_zero(b), 0, 2
  );
}

/** Eight sums to eight int16 values. */
// @ts-ignore: decorator
@inline
function requantized(low: v128, high: v128, factors: usize, mode: i32): v128 {
  let values: v128;
  if (mode & DOUBLES) {
    values = i16x8.narrow_i32x4_s(scaled(low, factors), scaled(high, factors + 32));
  } else {
    values = i16x8.narrow_i32x4_s(
      upperHalves(low, v128.load(factors)), upperHalves(high, v128.load(factors, 16))
    );
  }
  if (mode & SATURATE_16) return values;
  const least = i16x8.splat(mode & SATURATE_8 ? -128 : 0);
  return i16x8.max_s(least, i16x8.min_s(i16x8.splat(127), values));
}

/** How far a block's factors reach. */
// @ts-ignore: decorator
@inline
function factorBytes(mode: i32): usize {
  return mode & DOUBLES ? 64 : 32;
}

/** Stores the first `count` of eight int16 values; the next row begins right behind them. */
// @ts-ignore: decorator
@inline
function storeSome(to: usize, values: v128, count: i32): void {
  if (count >= 8) {
    v128.store(to, values);
    return;
  }
  if (count & 4) {
    v128.store64_lane(to, values, 0);
    values = i64x2.shuffle(values, values, 1, 1);
    to += 8;
  }
  if (count & 2) {
    v128.store32_lane(to, values, 0);
    values = i32x4.shuffle(values, values, 1, 1, 1, 1);
    to += 4;
  }
  if (count & 1) v128.store16_lane(to, values, 0);
}

/** Dense and convolutional layers alike: `times` rows of 2 * `pairs` values, `step` bytes apart,
 * each times the same matrix of `outputs` rows. */
function rows(
  input: usize, step: usize, output: usize, outputStep: usize,
  times: i32, outputs: i32, pairs: i32,
  weights: usize, bias: usize, factors: usize, mode: i32
): void {
  const blockBytes: usize = <usize>pairs << 5;
  for (let left = outputs; left > 0; left -= 8) {
    const biasLow = v128.load(bias);
    const biasHigh = v128.load(bias, 16);
    const end = weights + blockBytes;
    let x = input;
    let y = output;
    let t = times;
    for (; t >= 4; t -= 4) {
      let a0 = biasLow, a1 = biasHigh, b0 = biasLow, b1 = biasHigh;
      let c0 = biasLow, c1 = biasHigh, d0 = biasLow, d1 = biasHigh;
      let p = x;
      for (let w = weights; w < end; w += 32) {
        const w0 = v128.load(w);
        const w1 = v128.load(w, 16);
        let q = v128.load32_splat(p);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(q, w0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(q, w1));
        q = v128.load32_splat(p + step);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(q, w0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(q, w1));
        q = v128.load32_splat(p + 2 * step);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(q, w0));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(q, w1));
        q = v128.load32_splat(p + 3 * step);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(q, w0));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(q, w1));
        p += 4;
      }
      storeSome(y, requantized(a0, a1, factors, mode), left);
      storeSome(y + outputStep, requantized(b0, b1, factors, mode), left);
      storeSome(y + 2 * outputStep, requantized(c0, c1, factors, mode), left);
      storeSome(y + 3 * outputStep, requantized(d0, d1, factors, mode), left);
      x += 4 * step;
      y += 4 * outputStep;
    }
    for (; t > 0; t--) {
      let a0 = biasLow, a1 = biasHigh;
      let p = x;
      for (let w = weights; w < end; w += 32) {
        const q = v128.load32_splat(p);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(q, v128.load(w)));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(q, v128.load(w, 16)));
        p += 4;
      }
      storeSome(y, requantized(a0, a1, factors, mode), left);
      x += step;
      y += outputStep;
    }
    weights = end;
    bias += 32;
    factors += factorBytes(mode);
    output += 16;
  }
}

/** `rows` for a single row, sixteen outputs at a time: the dense layers, and a GRU's state. */
function oneRow(
  input: usize, output: usize, outputs: i32, pairs: i32,
  weights: usize, bias: usize, factors: usize, mode: i32
): void {
  const blockBytes: usize = <usize>pairs << 5;
  let left = outputs;
  for (; left > 8; left -= 16) {
    let a0 = v128.load(bias), a1 = v128.load(bias, 16);
    let b0 = v128.load(bias, 32), b1 = v128.load(bias, 48);
    const end = weights + blockBytes;
    let p = input;
    for (let w = weights; w < end; w += 32) {
      const q = v128.load32_splat(p);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(q, v128.load(w)));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(q, v128.load(w, 16)));
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(q, v128.load(w + blockBytes)));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(q, v128.load(w + blockBytes, 16)));
      p += 4;
    }
    v128.store(output, requantized(a0, a1, factors, mode));
    storeSome(output + 16, requantized(b0, b1, factors + factorBytes(mode), mode), left - 8);
    weights = end + blockBytes;
    bias += 64;
    factors += 2 * factorBytes(mode);
    output += 32;
  }
  if (left > 0) rows(input, 0, output, 0, 1, left, pairs, weights, bias, factors, mode);
}

/** Two taps of eight channels at a time; a row of the input is `rowBytes` long. */
function depthwise(
  input: usize, step: usize, rowBytes: usize, output: usize,
  times: i32, channels: i32, pairs: i32,
  weights: usize, bias: usize, factors: usize, mode: i32
): void {
  const blockBytes: usize = <usize>pairs << 5;
  for (let left = channels; left > 0; left -= 8) {
    const biasLow = v128.load(bias);
    const biasHigh = v128.load(bias, 16);
    const end = weights + blockBytes;
    let x = input;
    let y = output;
    for (let t = 0; t < times; t++) {
      let low = biasLow, high = biasHigh;
      let p = x;
      for (let w = weights; w < end; w += 32) {
        const a = v128.load(p);
        const b = v128.load(p + rowBytes);
        const ab = i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
        const cd = i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
        low = i32x4.add(low, i32x4.dot_i16x8_s(ab, v128.load(w)));
        high = i32x4.add(high, i32x4.dot_i16x8_s(cd, v128.load(w, 16)));
        p += 2 * rowBytes;
      }
      storeSome(y, requantized(low, high, factors, mode), left);
      x += step;
      y += rowBytes;
    }
    weights = end;
    bias += 32;
    factors += factorBytes(mode);
    input += 16;
    output += 16;
  }
}

/** `count` int8 values to int16, eight at a time: what lies behind them must be zero. */
function expand(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    v128.store(to, v128.load8x8_s(from));
    from += 8;
    to += 16;
  }
}

/** Sums over time, requantized; the features as int16 for the head and as int8 for the caller. */
function mean(
  input: usize, times: i32, channels: i32, features: usize, bytes: usize, factors: usize, mode: i32
): void {
  const rowBytes: usize = <usize>channels << 1;
  for (let left = channels; left > 0; left -= 8) {
    let low = i32x4.splat(0), high = i32x4.splat(0);
    let p = input;
    for (let t = 0; t < times; t++) {
      const x = v128.load(p);
      low = i32x4.add(low, i32x4.extend_low_i16x8_s(x));
      high = i32x4.add(high, i32x4.extend_high_i16x8_s(x));
      p += rowBytes;
    }
    const values = requantized(low, high, factors, mode);
    v128.store(features, values);
    v128.store64_lane(bytes, i8x16.narrow_i16x8_s(values, values), 0);
    input += 16;
    features += 16;
    bytes += 8;
  }
}

/** Words 1 and 2: pre-activations from the input, one row per patch, and the number of patches; 3
 * hidden units, a multiple of eight; 4 state; 5 pre-activations from the state; 6 pairs of columns;
 * 7 weights, 8 bias, 9 factors of the state; 10 and 11 the tables of sigmoid and tanh; 12 mode. */
function gru(record: usize): void {
  let fromInput: usize = word(record, 1);
  const hidden = word(record, 3);
  const state: usize = word(record, 4);
  const fromState: usize = word(record, 5);
  const sigmoid: usize = word(record, 10);
  const tanh: usize = word(record, 11);
  const gateBytes: usize = <usize>hidden << 1;
  for (let patches = word(record, 2); patches > 0; patches--) {
    oneRow(
      state, fromState, 3 * hidden, word(record, 6),
      word(record, 7), word(record, 8), word(record, 9), word(record, 12)
    );
    for (let j: usize = 0; j < gateBytes; j += 16) {
      const a = fromInput + j;
      const u = fromState + j;
      const reset = looked(sigmoid, i16x8.add_sat_s(v128.load(a), v128.load(u)));
      const update = looked(
        sigmoid, i16x8.add_sat_s(v128.load(a + gateBytes), v128.load(u + gateBytes))
      );
      const held = i16x8.q15mulr_sat_s(reset, v128.load(u + 2 * gateBytes));
      const fresh = looked(tanh, i16x8.add_sat_s(v128.load(a + 2 * gateBytes), held));
      const before = v128.load(state + j);
      v128.store(state + j, i16x8.narrow_i32x4_s(
        blended(
          i32x4.extend_low_i16x8_s(before), i32x4.extend_low_i16x8_s(fresh),
          i32x4.extend_low_i16x8_s(update)
        ),
        blended(
          i32x4.extend_high_i16x8_s(before), i32x4.extend_high_i16x8_s(fresh),
          i32x4.extend_high_i16x8_s(update)
        )
      ));
    }
    fromInput += 3 * gateBytes;
  }
}

/** n + ((z (h - n) + 2^14) >> 15); the product is below 2^31. */
// @ts-ignore: decorator
@inline
function blended(before: v128, fresh: v128, update: v128): v128 {
  const product = i32x4.mul(update, i32x4.sub(before, fresh));
  return i32x4.add(fresh, i32x4.shr_s(i32x4.add(product, i32x4.splat(16384)), 15));
}

/** Eight Q3.12 numbers through a table. An entry is a node and the rise to the next one, two int16:
 * (node * 256 + rise * fraction + 128) >> 8 is one dot product. */
// @ts-ignore: decorator
@inline
function looked(table: usize, values: v128): v128 {
  return i16x8.narrow_i32x4_s(
    lookedFour(table, i32x4.extend_low_i16x8_s(values)),
    lookedFour(table, i32x4.extend_high_i16x8_s(values))
  );
}

// @ts-ignore: decorator
@inline
function lookedFour(table: usize, values: v128): v128 {
  const position = i32x4.add(values, i32x4.splat(32768));
  const offsets = i32x4.shl(i32x4.shr_u(position, 8), 2);
  let entries = v128.load32_splat(table + i32x4.extract_lane(offsets, 0));
  entries = v128.load32_lane(table + i32x4.extract_lane(offsets, 1), entries, 1);
  entries = v128.load32_lane(table + i32x4.extract_lane(offsets, 2), entries, 2);
  entries = v128.load32_lane(table + i32x4.extract_lane(offsets, 3), entries, 3);
  const fraction = i32x4.shl(v128.and(position, i32x4.splat(255)), 16);
  const pairs = v128.or(fraction, i32x4.splat(256));
  return i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(entries, pairs), i32x4.splat(128)), 8);
}

/** (h + 128) >> 8, saturated: the features as int16 and as int8. */
function statePool(state: usize, hidden: i32, features: usize, bytes: usize): void {
  for (let left = hidden; left > 0; left -= 8) {
    const values = i16x8.shr_s(i16x8.add_sat_s(v128.load(state), i16x8.splat(128)), 8);
    v128.store(features, values);
    v128.store64_lane(bytes, i8x16.narrow_i16x8_s(values, values), 0);
    state += 16;
    features += 16;
    bytes += 8;
  }
}
