/**
 * What an S3 server really enforces, one line per property. Start one with scripts/s3-server.sh, put the lines it
 * prints into the environment, then: node --import tsx scripts/lib/s3-check.ts
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

function need(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: see scripts/s3-server.sh`)
  return value
}

const Bucket = need('S3_BUCKET')
const settings = {
  endpoint: need('S3_ENDPOINT'),
  region: process.env.S3_REGION ?? 'us-east-1',
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: {
    accessKeyId: need('S3_ACCESS_KEY_ID'),
    secretAccessKey: need('S3_SECRET_ACCESS_KEY'),
  },
}
const s3 = new S3Client(settings)
/** Without the CRC32 that the SDK otherwise adds by itself, also to URLs whose body it never sees. */
const plain = new S3Client({ ...settings, requestChecksumCalculation: 'WHEN_REQUIRED' })

const MIB = 1024 * 1024
const prefix = `check-${randomUUID()}`
const body = Buffer.from('what was promised')
const other = Buffer.from('what is delivered') // as long as the promise: only the hash can tell
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('base64')
const key = (name: string) => `${prefix}/${name}`
const equal = (is: unknown, want: unknown, what: string) => {
  if (is !== want) throw new Error(`${what}: ${is}, not ${want}`)
}

/** The name of the error a call ends in; a call that succeeds is the failure here. */
async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: { name?: string }) => reason.name ?? 'unknown',
  )
  if (error === undefined) throw new Error('accepted, should have been refused')
  return error
}

async function absent(name: string): Promise<void> {
  equal(await refusal(s3.send(new HeadObjectCommand({ Bucket, Key: key(name) }))), 'NotFound', name)
}

/** The checksum as a signed header: the client has to send exactly this one. */
async function presignedPut(name: string, checksum: string): Promise<string> {
  const command = new PutObjectCommand({ Bucket, Key: key(name), ChecksumSHA256: checksum })
  return getSignedUrl(s3, command, {
    expiresIn: 60,
    unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
  })
}

async function put(url: string, bytes: Buffer, headers: Record<string, string>): Promise<number> {
  return (await fetch(url, { method: 'PUT', body: new Uint8Array(bytes), headers })).status
}

async function startMultipart(name: string): Promise<string> {
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({
      Bucket,
      Key: key(name),
      ChecksumAlgorithm: 'SHA256',
      ChecksumType: 'COMPOSITE',
    }),
  )
  return UploadId ?? ''
}

async function upload(name: string, parts: readonly Buffer[]): Promise<string | undefined> {
  const UploadId = await startMultipart(name)
  const Parts = []
  for (const [index, bytes] of parts.entries()) {
    const part = { PartNumber: index + 1, ChecksumSHA256: sha256(bytes) }
    const { ETag } = await s3.send(
      new UploadPartCommand({ Bucket, Key: key(name), UploadId, Body: bytes, ...part }),
    )
    Parts.push({ ...part, ETag })
  }
  const done = await s3.send(
    new CompleteMultipartUploadCommand({
      Bucket,
      Key: key(name),
      UploadId,
      MultipartUpload: { Parts },
    }),
  )
  return done.ChecksumSHA256
}

