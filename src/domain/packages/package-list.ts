import { parseRpmSpec } from '../../protocol/rpm-spec.js'
import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { CommitInfo, GitEngine } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, GitOid, Repo } from '../types.js'
import type { ProjectStore, Shelf } from './ports.js'

const PAGE = 100
const MAX_SPEC_BYTES = 1024 * 1024
/** A project has one spec, rarely two; nobody's root directory of specs holds up the list for long. */
const MAX_SPECS = 50

export interface PackageRow {
  readonly owner: string
  readonly project: string
  readonly name: string
  readonly epoch: string | null
  readonly version: string
  readonly release: string
  readonly maintainer: { readonly uname: string; readonly email: string }
  readonly committer: { readonly uname: string; readonly email: string }
}

/**
 * The packages of a shelf: what the RPM spec files say that stand at the root of each project's default branch. The
 * committer is who committed the spec last.
 */
export class PackageList {
  readonly #repos: RepoStore
  readonly #projects: ProjectStore
  readonly #accounts: AccountStore
  readonly #access: Access
  readonly #git: GitEngine

  constructor(parts: {
    repos: RepoStore
    projects: ProjectStore
    accounts: AccountStore
    access: Access
    git: GitEngine
  }) {
    this.#repos = parts.repos
    this.#projects = parts.projects
    this.#accounts = parts.accounts
    this.#access = parts.access
    this.#git = parts.git
  }

  /** By project name. Projects that the caller may not read are left out. */
  async *rows(caller: Caller, shelf: Shelf): AsyncGenerator<PackageRow> {
    const visibleTo = this.#access.visibleTo(caller)
    let after: { value: string; seq: number } | undefined
    for (;;) {
      const page = await this.#repos.list({
        shelfId: shelf.id,
        ...(visibleTo ? { visibleTo } : {}),
        sort: 'name',
        order: 'asc',
        limit: PAGE,
        ...(after ? { after } : {}),
      })
      const details = await this.#projects.details(page)
      for (const repo of page) {
        const maintainer = details.get(repo.id)?.maintainer
        const person = { uname: maintainer?.name ?? '', email: maintainer?.email ?? '' }
        yield* this.#projectRows(repo, person)
      }
      const last = page.at(-1)
      if (!last) return
      after = { value: last.name, seq: last.seq }
    }
  }

  async *#projectRows(
    repo: Repo,
    maintainer: PackageRow['maintainer'],
  ): AsyncGenerator<PackageRow> {
    const { headOid: head } = repo
    if (head === null) return
    const tree = (await this.#git.readTree(repo.id, head)) ?? new Map()
    const specs = [...tree]
      .filter(([path, { mode }]) => path.endsWith('.spec') && mode.startsWith('100'))
      .slice(0, MAX_SPECS)
    for (const [path, { oid }] of specs) {
      const packages = await this.#readSpec(repo, oid)
      if (packages.length === 0) continue
      const committer = await this.#committerOf(repo, head, path)
      for (const it of packages)
        yield { owner: repo.namespace, project: repo.name, ...it, maintainer, committer }
    }
  }

  async #readSpec(repo: Repo, oid: GitOid) {
    const size = await this.#git.blobSize(repo.id, oid)
    if (size === undefined || size > MAX_SPEC_BYTES) return []
    return parseRpmSpec((await this.#git.readBlob(repo.id, oid, MAX_SPEC_BYTES)).toString('utf8'))
  }

  /** The account with the address that the commit names, else what the commit says. */
  async #committerOf(repo: Repo, head: GitOid, path: string): Promise<PackageRow['committer']> {
    const [commit]: CommitInfo[] = await this.#git.log(repo.id, head, { skip: 0, limit: 1, path })
    if (!commit) return { uname: '', email: '' }
    const { name, email } = commit.committer
    const user = email ? await this.#accounts.findUserByEmail(email) : undefined
    return { uname: user?.name ?? name, email }
  }
}
