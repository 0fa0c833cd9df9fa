/** Bytes for tests that every run and every machine makes alike. */

/** The reference's LCG sample: per 8 bytes s = 6364136223846793005 s + 1442695040888963407, LE of s ^ (s >> 33). */
export function lcgBytes(length: number, seed = 1n): Buffer {
  const out = Buffer.alloc(Math.ceil(length / 8) * 8)
  let s = seed
  for (let at = 0; at < out.length; at += 8) {
    s = BigInt.asUintN(64, s * 6364136223846793005n + 1442695040888963407n)
    out.writeBigUInt64LE(s ^ (s >> 33n), at)
  }
  return out.subarray(0, length)
}

/** SplitMix64, little-endian words. */
export function splitMixBytes(length: number, seed = 0n): Buffer {
  const out = Buffer.alloc(Math.ceil(length / 8) * 8)
  const wrap = (x: bigint) => BigInt.asUintN(64, x)
  let s = seed
  for (let at = 0; at < out.length; at += 8) {
    s = wrap(s + 0x9e3779b97f4a7c15n)
    let z = s
    z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    out.writeBigUInt64LE(z ^ (z >> 31n), at)
  }
  return out.subarray(0, length)
}

/** `random.Random(seed).randbytes(length)` of Python: MT19937 words, little-endian. `length` a multiple of 4. */
export function pythonRandomBytes(length: number, seed: number): Buffer {
  const mt = new Uint32Array(624)
  mt[0] = 19650218
  const at = (i: number) => mt[i] as number
  for (let i = 1; i < 624; i++) mt[i] = Math.imul(1812433253, at(i - 1) ^ (at(i - 1) >>> 30)) + i
  let i = 1
  for (let k = 0; k < 624; k++) {
    mt[i] = (at(i) ^ Math.imul(at(i - 1) ^ (at(i - 1) >>> 30), 1664525)) + seed
    if (++i >= 624) {
      mt[0] = at(623)
      i = 1
    }
  }
  for (let k = 0; k < 623; k++) {
    mt[i] = (at(i) ^ Math.imul(at(i - 1) ^ (at(i - 1) >>> 30), 1566083941)) - i
    if (++i >= 624) {
      mt[0] = at(623)
      i = 1
    }
  }
  mt[0] = 0x80000000
  const out = Buffer.alloc(length)
  for (let word = 0; word < length / 4; word++) {
    const index = word % 624
    if (index === 0) twist(mt)
    let y = at(index)
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    out.writeUInt32LE((y ^ (y >>> 18)) >>> 0, word * 4)
  }
  return out
}

function twist(mt: Uint32Array): void {
  for (let k = 0; k < 624; k++) {
    const y = ((mt[k] as number) & 0x80000000) | ((mt[(k + 1) % 624] as number) & 0x7fffffff)
    mt[k] = (mt[(k + 397) % 624] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
  }
}

/** A repeatable stream of integers below `bound`. */
export function dice(seed: number): (bound: number) => number {
  let s = seed >>> 0
  return (bound) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0
    return Math.floor((s / 2 ** 32) * bound)
  }
}

/** Bytes of mixed character: runs, repeats at short and long distance, words, noise. */
export function mixedBytes(length: number, seed: number): Buffer {
  const roll = dice(seed)
  const out = Buffer.alloc(length)
  let at = 0
  while (at < length) {
    const run = Math.min(length - at, 1 + roll([8, 40, 400, 3000][roll(4)] as number))
    const kind = roll(4)
    if (kind === 0) out.fill(roll(256), at, at + run)
    else if (kind === 1 && at > 0) {
      const back = 1 + roll(Math.min(at, roll(2) ? 20 : 100_000))
      for (let i = 0; i < run; i++) out[at + i] = out[at + i - back] as number
    } else if (kind === 2) {
      for (let i = 0; i < run; i++) out[at + i] = roll(256)
    } else out.fill(`word ${roll(50)} `, at, at + run)
    at += run
  }
  return out
}
