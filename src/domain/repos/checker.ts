import { createHash } from 'node:crypto'
import type { FileStore } from '../content/ports.js'
import type { LfsStore } from '../lfs/ports.js'
import type { GitEngine, ObjectStore, RefSnapshot } from '../ports.js'
import type { RefStore } from '../refs/ports.js'
import { diffRefs } from '../refs/recorder.js'
import type { LfsOid, LfsPointer, Repo, RepoId } from '../types.js'
import type { RepoStore } from './ports.js'

const ATTEMPTS = 5

/** Looks for damage: git's own check, metadata that disagrees with git, LFS objects that are missing or altered. */
export class Checker {
  readonly #git: GitEngine
  readonly #repos: RepoStore
  readonly #refs: RefStore
  readonly #files: FileStore
  readonly #lfs: LfsStore
  readonly #store: ObjectStore
  readonly #allowMissingLfs: boolean

  constructor(parts: {
    git: GitEngine
    repos: RepoStore
    refs: RefStore
    files: FileStore
    lfs: LfsStore
    store: ObjectStore
    allowMissingLfs: boolean
  }) {
    this.#git = parts.git
    this.#repos = parts.repos
    this.#refs = parts.refs
    this.#files = parts.files
    this.#lfs = parts.lfs
    this.#store = parts.store
    this.#allowMissingLfs = parts.allowMissingLfs
  }

  /** One line per problem. What is written while it is looked at is looked at again. */
  async checkRepo({ id }: { readonly id: RepoId }): Promise<string[]> {
    for (let attempt = 1; ; attempt += 1) {
      const repo = await this.#repos.findById(id)
      if (repo?.state !== 'ready') return []
      if (!(await this.#git.exists(id))) return ['the repository directory is missing']
      const snapshot = await this.#git.snapshot(id)
      const problems = await this.#checkOnce(repo, snapshot)
      if (problems.length === 0 || attempt === ATTEMPTS) return problems
      const now = await this.#repos.findById(id)
      if (now?.state !== 'ready') return []
      const same = now.refsDigest === repo.refsDigest && now.lfsBytes === repo.lfsBytes
      if (same && (await this.#git.snapshot(id)).digest === snapshot.digest) return problems
    }
  }

  /** Repository directories that no row of the database speaks of. */
  async *checkDirectories(): AsyncGenerator<string> {
    for await (const id of this.#git.listDirectories())
      if (!(await this.#repos.findById(id))) yield `${this.#git.directory(id)}: no such repository`
  }

  async #checkOnce(repo: Repo, snapshot: RefSnapshot): Promise<string[]> {
    const problems = (await this.#git.fsck(repo.id)).map((it) => `git fsck: ${it}`)
    for (const it of diffRefs(await this.#refs.list(repo.id), snapshot.refs))
      problems.push(`ref ${it.name}: metadata has ${it.oldOid}, git has ${it.newOid}`)
    if (snapshot.headOid !== repo.headOid)
      problems.push(`head: metadata has ${repo.headOid}, git has ${snapshot.headOid}`)
    else problems.push(...(await this.#checkFiles(repo)), ...(await this.#checkCounters(repo)))
    problems.push(...(await this.#checkPointers(repo, snapshot)))
    return problems
  }

  async #checkCounters(repo: Repo): Promise<string[]> {
    const commits = repo.headOid ? await this.#git.countCommits(repo.id, repo.headOid) : 0
    let bytes = 0
    for (let after = ''; ; ) {
      const page = await this.#lfs.listLinks(repo.id, after, 5_000)
      for (const it of page) bytes += it.size
      const last = page.at(-1)
      if (!last) break
      after = last.oid
    }
    return [
      ...(commits === repo.commitCount
        ? []
        : [`${repo.commitCount} commits counted, ${commits} in git`]),
      ...(bytes === repo.lfsBytes ? [] : [`${repo.lfsBytes} LFS bytes counted, ${bytes} linked`]),
    ]
  }

  /** Every LFS object that any commit names must be served. */
  async #checkPointers(repo: Repo, { refs }: RefSnapshot): Promise<string[]> {
    if (this.#allowMissingLfs) return []
    const problems: string[] = []
    const seen = new Set<LfsOid>()
    let page: LfsPointer[] = []
    const flush = async () => {
      const linked = await this.#lfs.findLinked(
        repo.id,
        page.map((it) => it.oid),
      )
      for (const { oid } of page)
        if (!linked.has(oid)) problems.push(`LFS object ${oid}: a commit names it, it is not here`)
      page = []
    }
    const tips = [...new Set(refs.map((it) => it.oid))]
    for await (const pointer of this.#git.newPointers(repo.id, tips, { not: 'nothing' })) {
      if (seen.has(pointer.oid)) continue
      seen.add(pointer.oid)
      page.push(pointer)
      if (page.length >= 1_000) await flush()
    }
    await flush()
    return problems
  }

  async #checkFiles(repo: Repo): Promise<string[]> {
    const problems: string[] = []
    const known = new Map<string, string>()
    for (let after = ''; ; ) {
      const page = await this.#files.list(repo.id, after, 5_000)
      for (const it of page) known.set(it.path, it.blobOid)
      const last = page.at(-1)
      if (!last) break
      after = last.path
    }
    if (repo.headOid)
      for await (const { path, after } of this.#git.diffFiles(repo.id, null, repo.headOid)) {
        if (known.get(path) !== after?.oid)
          problems.push(`file ${path}: metadata disagrees with git`)
        known.delete(path)
      }
    for (const path of known.keys()) problems.push(`file ${path}: not in git`)
    return problems
  }

  /** `readAll` reads and hashes every object, otherwise only its size is looked at. */
  async *checkObjects({ readAll }: { readAll: boolean }): AsyncGenerator<string> {
    for (let after = ''; ; ) {
      const page = await this.#lfs.scanObjects(after, 1_000)
      for (const { oid, size, storage, key } of page) {
        if (storage !== 'raw') continue
        const stored = key ? await this.#store.size(key) : undefined
        if (!key || stored === undefined) yield `LFS object ${oid}: missing`
        else if (stored !== size) yield `LFS object ${oid}: ${stored} bytes instead of ${size}`
        else if (readAll && (await this.#hash(key)) !== oid) yield `LFS object ${oid}: altered`
      }
      const last = page.at(-1)
      if (!last) return
      after = last.oid
    }
  }

  async #hash(key: string): Promise<string> {
    const hash = createHash('sha256')
    for await (const chunk of await this.#store.open(key)) hash.update(chunk as Buffer)
    return hash.digest('hex')
  }
}
