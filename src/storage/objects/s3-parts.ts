import { pipeline } from 'node:stream/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { HubError } from '../../domain/errors.js'
import { asChecksumError } from '../../domain/lfs/checked-bytes.js'
import type { ObjectStore, PartUpload } from '../../domain/ports.js'
import { ByteCheck } from '../../lib/byte-check.js'
import { requireParts } from './part-sizes.js'
import { asStorageError, type Bucket, isClosedEarly, isMissing } from './s3-client.js'

/** How long another call may take to put the parts together before its object shows. */
const ASSEMBLY_MS = 60_000
/** Two calls at once can hide the object for a moment, where a store replaces what one of them made. */
const SHOW_MS = 1_000

interface HeldPart {
  readonly number: number
  readonly size: number
  readonly etag: string
}

/**
 * S3 multipart uploads. The parts list that completes one is S3's own, not the client's; the whole is read and hashed
 * afterwards, because S3's SHA-256 of a multipart object is one of its parts' checksums.
 */
export function s3Parts(bucket: Bucket, verify: ObjectStore['verify']): PartUpload {
  const { s3, at } = bucket
  return {
    minPartBytes: 5 * 1024 * 1024,
    async begin(key) {
      const { UploadId } = await s3
        .send(new CreateMultipartUploadCommand(at(key)))
        .catch((err) => Promise.reject(asStorageError(err)))
      if (!UploadId) throw new HubError('storage_failed', 'S3 gave the upload no id.')
      return UploadId
    },
    async putPart(key, uploadId, number, body, size, signal) {
      const check = new ByteCheck({ size })
      const stop = new AbortController()
      const command = new UploadPartCommand({
        ...at(key),
        UploadId: uploadId,
        PartNumber: number,
        Body: check,
        ContentLength: size,
      })
      // each side's failure ends the other: S3 would wait for ever for bytes that do not come
      const reading = pipeline(body, check, { signal }).catch((err) => {
        stop.abort()
        throw err
      })
      const sending = s3.send(command, { abortSignal: stop.signal }).catch((err) => {
        check.destroy()
        throw err
      })
      const [read, sent] = await Promise.allSettled([reading, sending])
      if (sent.status === 'fulfilled' && read.status === 'fulfilled')
        return sent.value.ETag?.replace(/"/g, '') ?? ''
      if (read.status === 'rejected' && !isClosedEarly(read.reason))
        throw asChecksumError(read.reason)
      signal.throwIfAborted()
      // S3 closes the connection on bytes that it does not want, often before its answer was read
      if (!(await listParts(bucket, key, uploadId))) throw ended(undefined)
      throw asStorageError(sent.status === 'rejected' ? sent.reason : undefined)
    },
    async complete(key, uploadId, expect, signal) {
      const held = await listParts(bucket, key, uploadId)
      let mine = false
      try {
        mine = held !== undefined && (await assemble(bucket, key, uploadId, held, expect))
      } catch (err) {
        // whoever completes it at this moment takes the parts away before the object shows
        return await retryMissing(() => verify(key, expect, signal), SHOW_MS).catch(() =>
          Promise.reject(err),
        )
      }
      try {
        // without an upload only its finished object can be meant: an earlier call, or one that is at it right now
        const patience = held && !mine ? ASSEMBLY_MS : SHOW_MS
        await retryMissing(() => verify(key, expect, signal), patience)
      } catch (err) {
        if (!(err instanceof HubError)) throw err
        if (err.code === 'object_not_found') throw ended(err)
        if (err.code === 'checksum_mismatch') await s3.send(new DeleteObjectCommand(at(key)))
        throw err
      }
    },
    async abort(key, uploadId) {
      await s3
        .send(new AbortMultipartUploadCommand({ ...at(key), UploadId: uploadId }))
        .catch((err) => {
          if (!isMissing(err)) throw asStorageError(err)
        })
    },
  }
}

/** False when another call got there first. */
async function assemble(
  { s3, at }: Bucket,
  key: string,
  uploadId: string,
  held: readonly HeldPart[],
  expect: { size: number; partSize: number },
): Promise<boolean> {
  requireParts(new Map(held.map((it) => [it.number, it.size])), expect)
  const Parts = held.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }))
  try {
    await s3.send(
      new CompleteMultipartUploadCommand({
        ...at(key),
        UploadId: uploadId,
        MultipartUpload: { Parts },
      }),
    )
  } catch (err) {
    if (!isMissing(err)) throw asStorageError(err)
    return false // somebody else is completing it; what they make is verified like our own
  }
  return true
}

async function retryMissing(task: () => Promise<void>, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      return await task()
    } catch (err) {
      const missing = err instanceof HubError && err.code === 'object_not_found'
      if (!missing || Date.now() >= deadline) throw err
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Undefined when there is no such upload (any more). */
async function listParts(
  { s3, at }: Bucket,
  key: string,
  uploadId: string,
): Promise<HeldPart[] | undefined> {
  const parts: HeldPart[] = []
  let marker: string | undefined
  for (;;) {
    try {
      const page = await s3.send(
        new ListPartsCommand({
          ...at(key),
          UploadId: uploadId,
          ...(marker ? { PartNumberMarker: marker } : {}),
        }),
      )
      for (const { PartNumber = 0, Size = 0, ETag = '' } of page.Parts ?? [])
        parts.push({ number: PartNumber, size: Size, etag: ETag })
      marker = page.NextPartNumberMarker
      if (!page.IsTruncated || !marker) return parts
    } catch (err) {
      if (isMissing(err)) return undefined
      throw asStorageError(err)
    }
  }
}

function ended(cause: unknown): HubError {
  return new HubError('object_not_found', 'The upload has ended or expired.', {}, cause)
}
