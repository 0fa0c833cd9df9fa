import { createHash } from 'node:crypto'
import type { FileStore, GitEngine, LfsStore, ObjectStore, RefStore } from '../ports.js'
import { diffRefs } from '../refs/recorder.js'
import type { Repo } from '../types.js'

/** Looks for damage: git's own check, metadata that disagrees with git, LFS objects that are missing or altered. */
export class Checker {
  readonly #git: GitEngine
  readonly #refs: RefStore
  readonly #files: FileStore
  readonly #lfs: LfsStore
  readonly #store: ObjectStore

  constructor(parts: {
    git: GitEngine
    refs: RefStore
    files: FileStore
    lfs: LfsStore
    store: ObjectStore
  }) {
    this.#git = parts.git
    this.#refs = parts.refs
    this.#files = parts.files
    this.#lfs = parts.lfs
    this.#store = parts.store
  }

  /** One line per problem. */
  async checkRepo(repo: Repo): Promise<string[]> {
    if (!(await this.#git.exists(repo.id))) return ['the repository directory is missing']
    const problems = (await this.#git.fsck(repo.id)).map((it) => `git fsck: ${it}`)
    const snapshot = await this.#git.snapshot(repo.id)
    for (const it of diffRefs(await this.#refs.list(repo.id), snapshot.refs))
      problems.push(`ref ${it.name}: metadata has ${it.oldOid}, git has ${it.newOid}`)
    if (snapshot.headOid !== repo.headOid)
      problems.push(`head: metadata has ${repo.headOid}, git has ${snapshot.headOid}`)
    else problems.push(...(await this.#checkFiles(repo)))
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
