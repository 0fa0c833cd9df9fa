import { createHash, randomUUID } from 'node:crypto'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { HubError } from '../../domain/errors.js'
import type { DirectTransfer } from '../../domain/ports.js'
import type { Bucket } from './s3-client.js'

/** AWS signature version 4 permits a week. */
const MAX_SECONDS = 7 * 24 * 3600
const MAX_PUT_BYTES = 5 * 1024 ** 3

/** Presigned URLs (SigV4 in the query): whoever has one needs no other credentials, and must send none. */
export function directTransfer({ s3, at }: Bucket): DirectTransfer {
  const lasting = (seconds: number) => ({ expiresIn: Math.min(seconds, MAX_SECONDS) })

  const presignPut: DirectTransfer['presignPut'] = async (key, { seconds, size, sha256 }) => {
    const checksum = Buffer.from(sha256, 'hex').toString('base64')
    const url = await getSignedUrl(
      s3,
      new PutObjectCommand({ ...at(key), ContentLength: size, ChecksumSHA256: checksum }),
      // In the query the checksum would be signed but not looked at: S3 reads it from the header.
      { ...lasting(seconds), unhoistableHeaders: new Set(['x-amz-checksum-sha256']) },
    )
    return { url, headers: { 'x-amz-checksum-sha256': checksum } }
  }

  let binds: Promise<boolean> | undefined
  return {
    maxPutBytes: MAX_PUT_BYTES,
    presignPut,
    bindsPut() {
      binds ??= probe({ s3, at }, presignPut).catch((err) => {
        binds = undefined // S3 was not to be reached: ask again next time
        throw new HubError('storage_failed', 'The object store cannot be reached.', {}, err)
      })
      return binds
    },
    presignGet(key, { seconds, filename, contentType, range }) {
      return getSignedUrl(
        s3,
        new GetObjectCommand({
          ...at(key),
          ...(filename ? { ResponseContentDisposition: attachment(filename) } : {}),
          ...(contentType ? { ResponseContentType: contentType } : {}),
          ...(range ? { Range: `bytes=${range.first}-${range.last}` } : {}),
        }),
        lasting(seconds),
      )
    },
    presignPart(key, uploadId, number, seconds) {
      return getSignedUrl(
        s3,
        new UploadPartCommand({ ...at(key), UploadId: uploadId, PartNumber: number }),
        lasting(seconds),
      )
    },
  }
}

/** Tries what a dishonest client would: other bytes of the same length, with and without the signed header. */
async function probe(
  { s3, at }: Bucket,
  presignPut: DirectTransfer['presignPut'],
): Promise<boolean> {
  const key = `probe/${randomUUID()}`
  const promised = Buffer.from('promised')
  const sha256 = createHash('sha256').update(promised).digest('hex')
  const { url, headers } = await presignPut(key, { seconds: 60, size: promised.length, sha256 })
  const put = async (text: string, sent: Record<string, string>) =>
    (await fetch(url, { method: 'PUT', body: text, headers: sent })).ok
  try {
    const refused = !(await put('otherwis', headers)) && !(await put('otherwis', {}))
    return refused && (await put('promised', headers))
  } finally {
    await s3.send(new DeleteObjectCommand(at(key)))
  }
}

/** RFC 6266: an ASCII stand-in and the real name. */
function attachment(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|["\\]/g, '_')
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
