/*
 * Git LFS pointer (git-lfs docs/spec.md): UTF-8 text below 1,024 bytes, "key value\n" lines, `version` first, then sorted:
 *   version https://git-lfs.github.com/spec/v1
 *   oid sha256:<64 hex>
 *   size <bytes>
 */
export const MAX_POINTER_BYTES = 1024
const MIN_POINTER_BYTES = 100

/** Undefined for anything that is not a pointer, including text that only looks like one. */
export function parseLfsPointer(blob: Buffer): { oid: string; size: number } | undefined {
  if (blob.length >= MAX_POINTER_BYTES || blob.length < MIN_POINTER_BYTES) return undefined
  const text = blob.toString('latin1')
  if (
    !/^version https:\/\/(git-lfs\.github\.com\/spec\/v1|hawser\.github\.com\/spec\/v1)\n/.test(
      text,
    )
  )
    return undefined
  const oid = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1]
  const size = /^size (\d{1,16})$/m.exec(text)?.[1]
  if (!oid || size === undefined || !Number.isSafeInteger(Number(size))) return undefined
  return { oid, size: Number(size) }
}

export function mayBePointer(sizeBytes: number): boolean {
  return sizeBytes >= MIN_POINTER_BYTES && sizeBytes < MAX_POINTER_BYTES
}

export function formatLfsPointer(pointer: { oid: string; size: number }): Buffer {
  return Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${pointer.oid}\nsize ${pointer.size}\n`,
  )
}
