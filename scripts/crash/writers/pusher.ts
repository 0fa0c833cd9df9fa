import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RefMemory } from '../ref-memory.js'
import {
  demand,
  git,
  gitOk,
  initLocal,
  listRemote,
  makeCommit,
  remoteOf,
  type Session,
  type Writer,
} from '../session.js'

const BRANCHES = ['main', 'side', 'topic/one', 'topic/two']

type Update = readonly [ref: string, oid: string | null]

/** Pushes with git: commits, new branches, force, delete, tags, several refs at once. */
export class Pusher implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  readonly #refs = new RefMemory()
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `pusher ${number}`
    this.#repo = `pushed-${number}`
  }

  async act(it: Session): Promise<void> {
    const dir = join(it.workDir, 'local')
    if (!this.#made) {
      await initLocal(dir)
      const json = { type: 'model', name: this.#repo, auto_init: false }
      await demand(it, '/api/repos/create', { json })
      this.#made = true
    }
    const updates = await this.#plan(it, dir)
    for (const [ref, oid] of updates) this.#refs.intend(ref, oid)
    const specs = updates.map(([ref, oid]) => `${oid ?? ''}:${ref}`)
    const atomic = updates.length > 1 ? ['--atomic'] : []
    const url = remoteOf(it, this.#repo)
    const { code, stderr } = await git(dir, ['push', '--force', ...atomic, url, ...specs])
    // a server that is there has no reason to refuse; one that went away leaves the question open
    if (/rejected/.test(stderr) && !/went away|disconnect|hung up/.test(stderr))
      throw new Error(`push refused: ${stderr}`)
    if (code !== 0) return
    for (const [ref, oid] of updates) this.#refs.acknowledge(ref, oid)
    this.acknowledged += 1
  }

  async #plan(it: Session, dir: string): Promise<Update[]> {
    const pick = () => `refs/heads/${BRANCHES[it.random.below(BRANCHES.length)]}`
    // the first branch of an empty repository becomes its default
    const ref = this.#refs.current('refs/heads/main') ? pick() : 'refs/heads/main'
    const way = it.random.below(6)
    if (way === 0 && ref !== 'refs/heads/main' && this.#refs.current(ref)) return [[ref, null]]
    if (way === 1) return [[ref, await this.#commit(it, dir, null)]]
    const oid = await this.#commit(it, dir, this.#refs.current(ref))
    const other = pick()
    if (way !== 2 || other === ref) return [[ref, oid]]
    const more = await this.#commit(it, dir, this.#refs.current(other))
    return [
      [ref, oid],
      [other, more],
      [`refs/tags/v${this.#serial}`, oid],
    ]
  }

  /** Few or many objects: receive-pack stores them in two ways. */
  #commit(it: Session, dir: string, parent: string | null): Promise<string> {
    this.#serial += 1
    const files = Array.from({ length: it.random.below(4) === 0 ? 60 : 3 }, (_, at) => ({
      path: `file-${at}.txt`,
      content: `${this.#serial} ${it.random.bytes(200).toString('hex')}`,
    }))
    return makeCommit(dir, parent, `commit ${this.#serial}`, files)
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const found = await listRemote(it, this.#repo)
    if (!found) return [`${this.name}: the repository is gone`]
    const problems = this.#refs.reconcile(found)
    // everything can be read, by a client that has nothing
    const fresh = join(it.workDir, 'fresh.git')
    await gitOk(it.workDir, ['init', '-q', '--bare', fresh])
    const fetched = await git(fresh, ['fetch', '-q', remoteOf(it, this.#repo), '+refs/*:refs/*'])
    if (fetched.code !== 0) problems.push(`fetch: ${fetched.stderr}`)
    await rm(fresh, { recursive: true, force: true })
    return problems.map((text) => `${this.name}: ${text}`)
  }
}
