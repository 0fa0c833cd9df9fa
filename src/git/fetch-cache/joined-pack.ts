import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { ObjectFormat } from '../../domain/types.js'
import { WorkerPool } from '../../lib/worker-pool.js'
import { runGit } from '../spawn.js'
import type { LocalGrowth } from './growth.js'
import type { Joined, JoinOrder } from './join-worker.js'

/*
 * A clone of everything out of a repository that has been packed is, but for a few objects, the largest pack of the
 * repository. Its entries are taken as they are on disk, and behind them come those that it lacks, made by git.
 *
 * Why that is right: let P be the objects of the pack, T those that git packs when told to leave out P, R what the wants
 * reach, as git counts it. R is a part of P ∪ T, so |P| + |T| = |R| can only be when nothing is there twice and
 * nothing that the wants do not reach. Only then is it done; otherwise git makes the whole pack.
 */

/** Below this git is as fast. */
const MIN_PACK_BYTES = 16 * 1024 * 1024
const MAX_TAIL_BYTES = 16 * 1024 * 1024
const PACK_HEAD_BYTES = 12

export interface JoinedPack {
  readonly file: FileHandle
  readonly order: Omit<JoinOrder, 'part'>
}

export class PackJoiner {
  /** Packs that hold what their repository's refs do not reach. */
  readonly #unfit = new LRUCache<string, true>({ max: 10_000, ttl: 10 * 60_000 })
  readonly #workers = new WorkerPool({
    entry: new URL(
      `./join-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
      import.meta.url,
    ),
    size: 2,
  })

  /** Undefined when there is no such pack, or git has to make all of it. The caller closes the file. */
  async find(
    directory: string,
    wants: readonly string[],
    format: ObjectFormat,
    signal: AbortSignal,
  ): Promise<JoinedPack | undefined> {
    const name = await largestPack(directory)
    const path = name && join(directory, 'objects/pack', name)
    if (!path || this.#unfit.has(path)) return undefined
    // from here on the file is there, even when a repack removes its name
    const file = await open(path, 'r').catch(() => undefined)
    if (!file) return undefined
    const order = await this.#order(directory, name, file, wants, format, signal).catch(
      () => undefined,
    )
    if (order) return { file, order }
    if (!signal.aborted) this.#unfit.set(path, true)
    await file.close()
    return undefined
  }

  /** Writes the whole answer with it into `part`, which has to be empty. */
  async write(
    pack: JoinedPack,
    part: FileHandle,
    growth: LocalGrowth,
    signal: AbortSignal,
  ): Promise<void> {
    const session = await this.#workers.session(signal)
    try {
      let it = (await session.call({ ...pack.order, part: part.fd } satisfies JoinOrder)) as Joined
      for (;;) {
        growth.grow(it.bytes)
        if (it.done) return
        signal.throwIfAborted()
        it = (await session.call('more')) as Joined
      }
    } finally {
      session.release()
    }
  }

  close(): Promise<void> {
    return this.#workers.close()
  }

  async #order(
    directory: string,
    name: string,
    file: FileHandle,
    wants: readonly string[],
    format: ObjectFormat,
    signal: AbortSignal,
  ): Promise<Omit<JoinOrder, 'part'> | undefined> {
    const hashBytes = format === 'sha256' ? 32 : 20
    const options = { cwd: directory, input: `${wants.join('\n')}\n`, signal }
    const [{ size }, inPack, reached, missing] = await Promise.all([
      file.stat(),
      countIn(file),
      runGit('rev-list', ['--count', '--objects', '--use-bitmap-index', '--stdin'], options),
      runGit(
        'pack-objects',
        ['--revs', '--stdout', '--delta-base-offset', '-q', `--keep-pack=${name}`],
        { ...options, maxBytes: MAX_TAIL_BYTES },
      ),
    ])
    const tail = missing.stdout
    const objects = inPack + tail.readUInt32BE(8)
    if (objects !== Number(reached.stdout.toString().trim())) return undefined
    return {
      pack: file.fd,
      from: PACK_HEAD_BYTES,
      to: size - hashBytes,
      // memory of its own: it goes to another thread
      tail: new Uint8Array(tail.subarray(PACK_HEAD_BYTES, tail.length - hashBytes)),
      objects,
      hash: format,
    }
  }
}

async function countIn(file: FileHandle): Promise<number> {
  const head = Buffer.alloc(PACK_HEAD_BYTES)
  await file.read(head, 0, PACK_HEAD_BYTES, 0)
  if (head.toString('latin1', 0, 4) !== 'PACK' || head.readUInt32BE(4) !== 2)
    throw new Error('not a pack of version 2')
  return head.readUInt32BE(8)
}

/** Without a bitmap git would walk the whole history to count it. */
async function largestPack(directory: string): Promise<string | undefined> {
  const folder = join(directory, 'objects/pack')
  const names = await readdir(folder).catch(() => [])
  if (!names.some((it) => it.endsWith('.bitmap'))) return undefined
  let largest = { name: '', size: MIN_PACK_BYTES }
  for (const name of names.filter((it) => it.endsWith('.pack'))) {
    const { size } = await stat(join(folder, name)).catch(() => ({ size: 0 }))
    if (size >= largest.size) largest = { name, size }
  }
  return largest.name || undefined
}
