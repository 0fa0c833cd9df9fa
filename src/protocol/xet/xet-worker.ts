/** The worker thread behind `XetWorkers`: one xorb validation or one chunking at a time. */
import { type Answer, answerCalls } from '../../lib/worker-pool.js'
import { type Compression, encodeRecord } from './chunk-record.js'
import { Chunker } from './chunker.js'
import { chunkHash } from './content-hash.js'
import { XorbValidator } from './xorb-validator.js'

export type WorkerRequest =
  | { readonly op: 'validate'; readonly bytes: Uint8Array }
  | { readonly op: 'validated'; readonly expected: Uint8Array | undefined }
  | {
      readonly op: 'chunk'
      readonly bytes: Uint8Array
      readonly compression: Compression | undefined
    }
  | { readonly op: 'chunked'; readonly compression: Compression | undefined }

/** One hashed chunk; buffers of their own. */
export interface HashedChunk {
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly rawBytes: number
  /** Its record for a xorb; only when a compression was asked for. */
  readonly record: Uint8Array | undefined
}

answerCalls(() => {
  const validator = new XorbValidator()
  const chunker = new Chunker()
  return (body) => {
    const request = body as WorkerRequest
    switch (request.op) {
      case 'validate':
        validator.push(request.bytes)
        return { body: undefined }
      case 'validated':
        return { body: validator.finish(request.expected) }
      case 'chunk':
        return hashed(chunker.push(request.bytes), request.compression)
      case 'chunked': {
        const last = chunker.finish()
        return hashed(last ? [last] : [], request.compression)
      }
    }
  }
})

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
