import type { Request } from 'express'
import { z } from 'zod'
import type { FileChange, FileContent } from '../../domain/commits/changes.js'
import { HubError } from '../../domain/errors.js'
import { bodyStream, check } from '../../http/body.js'
import type { Spool, SpoolPiece } from '../../lib/spool.js'
import { Base64Check, Base64Decode } from '../../protocol/base64.js'
import { NdjsonError, type NdjsonPiece, NdjsonScanner } from '../../protocol/ndjson.js'

/*
 * Body of a commit (huggingface-wire C2.6): one JSON object a line, {"key":…,"value":…}, `header` first. File contents
 * are spooled while they come in, so the memory a commit takes does not depend on its size.
 */
const MAX_LINE_BYTES = 1024 * 1024
const MAX_RECORDS = 200_000
/** Characters of paths and revisions of a whole commit: all that is kept in memory whatever comes. */
const MAX_NAMES = 32 * 1024 * 1024

const Path = z.string()
const Header = z.object({
  summary: z.string().max(100_000),
  description: z.string().max(500_000).nullish(),
  parentCommit: z
    .string()
    .regex(/^[0-9a-fA-F]{5,64}$/, 'parentCommit must be a commit id')
    .nullish(),
})
const File = z.object({
  path: Path,
  content: z.literal('', 'content must be given once'),
  encoding: z.enum(['base64', 'utf-8']).default('utf-8'),
  oldPath: Path.nullish(),
})
const LfsFile = z.object({
  path: Path,
  algo: z.enum(['sha256', 'sha_256']).nullish(),
  oid: z.string().regex(/^[0-9a-f]{64}$/, 'oid must be a SHA-256 in lower-case hex'),
  size: z.number().int().min(0).nullish(),
  oldPath: Path.nullish(),
})
const Deleted = z.object({ path: Path })
const Copy = z.object({ path: Path, srcPath: Path, srcRevision: z.string().max(1024).nullish() })
const Line = z.object({ key: z.string(), value: z.unknown() })

export interface CommitBody {
  readonly summary: string
  readonly description: string
  readonly parentCommit: string | undefined
  readonly changes: readonly FileChange[]
}

/** Throws `unsupported_media`, `invalid_input`, `too_large`. */
export async function readCommitBody(
  req: Request,
  spool: Spool,
  maxBytes: number,
): Promise<CommitBody> {
  if (!req.is(['application/x-ndjson', 'application/ndjson', 'application/jsonl']))
    throw new HubError('unsupported_media', 'Content-Type must be application/x-ndjson.')
  const reader = new BodyReader(spool)
  const scanner = new NdjsonScanner({ maxLineBytes: MAX_LINE_BYTES })
  let size = 0
  try {
    for await (const chunk of bodyStream(req).iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length
      if (size > maxBytes)
        throw new HubError('too_large', `The commit is larger than ${maxBytes} bytes.`)
      for (const piece of scanner.push(chunk as Buffer)) await reader.take(piece)
    }
    for (const piece of scanner.end()) await reader.take(piece)
  } catch (err) {
    if (err instanceof HubError) throw err
    if (err instanceof NdjsonError)
      throw new HubError(err.kind === 'too_large' ? 'too_large' : 'invalid_input', err.message)
    throw new HubError('invalid_input', 'The request body cannot be read.', {}, err)
  }
  return reader.finish()
}

class BodyReader {
  readonly #spool: Spool
  readonly #changes: FileChange[] = []
  #header: z.output<typeof Header> | undefined
  #names = 0
  #piece: SpoolPiece | undefined
  #base64 = new Base64Check()

  constructor(spool: Spool) {
    this.#spool = spool
  }

  async take(piece: NdjsonPiece): Promise<void> {
    if (piece.type === 'content') {
      this.#piece ??= this.#spool.begin()
      this.#base64.add(piece.bytes)
      await this.#piece.write(piece.bytes)
      return
    }
    const { key, value } = check(Line, piece.value)
    const content = piece.hasContent ? this.#spooled() : undefined
    if (!this.#header) {
      if (key !== 'header')
        throw new HubError('invalid_input', 'The first line must have the key "header".')
      this.#header = check(Header, value)
      return
    }
    if (this.#changes.length >= MAX_RECORDS)
      throw new HubError('too_large', `A commit has at most ${MAX_RECORDS} operations.`)
    const change = toChange(key, value, content)
    this.#names += namesIn(change)
    if (this.#names > MAX_NAMES)
      throw new HubError('too_large', `The paths of a commit have at most ${MAX_NAMES} characters.`)
    this.#changes.push(change)
  }

  #spooled(): SpooledText {
    const kept = (this.#piece ?? this.#spool.begin()).end()
    const decodedSize = this.#base64.decodedSize
    this.#piece = undefined
    this.#base64 = new Base64Check()
    return { kept, decodedSize }
  }

  finish(): CommitBody {
    if (!this.#header) throw new HubError('invalid_input', 'The commit has no header line.')
    const { summary, description, parentCommit } = this.#header
    return {
      summary,
      description: description ?? '',
      parentCommit: parentCommit ?? undefined,
      changes: this.#changes,
    }
  }
}

function namesIn(change: FileChange): number {
  return Object.values(change).reduce(
    (sum, it) => sum + (typeof it === 'string' ? it.length : 0),
    0,
  )
}

interface SpooledText {
  readonly kept: FileContent
  readonly decodedSize: number | undefined
}

function toChange(key: string, value: unknown, content: SpooledText | undefined): FileChange {
  switch (key) {
    case 'file': {
      const it = check(File, value)
      if (!content) throw new HubError('invalid_input', 'content: a string is needed')
      return {
        type: 'put',
        path: it.path,
        content: it.encoding === 'base64' ? decoded(it.path, content) : content.kept,
        ...(it.oldPath ? { oldPath: it.oldPath } : {}),
      }
    }
    case 'lfsFile': {
      const it = check(LfsFile, value)
      const oldPath = it.oldPath ? { oldPath: it.oldPath } : {}
      return { type: 'put_lfs', path: it.path, oid: it.oid, size: it.size ?? undefined, ...oldPath }
    }
    case 'deletedFile':
    case 'deletedFolder':
    case 'deletedEntry':
      return { type: 'delete', path: check(Deleted, value).path }
    case 'copyFile': {
      const it = check(Copy, value)
      return {
        type: 'copy',
        path: it.path,
        from: it.srcPath,
        revision: it.srcRevision ?? undefined,
      }
    }
    default:
      throw new HubError('invalid_input', `Unknown operation "${key.slice(0, 100)}".`)
  }
}

function decoded(path: string, { kept, decodedSize }: SpooledText): FileContent {
  if (decodedSize === undefined)
    throw new HubError('invalid_input', `The content of "${path.slice(0, 200)}" is not base64.`)
  const bytes = kept.bytes && Buffer.from(kept.bytes.toString('latin1'), 'base64')
  return { size: decodedSize, bytes, open: () => kept.open().pipe(new Base64Decode()) }
}