const checks: Record<string, () => Promise<string | undefined>> = {
  'PUT with the right SHA-256': async () => {
    const sum = sha256(body)
    await s3.send(new PutObjectCommand({ Bucket, Key: key('a'), Body: body, ChecksumSHA256: sum }))
    return undefined
  },
  'HEAD gives size and stored SHA-256': async () => {
    const head = await s3.send(
      new HeadObjectCommand({ Bucket, Key: key('a'), ChecksumMode: 'ENABLED' }),
    )
    equal(head.ContentLength, body.length, 'size')
    equal(head.ChecksumSHA256, sha256(body), 'checksum')
    return undefined
  },
  'PUT with a wrong SHA-256 is refused': async () => {
    const sum = sha256(body)
    const name = await refusal(
      s3.send(new PutObjectCommand({ Bucket, Key: key('b'), Body: other, ChecksumSHA256: sum })),
    )
    await absent('b')
    return name
  },
  'a wrong secret is refused': async () => {
    const credentials = { ...settings.credentials, secretAccessKey: 'not the secret' }
    const stranger = new S3Client({ ...settings, credentials })
    return refusal(stranger.send(new HeadObjectCommand({ Bucket, Key: key('a') })))
  },
  'presigned PUT, checksum bound': async () => {
    const sum = sha256(body)
    const url = await presignedPut('c', sum)
    equal(await put(url, body, { 'x-amz-checksum-sha256': sum }), 200, 'status')
    return undefined
  },
  'presigned PUT, other bytes, refused': async () => {
    const sum = sha256(body)
    const url = await presignedPut('d', sum)
    const status = await put(url, other, { 'x-amz-checksum-sha256': sum })
    if (status < 400) throw new Error(`status ${status}`)
    await absent('d')
    return `${status}`
  },
  'presigned PUT, other bytes with their own checksum, refused': async () => {
    const url = await presignedPut('e', sha256(body))
    const status = await put(url, other, { 'x-amz-checksum-sha256': sha256(other) })
    if (status < 400) throw new Error(`status ${status}`)
    await absent('e')
    return `${status}`
  },
  'presigned PUT, checksum header left out, refused': async () => {
    const status = await put(await presignedPut('f', sha256(body)), other, {})
    if (status < 400) throw new Error(`status ${status}`)
    await absent('f')
    return `${status}`
  },
  'presigned PUT, checksum in the query (SDK default), other bytes refused': async () => {
    const command = new PutObjectCommand({ Bucket, Key: key('q'), ChecksumSHA256: sha256(body) })
    const status = await put(await getSignedUrl(s3, command, { expiresIn: 60 }), other, {})
    if (status < 400) throw new Error(`status ${status}`)
    await absent('q')
    return `${status}`
  },
  'presigned PUT, content-length bound, longer body refused': async () => {
    const command = new PutObjectCommand({ Bucket, Key: key('l'), ContentLength: body.length })
    const url = await getSignedUrl(s3, command, { expiresIn: 60 })
    if (!url.includes('content-length')) throw new Error('the SDK did not sign content-length')
    const status = await put(url, Buffer.concat([body, other]), {})
    if (status < 400) throw new Error(`status ${status}`)
    return `${status}`
  },
  'presigned GET and ranged GET': async () => {
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: key('a') }))
    equal(await (await fetch(url)).text(), body.toString(), 'body')
    const range = await fetch(url, { headers: { range: 'bytes=5-7' } })
    equal(range.status, 206, 'status')
    equal(await range.text(), body.toString().slice(5, 8), 'range')
    equal(range.headers.get('content-range'), `bytes 5-7/${body.length}`, 'content-range')
    return undefined
  },
  'presigned GET, altered URL, refused': async () => {
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: key('a') }))
    const { status } = await fetch(url.replace('/a?', '/c?'))
    equal(status, 403, 'status')
    return `${status}`
  },
  'presigned GET, response-content-disposition honoured': async () => {
    const ResponseContentDisposition = 'attachment; filename="a.bin"'
    const command = new GetObjectCommand({ Bucket, Key: key('a'), ResponseContentDisposition })
    const reply = await fetch(await getSignedUrl(s3, command))
    equal(reply.headers.get('content-disposition'), ResponseContentDisposition, 'header')
    return undefined
  },
  'presigned GET, expired, refused': async () => {
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: key('a') }), {
      expiresIn: 1,
    })
    await new Promise((resolve) => setTimeout(resolve, 2500))
    const { status } = await fetch(url)
    equal(status, 403, 'status')
    return `${status}`
  },
  'range past the end is 416': async () => {
    const get = new GetObjectCommand({ Bucket, Key: key('a'), Range: 'bytes=900-' })
    return refusal(s3.send(get))
  },
  'If-None-Match: * does not overwrite': async () => {
    const command = new PutObjectCommand({
      Bucket,
      Key: key('a'),
      Body: other,
      IfNoneMatch: '*',
    })
    return refusal(s3.send(command))
  },
  'multipart, parts of 5 MiB, composite SHA-256': async () => {
    const parts = [Buffer.alloc(5 * MIB, 1), Buffer.alloc(5 * MIB, 2), Buffer.alloc(7, 3)]
    const whole = await upload('m', parts)
    const digests = parts.map((part) => createHash('sha256').update(part).digest())
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: key('m') }))
    equal(head.ContentLength, 10 * MIB + 7, 'size')
    equal(whole, `${sha256(Buffer.concat(digests))}-3`, 'composite')
    return undefined
  },
  'multipart, part with a wrong SHA-256, refused': async () => {
    const UploadId = await startMultipart('n')
    const part = { Bucket, Key: key('n'), UploadId, PartNumber: 1 }
    const name = await refusal(
      s3.send(new UploadPartCommand({ ...part, Body: other, ChecksumSHA256: sha256(body) })),
    )
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: key('n'), UploadId }))
    return name
  },
  'multipart, part (not the last) under 5 MiB, refused': async () =>
    refusal(upload('o', [Buffer.alloc(MIB, 1), Buffer.alloc(MIB, 2)])),
  'presigned UploadPart, checksum bound, other bytes refused': async () => {
    const UploadId = await startMultipart('p')
    const target = { Bucket, Key: key('p'), UploadId, PartNumber: 1 }
    const sum = sha256(body)
    const sign = () =>
      getSignedUrl(s3, new UploadPartCommand({ ...target, ChecksumSHA256: sum }), {
        unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
      })
    const status = await put(await sign(), other, { 'x-amz-checksum-sha256': sum })
    if (status < 400) throw new Error(`other bytes: status ${status}`)
    equal(await put(await sign(), body, { 'x-amz-checksum-sha256': sum }), 200, 'status')
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key: key('p'), UploadId }))
    return `${status}`
  },
  'presigned UploadPart without a checksum, SDK defaults': async () => {
    const target = { Bucket, Key: key('r') }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(target))
    const part = new UploadPartCommand({ ...target, UploadId, PartNumber: 1 })
    const reply = await fetch(await getSignedUrl(s3, part), {
      method: 'PUT',
      body: new Uint8Array(body),
    })
    await s3.send(new AbortMultipartUploadCommand({ ...target, UploadId }))
    if (reply.status !== 200) {
      const text = await reply.text()
      throw new Error(`${reply.status} ${/<Message>(.*)<\/Message>/.exec(text)?.[1] ?? text}`)
    }
    return undefined
  },
  'presigned UploadPart without a checksum, requestChecksumCalculation WHEN_REQUIRED': async () => {
    const target = { Bucket, Key: key('s') }
    const { UploadId } = await plain.send(new CreateMultipartUploadCommand(target))
    const part = new UploadPartCommand({ ...target, UploadId, PartNumber: 1 })
    equal(await put(await getSignedUrl(plain, part), body, {}), 200, 'status')
    await plain.send(new AbortMultipartUploadCommand({ ...target, UploadId }))
    return undefined
  },
  'ListObjectsV2 in pages': async () => {
    const names: string[] = []
    let ContinuationToken: string | undefined
    do {
      const page = await s3.send(
        new ListObjectsV2Command({ Bucket, Prefix: `${prefix}/`, MaxKeys: 2, ContinuationToken }),
      )
      names.push(...(page.Contents ?? []).map((entry) => entry.Key ?? ''))
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
    for (const name of ['a', 'c', 'm']) equal(names.includes(key(name)), true, name)
    return `${names.length} objects`
  },
  DeleteObject: async () => {
    for (const name of ['a', 'c', 'm', 'l', 'q']) {
      await s3.send(new DeleteObjectCommand({ Bucket, Key: key(name) }))
      await absent(name)
    }
    return undefined
  },
}

let missing = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    const detail = await check()
    console.log(`yes  ${name}${detail ? ` (${detail})` : ''}`)
  } catch (error) {
    missing += 1
    console.log(`NO   ${name}: ${error instanceof Error ? error.message : error}`)
  }
}
s3.destroy()
console.log(missing === 0 ? 'all enforced' : `${missing} not enforced`)
