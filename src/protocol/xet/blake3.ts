/** Keyed BLAKE3, 32 bytes: the one hash function of Xet. */
import { type KeyedEngine, loadNative, loadPortable } from './blake3-engines.js'

const openEngine = (await loadNative()) ?? (await loadPortable())

/** Hashes any number of inputs under one key, without allocating a hasher for each. */
export class KeyedHash {
  readonly #engine: KeyedEngine

  /** @param key 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError('a BLAKE3 key is 32 bytes')
    this.#engine = openEngine(key)
  }

  /** The 32-byte hash of the concatenated parts; strings as UTF-8. */
  digest(...parts: readonly (Uint8Array | string)[]): Buffer {
    this.#engine.reset()
    for (const part of parts) {
      this.#engine.update(typeof part === 'string' ? Buffer.from(part) : part)
    }
    return this.#engine.digest()
  }
}
