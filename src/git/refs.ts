import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { HubError } from '../domain/errors.js'
import type { RefSnapshot } from '../domain/ports.js'
import { isRefName } from '../domain/refs/ref-names.js'
import type { Ref } from '../domain/types.js'
import { compareRefNames } from '../protocol/git-v2.js'

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
/** Snapshots of all repositories together; 100,000 packed refs are 26 MB. */
const KEPT_BYTES = 64 * 1024 * 1024
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
  readonly packed: Packed
}

interface Packed {
  readonly mark: string
  readonly trusted: boolean
  /** By name, without hidden ones. */
  readonly refs: readonly Ref[]
  readonly byName: ReadonlyMap<string, Ref>
}

type Loose = { readonly oid: string } | { readonly symref: string }

export class RefReader {
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: KEPT_BYTES,
    sizeCalculation: weigh,
  })

  read(directory: string): RefSnapshot {
    const kept = this.#kept.get(directory)
    if (kept?.trusted && kept.sources.every(({ path, mark }) => statOf(path).mark === mark))
      return kept.snapshot
    const fresh = this.#readAll(directory, kept)
    this.#kept.set(directory, fresh)
    return fresh.snapshot
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
    const settledBefore = BigInt(Date.now()) * 1_000_000n - CLOCK_GRANULE_NS
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
    const files = new Map<string, Loose>()
    const walk = (relative: string): void => {
      const path = join(directory, relative)
      see(path)
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const name = `${relative}/${entry.name}`
        if (entry.isDirectory()) {
          if (`${name}/` !== HIDDEN) walk(name)
        } else if (entry.isFile() && isRefName(name)) {
          const it = readLoose(join(directory, name))
          if (it) files.set(name, it)
        }
      }
    }
    walk('refs')
    const packedPath = join(directory, 'packed-refs')
    const { mark, changedNs } = see(packedPath)
    // packed-refs changes much less often than the loose refs beside it
    let packed = before?.packed
    if (!packed?.trusted || packed.mark !== mark)
      packed = readPacked(packedPath, mark, changedNs < settledBefore)
    const loose = resolveLoose(files, packed)
    const trusted = newest < settledBefore
    // read again because it was too young, but nothing had changed
    const same =
      before?.packed === packed &&
      before.snapshot.defaultBranch === defaultBranch &&
      sameRefs(before.loose, loose)
    const snapshot = same ? before.snapshot : snapshotOf(defaultBranch, merge(packed, loose))
    return { snapshot, sources, trusted, loose, packed }
  }
}

/** About what one costs in memory. However many refs a repository has, it is kept, if need be alone. */
function weigh({ snapshot, sources, loose, packed }: Kept): number {
  const refs = 250 * (packed.refs.length + loose.length) + 16 * snapshot.refs.length
  return Math.min(KEPT_BYTES, 1_000 + 300 * sources.length + refs)
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

function snapshotOf(defaultBranch: string, refs: readonly Ref[]): RefSnapshot {
  const headName = `refs/heads/${defaultBranch}`
  let text = `${headName}\n`
  let headOid: string | null = null
  for (const ref of refs) {
    text += `${ref.oid} ${ref.name}\n`
    if (ref.name === headName) headOid = ref.oid
  }
  const digest = createHash('sha256').update(text).digest('hex')
  return { defaultBranch, headOid, refs, digest }
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
function resolveLoose(loose: ReadonlyMap<string, Loose>, packed: Packed): Ref[] {
  const follow = (name: string, depth: number): Ref | undefined => {
    const it = loose.get(name)
    if (!it) return packed.byName.get(name)
    if ('oid' in it) return { name, oid: it.oid }
    return depth < MAX_SYMREF_DEPTH ? follow(it.symref, depth + 1) : undefined
  }
  const refs: Ref[] = []
  for (const [name, it] of loose) {
    const end = follow(name, 0)
    if (!end) continue
    const known = packed.byName.get(name)
    if ('symref' in it) refs.push({ name, oid: end.oid, symref: end.name })
    else refs.push(known?.oid === it.oid ? known : end)
  }
  return refs.sort((a, b) => compareRefNames(a.name, b.name))
}

/** Both in order of the name; a loose ref hides the packed one of its name. */
function merge(packed: Packed, loose: readonly Ref[]): Ref[] {
  const refs: Ref[] = []
  let at = 0
  for (const ref of packed.refs) {
    for (let it = loose[at]; it; it = loose[at]) {
      const order = compareRefNames(it.name, ref.name)
      if (order > 0) break
      refs.push(it)
      at += 1
    }
    if (refs.at(-1)?.name !== ref.name) refs.push(ref)
  }
  for (; at < loose.length; at += 1) refs.push(loose[at] as Ref)
  return refs
}

function readPacked(path: string, mark: string, trusted: boolean): Packed {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
  }
  const header = text.startsWith('#') ? text.slice(0, text.indexOf('\n')) : ''
  const fullyPeeled = header.includes(' fully-peeled')
  const byName = new Map<string, Ref>()
  let last: Ref | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('^')) {
      if (last) byName.set(last.name, { ...last, peeled: line.slice(1) })
    } else if (line && !line.startsWith('#')) {
      const space = line.indexOf(' ')
      const name = line.slice(space + 1)
      last = undefined
      if (name.startsWith(HIDDEN) || name.includes('\ufffd')) continue
      last = { oid: line.slice(0, space), name }
      // with "fully-peeled", a ref without a ^ line is known not to be a tag object
      byName.set(name, fullyPeeled ? { ...last, peeled: last.oid } : last)
    }
  }
  const refs = [...byName.values()]
  const sorted = refs.every(
    (it, n) => n === 0 || compareRefNames(refs[n - 1]?.name ?? '', it.name) < 0,
  )
  if (!sorted) refs.sort((a, b) => compareRefNames(a.name, b.name))
  return { mark, trusted, refs, byName }
}
