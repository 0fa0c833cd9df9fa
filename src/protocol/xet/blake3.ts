/**
 * Keyed BLAKE3. Native, because every uploaded and every served byte passes through it: three to six times the
 * WASM builds for chunks of 64 KiB.
 */
import { Blake3Hasher } from '@napi-rs/blake-hash'

/** Hashes any number of inputs under one key, without allocating a hasher for each. */
export class KeyedHash {
  readonly #hasher: Blake3Hasher

  /** @param key 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError('a BLAKE3 key is 32 bytes')
    this.#hasher = Blake3Hasher.newKeyed(Buffer.from(key))
  }

  /** The 32-byte hash of the concatenated parts. */
  digest(...parts: readonly (Uint8Array | string)[]): Buffer {
    this.#hasher.reset()
    for (const part of parts) this.#hasher.update(part)
    return this.#hasher.digestBuffer()
  }
}
