/**
 * Two implementations of keyed BLAKE3 behind one shape. The native one is several times as fast and the one
 * to use; its binary is an optional package, and where an install left it out the portable one does the same.
 */

/** Hashes inputs one after the other under the key it was opened with. */
export interface KeyedEngine {
  reset(): void
  update(part: Uint8Array): void
  /** 32 bytes. */
  digest(): Buffer
}

/** Opens an engine for a key of 32 bytes. */
export type OpenEngine = (key: Uint8Array) => KeyedEngine

/** `undefined` where the package has no binary for this machine. */
export async function loadNative(): Promise<OpenEngine | undefined> {
  const native = await import('@napi-rs/blake-hash').catch(() => undefined)
  if (!native) return undefined
  return (key) => {
    const hasher = native.Blake3Hasher.newKeyed(Buffer.from(key))
    return {
      reset: () => hasher.reset(),
      update: (part) => void hasher.update(part),
      digest: () => hasher.digestBuffer(),
    }
  }
}

/** WASM made at run time: works wherever Node does. */
export async function loadPortable(): Promise<OpenEngine> {
  const { createKeyed } = await import('blake3-jit')
  return (key) => {
    const hasher = createKeyed(key)
    return {
      reset: () => void hasher.reset(),
      update: (part) => void hasher.update(part),
      digest: () => Buffer.from(hasher.finalize()),
    }
  }
}
