import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { HubError } from '../domain/errors.js'
import type { RefSnapshot } from '../domain/ports.js'
import { isRefName } from '../domain/refs/ref-names.js'
import type { Ref } from '../domain/types.js'
import { SingleFlight } from '../lib/single-flight.js'
import { compareRefNames } from '../protocol/git-v2.js'
import {
  findRef,
  type PackedRefs,
  parsePackedRefs,
  positionOf,
  readPackedRefs,
} from './packed-refs.js'

/*
 * A repository's refs on disk (gitrepository-layout(5)):
 *   HEAD                 "ref: refs/heads/main\n"
 *   packed-refs          "# pack-refs with: …\n" then "<oid> <name>\n", "^<peeled>\n" after an annotated tag
 *   refs/**              one file a loose ref, "<oid>\n" or "ref: <name>\n"; it wins over packed-refs
 *
 * A snapshot is kept with the stat of everything it was read from. Every change of a loose ref is a rename within
 * its directory and every change of packed-refs a rename over it, so equal stats mean equal refs, except within one
 * granule of the file system's clock: a snapshot whose sources are younger than that is not trusted a second time.
 */
const CLOCK_GRANULE_NS = 20_000_000n
/** Snapshots of all repositories together; 100,000 packed refs are 33 MB. */
const KEPT_BYTES = 64 * 1024 * 1024
/** A packed-refs file of more is read between other work: 15,000 refs. */
const LONG_FILE_BYTES = 1024 * 1024
const HIDDEN = 'refs/packhorse/'
const MAX_SYMREF_DEPTH = 5

interface Source {
  readonly path: string
  readonly mark: string
}

interface Kept {
  readonly snapshot: RefSnapshot
  readonly sources: readonly Source[]
  readonly trusted: boolean
  readonly loose: readonly Ref[]
  readonly files: ReadonlyMap<string, LooseFile>
  readonly packed: PackedRefs
}

interface LooseFile {
  readonly mark: string
  readonly trusted: boolean
  readonly content: Loose
}

type Loose = { readonly oid: string } | { readonly symref: string }

export class RefReader {
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: KEPT_BYTES,
    sizeCalculation: weigh,
  })
  /** Long files that were read between other work, until `read` takes them over. */
  readonly #long = new Map<string, PackedRefs>()
  readonly #flights = new SingleFlight<void>()

  /** As `read`; a file of very many refs does not hold up the event loop. */
  async readSoon(directory: string): Promise<RefSnapshot> {
    const kept = this.#unchanged(directory)
    if (kept) return kept
    if (sizeOf(packedPath(directory)) >= LONG_FILE_BYTES)
      await this.#flights.run(directory, () => this.#readLong(directory))
    try {
      return this.read(directory)
    } finally {
      this.#long.delete(directory)
    }
  }

  read(directory: string): RefSnapshot {
    const kept = this.#unchanged(directory)
    if (kept) return kept
    const fresh = this.#readAll(directory, this.#kept.get(directory))
    this.#kept.set(directory, fresh)
    return fresh.snapshot
  }

  #unchanged(directory: string): RefSnapshot | undefined {
    const kept = this.#kept.get(directory)
    return kept?.trusted && kept.sources.every(({ path, mark }) => statOf(path).mark === mark)
      ? kept.snapshot
      : undefined
  }

  async #readLong(directory: string): Promise<void> {
    const path = packedPath(directory)
    let { mark, changedNs } = statOf(path)
    if (this.#kept.get(directory)?.packed.mark === mark) return
    if (changedNs >= settledNow()) {
      // too young to be trusted, and too long to be read for nothing
      await sleep(2 * Number(CLOCK_GRANULE_NS / 1_000_000n))
      ;({ mark, changedNs } = statOf(path))
    }
    const trusted = changedNs < settledNow()
    try {
      this.#long.set(directory, { mark, trusted, ...(await readPackedRefs(path, HIDDEN)) })
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    }
  }

  forget(directory: string): void {
    this.#kept.delete(directory)
  }

  #readAll(directory: string, before: Kept | undefined): Kept {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return this.#readOnce(directory, before)
      } catch (err) {
        // git removes directories that became empty while we walk
        if ((err as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 10) throw err
      }
    }
  }

  #readOnce(directory: string, before: Kept | undefined): Kept {
    const settledBefore = settledNow()
    const sources: Source[] = []
    let newest = 0n
    const see = (path: string): { mark: string; changedNs: bigint } => {
      const it = statOf(path)
      sources.push({ path, mark: it.mark })
      if (it.changedNs > newest) newest = it.changedNs
      return it
    }
    const headPath = join(directory, 'HEAD')
    if (see(headPath).mark === '')
      throw new HubError('git_failed', 'repository directory is missing', { directory })
    const defaultBranch = readHead(headPath)
    // loose before packed: pack-refs writes packed-refs first and removes loose files after
    const files = new Map<string, LooseFile>()
    const walk = (relative: string): void => {
      const path = join(directory, relative)
      see(path)
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const name = `${relative}/${entry.name}`
        if (entry.isDirectory()) {
          if (`${name}/` !== HIDDEN) walk(name)
        } else if (entry.isFile() && isRefName(name)) {
          const { mark, changedNs } = statOf(join(directory, name))
          const known = before?.files.get(name)
          if (known?.trusted && known.mark === mark) files.set(name, known)
          else {
            const content = readLoose(join(directory, name))
            if (content) files.set(name, { mark, trusted: changedNs < settledBefore, content })
          }
        }
      }
    }
    walk('refs')
    const path = packedPath(directory)
    const { mark, changedNs } = see(path)
    // packed-refs changes much less often than the loose refs beside it
    let packed = before?.packed
    if (!packed?.trusted || packed.mark !== mark) packed = this.#long.get(directory)
    if (!packed?.trusted || packed.mark !== mark)
      packed = readPacked(path, mark, changedNs < settledBefore)
    const loose = resolveLoose(files, packed)
    const trusted = newest < settledBefore
    // read again because it was too young, but nothing had changed
    const same =
      before?.packed === packed &&
      before.snapshot.defaultBranch === defaultBranch &&
      sameRefs(before.loose, loose)
    const fresh = same ? before.snapshot : snapshotOf(defaultBranch, packed, loose)
    const snapshot = before && isBeingPacked(before, fresh, loose) ? before.snapshot : fresh
    return { snapshot, sources, trusted, loose, files, packed }
  }
}

