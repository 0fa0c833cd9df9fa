import type { ObjectStore } from '../ports.js'
import type { LfsStore } from './ports.js'

const PAGE = 1_000

/**
 * Deletes the bytes that nobody needs any more. Their keys are never used again, so it does not matter who else is at it
 * or how often it is done: a deletion can only hit what was meant.
 */
export async function emptyDiscards(lfs: LfsStore, store: ObjectStore): Promise<void> {
  for (let after = ''; ; ) {
    const page = await lfs.listDiscards(after, PAGE)
    for (const { key, storeUploadId, until } of page) {
      if (storeUploadId) await store.parts.abort(key, storeUploadId)
      await store.delete(key)
      // a presigned URL may bring them back until it ends: then they are deleted again
      if (until <= new Date().toISOString()) await lfs.dropDiscard(key)
    }
    const last = page.at(-1)
    if (!last) return
    after = last.key
  }
}
