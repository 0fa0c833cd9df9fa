import { createHash } from 'node:crypto'
import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { HubError } from '../domain/errors.js'
import type { RefSnapshot } from '../domain/ports.js'
import type { Ref } from '../domain/types.js'

/*
 * A repository's refs on disk (gitrepository-layout(5)):
 *   HEAD                 "ref: refs/heads/main\n"
 *   packed-refs          "# pack-refs with: …\n" then "<oid> <name>\n", "^<peeled>\n" after an annotated tag
 *   refs/**              one file a loose ref, "<oid>\n"; it wins over packed-refs
 *
 * A snapshot is kept with the stat of everything it was read from. Every change of a loose ref is a rename within
 * its directory and every change of packed-refs a rename over it, so equal stats mean equal refs, except within one
 * granule of the file system's clock: a snapshot whose sources are younger than that is not trusted a second time.
 */
const CLOCK_GRANULE_NS = 20_000_000n
const HIDDEN = 'refs/packhorse/'

interface Kept {
  readonly snapshot: RefSnapshot
  readonly sources: readonly { readonly path: string; readonly mark: string }[]
  readonly trusted: boolean
}

export class RefReader {
  readonly #kept = new LRUCache<string, Kept>({ max: 5_000 })

  read(directory: string): RefSnapshot {
    const kept = this.#kept.get(directory)
    if (kept?.trusted && kept.sources.every(({ path, mark }) => markOf(path) === mark))
      return kept.snapshot
    const fresh = readRefs(directory)
    this.#kept.set(directory, fresh)
    return fresh.snapshot
  }

  forget(directory: string): void {
    this.#kept.delete(directory)
  }
}

function markOf(path: string): string {
  const it = statSync(path, { bigint: true, throwIfNoEntry: false })
  return it ? `${it.ino}:${it.mtimeNs}:${it.ctimeNs}:${it.size}` : ''
}

function readRefs(directory: string): Kept {
  const sources: { path: string; mark: string }[] = []
  let newest = 0n
  const see = (path: string): BigIntStats | undefined => {
    const it = statSync(path, { bigint: true, throwIfNoEntry: false })
    sources.push({ path, mark: it ? `${it.ino}:${it.mtimeNs}:${it.ctimeNs}:${it.size}` : '' })
    if (it && it.ctimeNs > newest) newest = it.ctimeNs
    return it
  }
  const headPath = join(directory, 'HEAD')
  if (!see(headPath))
    throw new HubError('git_failed', 'repository directory is missing', { directory })
  const defaultBranch = readHead(headPath)
  // loose before packed: pack-refs writes packed-refs first and removes loose files after
  const loose = new Map<string, string>()
  const walk = (relative: string) => {
    const path = join(directory, relative)
    see(path)
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const name = `${relative}/${entry.name}`
      if (entry.isDirectory()) {
        walk(name)
      } else if (!entry.name.endsWith('.lock')) {
        const oid = readLoose(join(directory, name))
        if (oid) loose.set(name, oid)
      }
    }
  }
  walk('refs')
  const packedPath = join(directory, 'packed-refs')
  see(packedPath)
  const packed = readPacked(packedPath)
  const refs: Ref[] = []
  for (const [name, ref] of packed) if (!loose.has(name) && !name.startsWith(HIDDEN)) refs.push(ref)
  for (const [name, oid] of loose) {
    if (name.startsWith(HIDDEN)) continue
    const known = packed.get(name)
    refs.push(known && known.oid === oid ? known : { name, oid })
  }
  refs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const headName = `refs/heads/${defaultBranch}`
  const hash = createHash('sha256').update(`${headName}\n`)
  for (const ref of refs) hash.update(`${ref.oid} ${ref.name}\n`)
  const snapshot: RefSnapshot = {
    defaultBranch,
    headOid: refs.find((it) => it.name === headName)?.oid ?? null,
    refs,
    digest: hash.digest('hex'),
  }
  const age = BigInt(Date.now()) * 1_000_000n - newest
  return { snapshot, sources, trusted: age > CLOCK_GRANULE_NS }
}

function readHead(path: string): string {
  const text = readFileSync(path, 'latin1')
  const branch = /^ref: refs\/heads\/(.+)\n?$/.exec(
    Buffer.from(text, 'latin1').toString('utf8'),
  )?.[1]
  if (!branch) throw new HubError('git_failed', 'HEAD is not a branch', { path })
  return branch.trimEnd()
}

function readLoose(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'latin1')
    return /^([0-9a-f]{64}|[0-9a-f]{40})\s/.exec(text)?.[1]
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined // deleted while we looked
    throw err
  }
}

function readPacked(path: string): Map<string, Ref> {
  const refs = new Map<string, Ref>()
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return refs
    throw err
  }
  const fullyPeeled =
    text.startsWith('#') && text.slice(0, text.indexOf('\n')).includes(' fully-peeled')
  let last: { name: string; oid: string } | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('^')) {
      if (last) refs.set(last.name, { ...last, peeled: line.slice(1) })
    } else if (line && !line.startsWith('#')) {
      const space = line.indexOf(' ')
      last = { oid: line.slice(0, space), name: line.slice(space + 1) }
      // with "fully-peeled", a ref without a ^ line is known not to be a tag object
      refs.set(last.name, fullyPeeled ? { ...last, peeled: last.oid } : last)
    }
  }
  return refs
}
