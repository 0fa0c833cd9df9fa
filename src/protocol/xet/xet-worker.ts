/** The worker thread behind `XetWorkers`; a session does one kind of work. */
import { createHash, type Hash } from 'node:crypto'
import { type Answer, answerCalls } from '../../lib/worker-pool.js'
import {
  type Compression,
  encodeRecord,
  RECORD_HEADER_BYTES,
  readRecordHeader,
  viewChunk,
} from './chunk-record.js'
import { Chunker } from './chunker.js'
import { chunkHash } from './content-hash.js'
import { XorbValidator } from './xorb-validator.js'

export type WorkerRequest =
  | { readonly op: 'validate'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly op: 'validated'; readonly expected: Uint8Array | undefined }
  | {
      readonly op: 'chunk'
      readonly bytes: Uint8Array
      readonly compression: Compression | undefined
    }
  | { readonly op: 'chunked'; readonly compression: Compression | undefined }
  /** Whole records whose raw bytes go into the session's SHA-256. */
  | { readonly op: 'digest'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly op: 'digested' }

/** One hashed chunk; buffers of their own. */
export interface HashedChunk {
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly rawBytes: number
  /** Its record for a xorb; only when a compression was asked for. */
  readonly record: Uint8Array | undefined
}

answerCalls(() => {
  let validator: XorbValidator | undefined
  let chunker: Chunker | undefined
  let sha256: Hash | undefined
  return (body) => {
    const request = body as WorkerRequest
    switch (request.op) {
      case 'validate':
        validator ??= new XorbValidator()
        validator.push(request.bytes)
        return givenBack(request.bytes)
      case 'validated':
        validator ??= new XorbValidator()
        return { body: validator.finish(request.expected) }
      case 'chunk':
        chunker ??= new Chunker()
        return hashed(chunker.push(request.bytes), request.compression)
      case 'chunked': {
        const last = chunker?.finish()
        return hashed(last ? [last] : [], request.compression)
      }
      case 'digest':
        sha256 ??= createHash('sha256')
        for (const raw of rawChunks(request.bytes)) sha256.update(raw)
        return givenBack(request.bytes)
      case 'digested':
        return { body: new Uint8Array((sha256 ?? createHash('sha256')).digest()) }
    }
  }
})

/** The sender uses the memory again: fresh memory costs as much as hashing what is in it. */
function givenBack(bytes: Uint8Array<ArrayBuffer>): Answer {
  return { body: bytes.buffer, transfer: [bytes.buffer] }
}

function hashed(chunks: readonly Uint8Array[], compression: Compression | undefined): Answer {
  const records = compression && chunks.map((raw) => new Uint8Array(encodeRecord(raw, compression)))
  const body = chunks.map(
    (raw, i): HashedChunk => ({
      hash: new Uint8Array(chunkHash(raw)),
      rawBytes: raw.length,
      record: records?.[i],
    }),
  )
  return { body, transfer: records?.map((record) => record.buffer) ?? [] }
}

/** The raw chunks of whole records; each view is good until the next is asked for. */
function* rawChunks(records: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < records.length; ) {
    const header = readRecordHeader(records, at)
    const start = at + RECORD_HEADER_BYTES
    at = start + header.storedBytes
    yield viewChunk(header, records.subarray(start, at))
  }
}
