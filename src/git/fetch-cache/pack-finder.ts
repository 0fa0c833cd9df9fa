import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { HubError } from '../../domain/errors.js'
import type { ObjectFormat } from '../../domain/types.js'
import { runGit } from '../spawn.js'
import { type FoundPack, identityOf, PACK_HEAD_BYTES, sumBytes } from './recipe.js'

/*
 * A clone of everything out of a repository that has been packed is, but for a few objects, the largest pack of the
 * repository. Its entries are sent as they are on disk, and behind them come those that it lacks, made by git.
 *
 * Why that is right: let P be the objects of the pack, T those that git packs when told to leave out P, R what the wants
 * reach, as git counts it. R is a part of P ∪ T, so |P| + |T| = |R| can only be when nothing is there twice and
 * nothing that the wants do not reach. Only then is it done; otherwise git makes the whole pack.
 */

/** Below this git is as fast. */
const MIN_PACK_BYTES = 16 * 1024 * 1024
const MAX_TAIL_BYTES = 16 * 1024 * 1024

export class PackFinder {
  /** Packs that hold what their repository's refs do not reach. */
  readonly #unfit = new LRUCache<string, true>({ max: 10_000, ttl: 10 * 60_000 })

  /** Undefined when there is no such pack, or git has to make all of it. */
  async find(
    directory: string,
    wants: readonly string[],
    format: ObjectFormat,
    signal: AbortSignal,
  ): Promise<FoundPack | undefined> {
    const name = await largestPack(directory)
    const path = name && join(directory, 'objects/pack', name)
    if (!path || this.#unfit.has(path)) return undefined
    const file = await open(path, 'r').catch(() => undefined)
    if (!file) return undefined
    try {
      const found = await look(directory, name, file, wants, format, signal)
      if (!found) this.#unfit.set(path, true)
      return found
    } catch {
      // what failed now, in the middle of a repack for instance, may go well the next time
      return undefined
    } finally {
      await file.close()
    }
  }
}

/** Undefined when the pack lacks too much, or holds what the wants do not reach. */
async function look(
  directory: string,
  name: string,
  file: FileHandle,
  wants: readonly string[],
  format: ObjectFormat,
  signal: AbortSignal,
): Promise<FoundPack | undefined> {
  const options = { cwd: directory, input: `${wants.join('\n')}\n`, signal }
  const [{ bytes, sum }, inPack, reached, missing] = await Promise.all([
    identityOf(file, format),
    countIn(file),
    runGit('rev-list', ['--count', '--objects', '--use-bitmap-index', '--stdin'], options),
    runGit(
      'pack-objects',
      ['--revs', '--stdout', '--delta-base-offset', '-q', `--keep-pack=${name}`],
      { ...options, maxBytes: MAX_TAIL_BYTES },
    ).catch(unlessTooMuch),
  ])
  const tail = missing?.stdout
  if (!tail) return undefined
  const objects = inPack + tail.readUInt32BE(8)
  if (objects !== Number(reached.stdout.toString().trim())) return undefined
  return {
    format,
    pack: name,
    packBytes: bytes,
    packSum: sum,
    objects,
    tail: tail.subarray(PACK_HEAD_BYTES, tail.length - sumBytes(format)),
  }
}

function unlessTooMuch(err: unknown): undefined {
  if (!(err instanceof HubError && err.facts.size !== undefined)) throw err
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
