import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { HubError } from '../../domain/errors.js'
import { asChecksumError, readThrough } from '../../domain/lfs/checked-bytes.js'
import type { ObjectStore } from '../../domain/ports.js'
import { ByteCheck } from '../../lib/byte-check.js'
import {
  asStorageError,
  type Bucket,
  isClosedEarly,
  isMissing,
  openBucket,
  type S3Options,
} from './s3-client.js'
import { directTransfer } from './s3-direct.js'
import { s3Parts } from './s3-parts.js'

const MIB = 1024 * 1024
/** Two in flight and one being filled: what a proxied upload holds in memory is about four times this. */
const PART_BYTES = 8 * MIB
const PARTS_IN_FLIGHT = 2
const MAX_PARTS = 10_000
const CHECK_MS = 5_000
/** Multipart uploads that no row of the hub knows of (the process died in the middle) are gone after this. */
const ABANDONED_MS = 7 * 24 * 3600 * 1000

/**
 * Objects in an S3 bucket. What the hub sends itself is hashed on its way and completed only when it was right; what
 * clients put there by presigned URLs counts once `verify` looked at it.
 */
export function s3Store(options: S3Options): ObjectStore {
  const bucket = openBucket(options)
  const { s3, at } = bucket

  const verify: ObjectStore['verify'] = async (key, expect, signal) => {
    const head = await readHead(bucket, key)
    if (!head) throw new HubError('object_not_found', 'Object not found', { key })
    if (head.size !== expect.size)
      throw new HubError(
        'checksum_mismatch',
        `The uploaded object has ${head.size} bytes, not ${expect.size}.`,
      )
    if (head.sha256 === undefined) await readThrough(await open(key), expect, signal)
    else if (head.sha256 !== expect.sha256)
      throw new HubError('checksum_mismatch', 'The uploaded object does not match its SHA-256.')
  }

  const open: ObjectStore['open'] = async (key, range) => {
    try {
      const { Body } = await s3.send(
        new GetObjectCommand({
          ...at(key),
          ...(range ? { Range: `bytes=${range.first}-${range.last}` } : {}),
        }),
      )
      return Body as Readable
    } catch (err) {
      if (isMissing(err)) throw new HubError('object_not_found', 'Object not found', { key }, err)
      throw asStorageError(err)
    }
  }

  return {
    kind: 's3',
    open,
    verify,
    async size(key) {
      return (await readHead(bucket, key))?.size
    },
    async put(key, body, expect, signal) {
      const check = new ByteCheck(expect)
      // the upload reads until this ends or fails: an abort, too, reaches it as a failing stream
      const checked = new PassThrough({ highWaterMark: MIB })
      const upload = new Upload({
        client: s3,
        params: { ...at(key), Body: checked },
        partSize: partBytes(expect.size ?? expect.maxBytes),
        queueSize: PARTS_IN_FLIGHT,
      })
      const sending = upload.done().catch((err) => {
        checked.destroy()
        throw err
      })
      const [read, sent] = await Promise.allSettled([
        pipeline(body, check, checked, { signal }),
        sending,
      ])
      if (sent.status === 'rejected' || read.status === 'rejected')
        throw asChecksumError(rootOf(read, sent))
      return { size: check.size, sha256: check.sha256 }
    },
    async delete(key) {
      await s3.send(new DeleteObjectCommand(at(key))).catch((err) => {
        if (!isMissing(err)) throw asStorageError(err)
      })
    },
    async putSmall(key, bytes) {
      await s3
        .send(new PutObjectCommand({ ...at(key), Body: bytes, ContentLength: bytes.length }))
        .catch((err) => Promise.reject(asStorageError(err)))
    },
    list: (prefix) => listObjects(bucket, prefix),
    async check() {
      const { Bucket } = at('')
      await s3.send(new HeadBucketCommand({ Bucket }), {
        abortSignal: AbortSignal.timeout(CHECK_MS),
      })
    },
    sweep: () => abortAbandoned(bucket),
    close: async () => undefined,
    ...(options.proxy ? {} : { direct: directTransfer(bucket) }),
    parts: s3Parts(bucket, verify),
  }
}

/** When S3 fails, the broken stream is only what follows; when the stream fails, S3's aborted upload is. */
function rootOf(read: PromiseSettledResult<unknown>, sent: PromiseSettledResult<unknown>): unknown {
  if (read.status === 'fulfilled') return sent.status === 'rejected' && asStorageError(sent.reason)
  if (sent.status === 'rejected' && isClosedEarly(read.reason) && sent.reason !== read.reason)
    return asStorageError(sent.reason)
  return read.reason
}

/** As few bytes as S3's limit of 10,000 parts allows. */
function partBytes(size: number | undefined): number {
  return Math.max(PART_BYTES, Math.ceil((size ?? 0) / MAX_PARTS))
}

/** `sha256` in hex where the store keeps one of the whole object; multipart ones are of the parts' checksums. */
async function readHead(
  { s3, at }: Bucket,
  key: string,
): Promise<{ size: number; sha256: string | undefined } | undefined> {
  try {
    const head = await s3.send(new HeadObjectCommand({ ...at(key), ChecksumMode: 'ENABLED' }))
    const sum = head.ChecksumType === 'COMPOSITE' ? undefined : head.ChecksumSHA256
    const bytes = sum && !sum.includes('-') ? Buffer.from(sum, 'base64') : undefined
    return {
      size: head.ContentLength ?? 0,
      sha256: bytes?.length === 32 ? bytes.toString('hex') : undefined,
    }
  } catch (err) {
    if (isMissing(err)) return undefined
    throw asStorageError(err)
  }
}

async function* listObjects(
  { s3, at }: Bucket,
  prefix: string,
): AsyncGenerator<{ key: string; size: number; modifiedAt: Date }> {
  const { Bucket, Key: Prefix } = at(prefix)
  const skip = at('').Key.length
  for (let token: string | undefined; ; ) {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket, Prefix, ...(token ? { ContinuationToken: token } : {}) }),
    )
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? [])
      yield { key: Key.slice(skip), size: Size, modifiedAt: LastModified ?? new Date(0) }
    token = page.NextContinuationToken
    if (!token) return
  }
}

async function abortAbandoned({ s3, at }: Bucket): Promise<number> {
  const { Bucket, Key: Prefix } = at('')
  const before = Date.now() - ABANDONED_MS
  let count = 0
  let marker: { KeyMarker?: string; UploadIdMarker?: string } = {}
  for (;;) {
    const page = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix, ...marker }))
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (!Initiated || Initiated.getTime() > before) continue
      await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch((err) => {
        if (!isMissing(err)) throw err
      })
      count += 1
    }
    if (!page.IsTruncated || !page.NextKeyMarker) return count
    marker = {
      KeyMarker: page.NextKeyMarker,
      ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
    }
  }
}
