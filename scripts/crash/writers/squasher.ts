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

const MAIN = 'refs/heads/main'

/** Pushes a little history and squashes it: done as a whole (one root commit, the same tree, no other ref) or not at all. */
export class Squasher implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  readonly #refs = new RefMemory()
  /** Tree that the root commit of a squash has to have, while one may have happened. */
  #squashing: string | undefined
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `squasher ${number}`
    this.#repo = `squashed-${number}`
  }

  async act(it: Session): Promise<void> {
    const dir = join(it.workDir, 'local')
    if (!this.#made) {
      await initLocal(dir)
      const json = { type: 'model', name: this.#repo, auto_init: false }
      await demand(it, '/api/repos/create', { json })
      this.#made = true
    }
    if (this.#serial % 3 === 2 && this.#refs.current(MAIN)) await this.#squash(it, dir)
    else await this.#push(it, dir)
    this.#serial += 1
  }

  async #push(it: Session, dir: string): Promise<void> {
    const content = it.random.bytes(300).toString('hex')
    const files = [{ path: `f${this.#serial % 5}.txt`, content }]
    const tip = await makeCommit(dir, this.#refs.current(MAIN), `c${this.#serial}`, files)
    const side = `refs/heads/side-${this.#serial}`
    for (const ref of [MAIN, side]) this.#refs.intend(ref, tip)
    const url = remoteOf(it, this.#repo)
    const { code } = await git(dir, ['push', url, `${tip}:${MAIN}`, `${tip}:${side}`])
    if (code !== 0) {
      // the pruning of the squash before may still hold the repository: that is for the next act to find out
      await this.#lookAgain(it, dir)
      return
    }
    for (const ref of [MAIN, side]) this.#refs.acknowledge(ref, tip)
    this.acknowledged += 1
  }

  async #lookAgain(it: Session, dir: string): Promise<void> {
    const found = await listRemote(it, this.#repo)
    const problems = this.#refs.reconcile(found ?? new Map())
    if (problems.length > 0) throw new Error(problems.join('; '))
    await this.#fetch(it, dir)
  }

  async #squash(it: Session, dir: string): Promise<void> {
    const tree = await gitOk(dir, ['rev-parse', `${this.#refs.current(MAIN)}^{tree}`])
    this.#squashing = tree
    await demand(it, '/api/repos/squash', {
      json: { type: 'model', repo: `${it.user}/${this.#repo}` },
    })
    const found = (await listRemote(it, this.#repo)) ?? new Map<string, string>()
    await this.#fetch(it, dir)
    const wrong = await this.#unlikeSquash(dir, found, tree)
    if (wrong) throw new Error(`acknowledged squash: ${wrong}`)
    this.#adopt(found)
    this.acknowledged += 1
  }

  async #fetch(it: Session, dir: string): Promise<void> {
    await gitOk(dir, ['fetch', '-q', '--prune', remoteOf(it, this.#repo), '+refs/*:refs/seen/*'])
  }

  #adopt(found: ReadonlyMap<string, string>): void {
    for (const ref of new Set([...this.#refs.names(), ...found.keys()]))
      this.#refs.acknowledge(ref, found.get(ref) ?? null)
    this.#squashing = undefined
  }

  async #unlikeSquash(
    dir: string,
    found: ReadonlyMap<string, string>,
    tree: string,
  ): Promise<string | undefined> {
    const names = [...found.keys()].join(' ')
    if (names !== MAIN) return `the refs are ${names}`
    const tip = found.get(MAIN) as string
    const [treeNow, ...parents] = (await gitOk(dir, ['log', '-1', '--format=%T %P', tip])).split(
      ' ',
    )
    if (parents.length > 0) return 'the commit has parents'
    return treeNow === tree ? undefined : 'the tree is another one'
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const dir = join(it.workDir, 'local')
    const found = await listRemote(it, this.#repo)
    if (!found) return [`${this.name}: the repository is gone`]
    await this.#fetch(it, dir)
    const tree = this.#squashing
    if (tree && !(await this.#unlikeSquash(dir, found, tree))) {
      this.#adopt(found)
      return []
    }
    this.#squashing = undefined
    return this.#refs.reconcile(found).map((text) => `${this.name}: ${text}`)
  }
}
