import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { BlobChange, CommitInfo, Quarantine, TreeEntry } from '../domain/ports.js'
import type { GitOid, LfsPointer } from '../domain/types.js'
import { mayBePointer, parseLfsPointer } from '../protocol/lfs-pointer.js'
import { CatFile, type CatFilePool, type ObjectInfo } from './cat-file.js'
import { parseCommit, parseTree, typeOfMode } from './object-parsers.js'
import { gitRecords, runGit, splitStream, startGit } from './spawn.js'

const SMALL_BLOB_BYTES = 1024 * 1024
type Tree = Map<string, { mode: string; oid: GitOid }>
const NO_TREE: Tree = new Map()

/** Reading objects of one bare repository. */
export class GitReads {
  readonly #directory: string
  readonly #pool: CatFilePool

  constructor(directory: string, pool: CatFilePool) {
    this.#directory = directory
    this.#pool = pool
  }

  get #objects(): CatFile {
    return this.#pool.get(this.#directory)
  }

  async resolveCommit(revision: string): Promise<GitOid | undefined> {
    const info = await this.#objects.info(`${revision}^{commit}`)
    return info?.type === 'commit' ? info.oid : undefined
  }

  async readCommit(oid: GitOid): Promise<CommitInfo> {
    const got = await this.#objects.contents(oid)
    if (got?.info.type !== 'commit')
      throw new HubError('revision_not_found', `Invalid rev id: ${oid}`)
    return parseCommit(oid, got.content)
  }

  async log(
    from: GitOid,
    options: { skip: number; limit: number; path?: string; not?: readonly GitOid[] },
  ): Promise<CommitInfo[]> {
    const oids: string[] = []
    const args = [
      `--skip=${options.skip}`,
      `--max-count=${options.limit}`,
      '--end-of-options',
      from,
      ...(options.not ?? []).map((it) => `^${it}`),
    ]
    if (options.path !== undefined) args.push('--', `:(literal)${options.path}`)
    for await (const oid of gitRecords('rev-list', args, { cwd: this.#directory, separator: '\n' }))
      oids.push(oid)
    return Promise.all(oids.map((oid) => this.readCommit(oid)))
  }

  async countCommits(from: GitOid, not?: GitOid): Promise<number> {
    const args = ['--count', '--end-of-options', from, ...(not ? [`^${not}`] : [])]
    const { stdout } = await runGit('rev-list', args, { cwd: this.#directory })
    return Number(stdout.toString())
  }

  async findEntry(commit: GitOid, path: string): Promise<TreeEntry | undefined> {
    if (path === '') {
      const tree = await this.#objects.info(`${commit}^{tree}`)
      return tree && { path, mode: '040000', type: 'tree', oid: tree.oid, size: 0 }
    }
    const slash = path.lastIndexOf('/')
    const parent = await this.#objects.contents(`${commit}:${path.slice(0, Math.max(slash, 0))}`)
    if (parent?.info.type !== 'tree') return undefined
    const hashBytes = commit.length / 2
    for (const it of parseTree(parent.content, hashBytes)) {
      if (it.name !== path.slice(slash + 1)) continue
      const type = typeOfMode(it.mode)
      const size = type === 'blob' ? ((await this.#objects.info(it.oid))?.size ?? 0) : 0
      return { path, mode: it.mode, type, oid: it.oid, size }
    }
    return undefined
  }

  async *listTree(
    commit: GitOid,
    path: string,
    options: { recursive: boolean },
  ): AsyncGenerator<TreeEntry> {
    const treeish = path === '' ? commit : `${commit}:${path}`
    const flags = ['-z', '-l', '--full-tree', ...(options.recursive ? ['-r', '-t'] : [])]
    const prefix = path === '' ? '' : `${path}/`
    for await (const line of gitRecords('ls-tree', [...flags, '--end-of-options', treeish], {
      cwd: this.#directory,
      separator: '\0',
    })) {
      const match = /^(\d{6}) (\w+) ([0-9a-f]+) +(-|\d+)\t([\s\S]+)$/.exec(line)
      if (!match) continue
      const [, mode = '', type, oid = '', size, name] = match
      yield {
        path: `${prefix}${name}`,
        mode,
        type: type as TreeEntry['type'],
        oid,
        size: size === '-' ? 0 : Number(size),
      }
    }
  }

  async statPath(commit: GitOid, path: string): Promise<ObjectInfo | undefined> {
    // cat-file takes one object a line: the rare path with a line feed is looked up in its folder instead
    if (/[\n\0]/.test(path)) return this.findEntry(commit, path)
    return this.#objects.info(`${commit}:${path}`)
  }

  async *walk(
    commit: GitOid,
    path: string,
    options: { recursive: boolean; after?: string | undefined },
  ): AsyncGenerator<Omit<TreeEntry, 'size'>> {
    const root = await this.statPath(commit, path)
    if (root?.type !== 'tree') return
    yield* this.#walkTree(root.oid, path === '' ? '' : `${path}/`, options)
  }

  /** In git's order, in which a folder sorts as `name/`; so the keys below are in byte order throughout the walk. */
  async *#walkTree(
    oid: GitOid,
    prefix: string,
    options: { recursive: boolean; after?: string | undefined },
  ): AsyncGenerator<Omit<TreeEntry, 'size'>> {
    const { recursive, after = '' } = options
    for (const it of await this.#treeEntries(oid)) {
      const path = `${prefix}${it.name}`
      const type = typeOfMode(it.mode)
      const key = type === 'tree' ? `${path}/` : path
      const inside = type === 'tree' && recursive && after.startsWith(key)
      if (after !== '' && !inside && compareBytes(key, after) <= 0) continue
      if (!inside) yield { path, mode: it.mode, type, oid: it.oid }
      if (type === 'tree' && recursive) yield* this.#walkTree(it.oid, key, options)
    }
  }

  async #treeEntries(oid: GitOid): Promise<Iterable<{ mode: string; name: string; oid: string }>> {
    const known = this.#pool.trees.get(oid)
    if (known) return parseTree(known, oid.length / 2)
    const got = await this.#objects.contents(oid)
    if (got?.info.type !== 'tree') throw new HubError('git_failed', 'a tree is missing', { oid })
    this.#pool.trees.set(got.info.oid, got.content)
    return parseTree(got.content, got.info.oid.length / 2)
  }

  /** Newest commit that touched each path (a folder: anything below it), as far as git gets in `budgetMs`. */
  async lastCommits(
    from: GitOid,
    paths: readonly string[],
    budgetMs: number,
  ): Promise<Map<string, GitOid>> {
    const found = new Map<string, GitOid>()
    const wanted = new Set(paths)
    // a path with a line feed cannot be told to git log by line: then nothing is left out of its search
    const limits = paths.some((it) => it.includes('\n'))
      ? []
      : ['--', ...paths.map((it) => `:(literal)${it}`)]
    const signal = AbortSignal.timeout(budgetMs)
    try {
      let commit = ''
      for await (const record of gitRecords(
        'log',
        ['-z', '--format=%x01%H', '--name-only', '--no-renames', '--stdin'],
        {
          cwd: this.#directory,
          separator: '\0',
          input: [from, ...limits, ''].join('\n'),
          signal,
        },
      )) {
        const text = record.replace(/^\n/, '')
        if (text.startsWith('\x01')) commit = text.slice(1)
        else takeTouched(text, commit, wanted, found)
        if (wanted.size === 0) break
      }
    } catch (err) {
      if (!signal.aborted) throw err
    }
    return found
  }

  async blobSize(oid: GitOid): Promise<number | undefined> {
    const info = await this.#objects.info(oid)
    return info?.type === 'blob' ? info.size : undefined
  }

  async readBlob(oid: GitOid, maxBytes: number): Promise<Buffer> {
    const info = await this.#objects.info(oid)
    if (info?.type !== 'blob') throw new HubError('entry_not_found', 'Entry not found', { oid })
    if (info.size > maxBytes)
      throw new HubError('too_large', `blob is larger than ${maxBytes} bytes`)
    return (await this.#objects.contents(oid))?.content ?? Buffer.alloc(0)
  }

  async openBlob(oid: GitOid, signal: AbortSignal): Promise<{ size: number; stream: Readable }> {
    const info = await this.#objects.info(oid)
    if (info?.type !== 'blob') throw new HubError('entry_not_found', 'Entry not found', { oid })
    const stream = new PassThrough()
    if (info.size <= SMALL_BLOB_BYTES) {
      stream.end((await this.#objects.contents(oid))?.content)
      return { size: info.size, stream }
    }
    const git = await startGit('cat-file', ['blob', oid], { cwd: this.#directory, signal })
    git.stdin.end()
    pipeline(git.stdout, stream).catch(() => git.kill())
    return { size: info.size, stream }
  }

  async *diffFiles(from: GitOid | null, to: GitOid): AsyncGenerator<BlobChange> {
    if (from === null) {
      for await (const it of this.listTree(to, '', { recursive: true }))
        if (it.type === 'blob') yield { path: it.path, after: { mode: it.mode, oid: it.oid } }
      return
    }
    const trees = await Promise.all([from, to].map((it) => this.#readTree(`${it}^{tree}`)))
    yield* this.#diffTrees('', trees[0] ?? new Map(), trees[1] ?? new Map())
  }

  /** Walks only into subtrees that differ; a small push then needs no process of its own. */
  async *#diffTrees(prefix: string, before: Tree, after: Tree): AsyncGenerator<BlobChange> {
    for (const [name, now] of after) {
      const was = before.get(name)
      if (was?.oid === now.oid && was.mode === now.mode) continue
      const path = `${prefix}${name}`
      const wasTree =
        was && typeOfMode(was.mode) === 'tree' ? await this.#readTree(was.oid) : NO_TREE
      const nowTree = typeOfMode(now.mode) === 'tree' ? await this.#readTree(now.oid) : NO_TREE
      if (was && typeOfMode(was.mode) === 'blob' && typeOfMode(now.mode) !== 'blob')
        yield { path, after: null }
      yield* this.#diffTrees(`${path}/`, wasTree, nowTree)
      if (typeOfMode(now.mode) === 'blob') yield { path, after: { mode: now.mode, oid: now.oid } }
    }
    for (const [name, was] of before) {
      if (after.has(name)) continue
      const path = `${prefix}${name}`
      if (typeOfMode(was.mode) === 'blob') yield { path, after: null }
      else if (typeOfMode(was.mode) === 'tree')
        yield* this.#diffTrees(`${path}/`, await this.#readTree(was.oid), NO_TREE)
    }
  }

  async readTree(treeish: GitOid): Promise<Tree | undefined> {
    const got = await this.#objects.contents(`${treeish}^{tree}`)
    if (got?.info.type !== 'tree') return undefined
    const hashBytes = got.info.oid.length / 2
    return new Map(
      [...parseTree(got.content, hashBytes)].map(({ name, ...it }) => [name, it] as const),
    )
  }

  async #readTree(oid: GitOid): Promise<Tree> {
    const entries = await this.#treeEntries(oid)
    return new Map([...entries].map(({ name, ...it }) => [name, it] as const))
  }

  /** Sizes and pointers of many blobs by one process that lives for this call. */
  async inspectBlobs(
    oids: readonly GitOid[],
    quarantine?: Quarantine,
  ): Promise<{
    sizes: Map<GitOid, number>
    pointers: Map<GitOid, LfsPointer & { pointerSize: number }>
  }> {
    const sizes = new Map<GitOid, number>()
    const pointers = new Map<GitOid, LfsPointer & { pointerSize: number }>()
    const own = quarantine !== undefined || oids.length > 2_000
    const reader = own ? new CatFile(this.#directory, quarantine) : this.#objects
    try {
      for (let at = 0; at < oids.length; at += 1_000) {
        const page = oids.slice(at, at + 1_000)
        const infos = await Promise.all(page.map((oid) => reader.info(oid)))
        const candidates: string[] = []
        for (const info of infos) {
          if (info?.type !== 'blob') continue
          sizes.set(info.oid, info.size)
          if (mayBePointer(info.size)) candidates.push(info.oid)
        }
        const contents = await Promise.all(candidates.map((oid) => reader.contents(oid)))
        for (const it of contents) {
          const pointer = it && parseLfsPointer(it.content)
          if (pointer) pointers.set(it.info.oid, { ...pointer, pointerSize: it.info.size })
        }
      }
    } finally {
      if (own) reader.close()
    }
    return { sizes, pointers }
  }

  async *newPointers(
    tips: readonly GitOid[],
    options: { quarantine?: Quarantine | undefined; not?: 'refs' | 'nothing' },
  ): AsyncGenerator<LfsPointer> {
    if (tips.length === 0) return
    const seen = new Set<string>()
    let page: GitOid[] = []
    const flush = async () => {
      const { pointers } = await this.inspectBlobs(page, options.quarantine)
      page = []
      return [...pointers.values()].filter((it) => !seen.has(it.oid) && seen.add(it.oid))
    }
    const limit = 'combine:blob:limit=1k+object:type=blob'
    const exclude = options.not === 'nothing' ? [] : ['--not', '--all']
    const git = await startGit(
      'rev-list',
      [
        '--objects',
        `--filter=${limit}`,
        '--filter-provided-objects',
        '--no-object-names',
        '--stdin',
        ...exclude,
      ],
      { cwd: this.#directory, quarantine: options.quarantine },
    )
    git.stdin.end(`${tips.join('\n')}\n`)
    for await (const line of splitStream(git.stdout, 10)) {
      page.push(line)
      if (page.length >= 20_000) yield* await flush()
    }
    if ((await git.exited) !== 0)
      throw new HubError('git_failed', 'git rev-list failed', { stderr: git.stderr() })
    if (page.length > 0) yield* await flush()
  }

  async isAncestor(
    ancestor: GitOid,
    descendant: GitOid,
    quarantine?: Quarantine,
  ): Promise<boolean> {
    const { code } = await runGit(
      'merge-base',
      ['--is-ancestor', '--end-of-options', ancestor, descendant],
      { cwd: this.#directory, quarantine, okCodes: [0, 1, 128] },
    )
    return code === 0
  }
}

/** A changed file settles itself and every folder above it. */
function takeTouched(
  path: string,
  commit: GitOid,
  wanted: Set<string>,
  found: Map<string, GitOid>,
): void {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    const part = path.slice(0, end)
    if (wanted.delete(part)) found.set(part, commit)
  }
}

/** Order of the UTF-8 bytes; JavaScript's own order differs from it only where surrogates are involved. */
function compareBytes(a: string, b: string): number {
  if (/[\ud800-\udfff]/.test(a) || /[\ud800-\udfff]/.test(b))
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
