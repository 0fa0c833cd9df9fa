/**
 * Typed door to kernels.wat. One instance per thread and every call synchronous: a view that a function here
 * returns is good until the next call and must be copied to be kept.
 */
import { GEAR_TABLE_HEX } from './gear-table.js'
import { KERNELS_BASE64 } from './kernels-wasm.js'

/** Most bytes a kernel takes at once: the longest stored chunk. */
export const MAX_INPUT_BYTES = 256 * 1024
/** Most bytes a kernel gives at once: the longest raw chunk. */
export const MAX_OUTPUT_BYTES = 128 * 1024

const IN = 0x10000
const OUT = 0x60000
const SCRATCH = 0x90000

interface Kernels {
  memory: { buffer: ArrayBuffer }
  gear_hash: { value: bigint }
  gear_size: { value: number }
  gear_next(at: number, length: number): number
  lz4_decode(from: number, length: number, to: number, low: number, end: number): number
  lz4_encode(from: number, length: number, to: number, capacity: number): number
  bg4_split(from: number, length: number, to: number): void
  bg4_join(from: number, length: number, to: number): void
}

// Node has it; the ES library types do not, and the DOM library is not ours.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: unknown }
}

const kernels = new WebAssembly.Instance(
  new WebAssembly.Module(Buffer.from(KERNELS_BASE64, 'base64')),
).exports as Kernels
const memory = Buffer.from(kernels.memory.buffer)
memory.set(Buffer.from(GEAR_TABLE_HEX, 'hex').swap64())

/** Where a chunk that goes on stands; a new chunk starts from `{ hash: 0n, size: 0 }`. */
export interface GearState {
  hash: bigint
  size: number
}

/**
 * Finds the cuts in `block` (any length): offsets just past the last byte of each chunk that ends in it.
 * `state` comes from the blocks before and is moved on.
 */
export function gearCuts(block: Uint8Array, state: GearState): number[] {
  const cuts: number[] = []
  kernels.gear_hash.value = state.hash
  kernels.gear_size.value = state.size
  for (let start = 0; start < block.length; start += MAX_INPUT_BYTES) {
    const piece = block.subarray(start, start + MAX_INPUT_BYTES)
    memory.set(piece, IN)
    let at = 0
    while (at < piece.length) {
      const used = kernels.gear_next(IN + at, piece.length - at)
      if (used < 0) break
      at += used
      cuts.push(start + at)
    }
  }
  state.hash = kernels.gear_hash.value
  state.size = kernels.gear_size.value
  return cuts
}

/** Compresses as one LZ4 block. `undefined` when that takes more than `capacity` bytes. Borrowed view. */
export function lz4EncodeBlock(
  raw: Uint8Array,
  capacity: number,
  grouped: boolean,
): Uint8Array | undefined {
  if (raw.length > MAX_OUTPUT_BYTES) throw new RangeError('too long for one block')
  memory.set(raw, IN)
  if (grouped) kernels.bg4_split(IN, raw.length, SCRATCH)
  const room = Math.max(0, Math.min(capacity, MAX_OUTPUT_BYTES))
  const length = kernels.lz4_encode(grouped ? SCRATCH : IN, raw.length, OUT, room)
  return length === 0 ? undefined : memory.subarray(OUT, OUT + length)
}

/**
 * Decodes the LZ4 blocks of one chunk one after the other into one bounded output.
 * Create, `add` each block, `finish`; nothing else may use this module in between.
 */
export class Lz4BlockDecoder {
  readonly #rawLength: number
  readonly #base: number
  readonly #grouped: boolean
  #end: number

  constructor(input: Uint8Array, rawLength: number, grouped: boolean) {
    if (input.length > MAX_INPUT_BYTES) throw new RangeError('input too long')
    if (rawLength > MAX_OUTPUT_BYTES) throw new RangeError('output too long')
    memory.set(input, IN)
    this.#rawLength = rawLength
    this.#grouped = grouped
    this.#base = grouped ? SCRATCH : OUT
    this.#end = this.#base
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#end - this.#base
  }

  /** What was written so far. Borrowed view. */
  get output(): Uint8Array {
    return memory.subarray(this.#base, this.#end)
  }

  /** Appends the block at `offset` of the input; false when it is malformed or longer than the output. */
  add(offset: number, length: number, stored: boolean, linked: boolean, maxBytes: number): boolean {
    const limit = Math.min(this.#base + this.#rawLength, this.#end + maxBytes)
    if (stored) {
      if (this.#end + length > limit) return false
      memory.copyWithin(this.#end, IN + offset, IN + offset + length)
      this.#end += length
      return true
    }
    const low = linked ? this.#base : this.#end
    const end = kernels.lz4_decode(IN + offset, length, this.#end, low, limit)
    if (end === 0) return false
    this.#end = end
    return true
  }

  /** The whole chunk, groups joined. Borrowed view. */
  finish(): Uint8Array {
    if (!this.#grouped) return this.output
    kernels.bg4_join(SCRATCH, this.length, OUT)
    return memory.subarray(OUT, OUT + this.length)
  }
}
