import { S3Client } from '@aws-sdk/client-s3'
import { HubError } from '../../domain/errors.js'

export interface S3Options {
  readonly endpoint: string | undefined
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly forcePathStyle: boolean
  /** Put before every key. */
  readonly prefix: string
  /** Bytes go through the hub: clients get no presigned URLs. */
  readonly proxy: boolean
}

/** The client, and where the hub's keys are. */
export interface Bucket {
  readonly s3: S3Client
  at(key: string): { readonly Bucket: string; readonly Key: string }
}

const CONNECT_MS = 5_000
/** Without a byte either way. Generous: a proxied transfer stalls as long as its client does. */
const IDLE_MS = 5 * 60_000
const MAX_SOCKETS = 256

const silent = () => undefined
const SILENT = { trace: silent, debug: silent, info: silent, warn: silent, error: silent }

export function openBucket(options: S3Options): Bucket {
  const s3 = new S3Client({
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    region: options.region,
    forcePathStyle: options.forcePathStyle,
    credentials: {
      accessKeyId: options.accessKeyId,
      secretAccessKey: options.secretAccessKey,
    },
    // The SDK otherwise adds a CRC32 of its own: to URLs whose body it never sees, and as trailers that not every
    // S3 server reads. What must hold is checked by SHA-256.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: SILENT, // what fails is thrown, and logged with its request
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
  })
  const prefix = options.prefix.replace(/^\/+|\/+$/g, '')
  const before = prefix === '' ? '' : `${prefix}/`
  return { s3, at: (key) => ({ Bucket: options.bucket, Key: `${before}${key}` }) }
}

/** S3 spells it NotFound (HEAD), NoSuchKey (GET) or NoSuchUpload. */
export function isMissing(err: unknown): boolean {
  const { name, $metadata } = err as { name?: string; $metadata?: { httpStatusCode?: number } }
  return (
    name === 'NotFound' ||
    name === 'NoSuchKey' ||
    name === 'NoSuchUpload' ||
    ($metadata?.httpStatusCode === 404 && name !== 'NoSuchBucket')
  )
}

/** The reader of a stream went away before its end. */
export function isClosedEarly(err: unknown): boolean {
  return (err as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** Our own errors and aborts as they are, what S3 or the way to it did as `storage_failed`. */
export function asStorageError(err: unknown): unknown {
  if (err instanceof HubError) return err
  const { name = 'unknown', $metadata } = err as {
    name?: string
    $metadata?: { httpStatusCode?: number }
  }
  if (name === 'AbortError' || (!$metadata && name === 'Error')) return err
  return new HubError(
    'storage_failed',
    'The object store did not do what it was asked to. Try again.',
    { s3: name, status: $metadata?.httpStatusCode },
    err,
  )
}