/** Loose refs went one by one because packed-refs has them: what was made of the snapshot before holds for as long as it takes. */
function isBeingPacked(before: Kept, fresh: RefSnapshot, loose: readonly Ref[]): boolean {
  return (
    loose.length > 0 &&
    before.snapshot.digest === fresh.digest &&
    // of a symbolic ref the digest knows only where it leads
    ![...before.loose, ...loose].some((it) => it.symref)
  )
}

/** About what one costs in memory. However many refs a repository has, it is kept, if need be alone. */
function weigh({ snapshot, sources, loose, files, packed }: Kept): number {
  const refs = 330 * packed.refs.length + 250 * (loose.length + files.size)
  return Math.min(KEPT_BYTES, 1_000 + 300 * sources.length + refs + 16 * snapshot.refs.length)
}

function sameRefs(a: readonly Ref[], b: readonly Ref[]): boolean {
  return (
    a.length === b.length &&
    a.every((it, n) => {
      const other = b[n]
      return it.name === other?.name && it.oid === other.oid && it.symref === other.symref
    })
  )
}

/** Both in order of the name; a loose ref hides the packed one of its name. */
function snapshotOf(defaultBranch: string, packed: PackedRefs, loose: readonly Ref[]): RefSnapshot {
  const headName = `refs/heads/${defaultBranch}`
  const hash = createHash('sha256').update(`${headName}\n`)
  const refs: Ref[] = []
  let at = 0
  const takeUntil = (end: number) => {
    if (end <= at) return
    hash.update(packed.text.subarray(packed.ends[at - 1] ?? 0, packed.ends[end - 1]))
    for (; at < end; at += 1) refs.push(packed.refs[at] as Ref)
  }
  for (const ref of loose) {
    takeUntil(positionOf(packed.refs, ref.name))
    hash.update(`${ref.oid} ${ref.name}\n`)
    refs.push(ref)
    if (packed.refs[at]?.name === ref.name) at += 1
  }
  takeUntil(packed.refs.length)
  const headOid = findRef(refs, headName)?.oid ?? null
  return { defaultBranch, headOid, refs, digest: hash.digest('hex') }
}

/** What changed before then has a mark of its own by now. */
function settledNow(): bigint {
  return BigInt(Date.now()) * 1_000_000n - CLOCK_GRANULE_NS
}

function packedPath(directory: string): string {
  return join(directory, 'packed-refs')
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function statOf(path: string): { mark: string; changedNs: bigint } {
  const it = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (!it) return { mark: '', changedNs: 0n }
  return { mark: `${it.ino}:${it.mtimeNs}:${it.ctimeNs}:${it.size}`, changedNs: it.ctimeNs }
}

function readHead(path: string): string {
  // a link would be an old way of pointing at a branch, or a way out of the repository
  const text = lstatSync(path).isFile() ? readFileSync(path, 'utf8') : ''
  const branch = /^ref: refs\/heads\/(.+)\n?$/.exec(text)?.[1]?.trimEnd()
  if (!branch) throw new HubError('git_failed', 'HEAD is not a branch', { path })
  return branch
}

function readLoose(path: string): Loose | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined // deleted while we looked
    throw err
  }
  const oid = /^([0-9a-f]{64}|[0-9a-f]{40})\s/.exec(text)?.[1]
  if (oid) return /^0+$/.test(oid) ? undefined : { oid }
  const symref = /^ref: (refs\/\S+)\s*$/.exec(text)?.[1]
  return symref === undefined ? undefined : { symref }
}

/** Loose refs in order, symbolic ones with what they lead to; dangling ones are left out, as git does. */
function resolveLoose(files: ReadonlyMap<string, LooseFile>, packed: PackedRefs): Ref[] {
  const follow = (name: string, depth: number): Ref | undefined => {
    const it = files.get(name)?.content
    if (!it) return findRef(packed.refs, name)
    if ('oid' in it) return { name, oid: it.oid }
    return depth < MAX_SYMREF_DEPTH ? follow(it.symref, depth + 1) : undefined
  }
  const refs: Ref[] = []
  for (const [name, { content }] of files) {
    const end = follow(name, 0)
    if (!end) continue
    const known = findRef(packed.refs, name)
    if ('symref' in content) refs.push({ name, oid: end.oid, symref: end.name })
    else refs.push(known?.oid === content.oid ? known : end)
  }
  return refs.sort((a, b) => compareRefNames(a.name, b.name))
}

function readPacked(path: string, mark: string, trusted: boolean): PackedRefs {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
  }
  return { mark, trusted, ...parsePackedRefs(text, HIDDEN) }
}
