import { join } from 'node:path'
import { RefMemory } from '../ref-memory.js'
import {
  demand,
  git,
  initLocal,
  listRemote,
  makeCommit,
  remoteOf,
  request,
  type Session,
  sha256,
  type Writer,
} from '../session.js'

const MAIN = 'refs/heads/main'

interface Object {
  readonly oid: string
  readonly size: number
}
interface Action {
  readonly href: string
  readonly header?: Record<string, string>
}
interface BatchReply {
  readonly objects: readonly {
    readonly oid: string
    readonly actions?: { readonly upload?: Action; readonly download?: Action }
    readonly error?: { readonly code: number; readonly message: string }
  }[]
}

/** Uploads LFS objects and pushes commits that name them. What was uploaded stays, named by a commit yet or not. */
export class LfsPusher implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #repo: string
  readonly #refs = new RefMemory()
  readonly #stored = new Map<string, number>()
  #made = false
  #serial = 0

  constructor(number: number) {
    this.name = `lfs ${number}`
    this.#repo = `lfs-${number}`
  }

  async act(it: Session): Promise<void> {
    const dir = join(it.workDir, 'local')
    if (!this.#made) {
      await initLocal(dir)
      const json = { type: 'model', name: this.#repo, auto_init: false }
      await demand(it, '/api/repos/create', { json })
      this.#made = true
    }
    const contents = Array.from({ length: 1 + it.random.below(4) }, () =>
      it.random.bytes(1 + it.random.below(it.random.below(4) === 0 ? 4_000_000 : 20_000)),
    )
    const objects = contents.map((it) => ({ oid: sha256(it), size: it.length }))
    const plan = await this.#batch(it, 'upload', objects)
    for (const [at, { actions, error }] of plan.objects.entries()) {
      if (error) throw new Error(`batch: ${error.code} ${error.message}`)
      if (actions?.upload) {
        const { href } = actions.upload
        await demand(it, href, { method: 'PUT', body: contents[at] as Buffer, anonymous: true })
      }
      const { oid, size } = objects[at] as Object
      this.#stored.set(oid, size)
    }
    await this.#push(it, dir, objects)
  }

  async #push(it: Session, dir: string, objects: readonly Object[]): Promise<void> {
    this.#serial += 1
    const files = objects.map(({ oid, size }, at) => ({
      path: `weights-${this.#serial % 7}-${at}.bin`,
      content: `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`,
    }))
    const parent = this.#refs.current(MAIN)
    const tip = await makeCommit(dir, parent, `weights ${this.#serial}`, files)
    this.#refs.intend(MAIN, tip)
    const url = remoteOf(it, this.#repo)
    const { code, stderr } = await git(dir, ['push', '--force', url, `${tip}:${MAIN}`])
    if (/rejected/.test(stderr) && !/went away|disconnect|hung up/.test(stderr))
      throw new Error(`push refused: ${stderr}`)
    if (code !== 0) return
    this.#refs.acknowledge(MAIN, tip)
    this.acknowledged += 1
  }

  async #batch(
    it: Session,
    operation: 'upload' | 'download',
    objects: readonly Object[],
  ): Promise<BatchReply> {
    const path = `/${it.user}/${this.#repo}.git/info/lfs/objects/batch`
    const type = 'application/vnd.git-lfs+json'
    const body = JSON.stringify({ operation, transfers: ['basic'], objects })
    return JSON.parse((await demand(it, path, { body, type })).body.toString()) as BatchReply
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const found = await listRemote(it, this.#repo)
    if (!found) return [`${this.name}: the repository is gone`]
    const problems = this.#refs.reconcile(found)
    const all = [...this.#stored].map(([oid, size]) => ({ oid, size }))
    // the older ones are looked at in turn
    const objects = [...all.slice(-20), ...all.slice(0, -20).filter(() => it.random.below(4) === 0)]
    if (objects.length === 0) return problems
    const { objects: links } = await this.#batch(it, 'download', objects)
    for (const { oid, actions, error } of links) {
      if (!actions?.download) {
        problems.push(`object ${oid}: ${error?.code} ${error?.message}`)
        continue
      }
      const reply = await request(it, actions.download.href, { anonymous: true })
      if (reply.status !== 200 || sha256(reply.body) !== oid)
        problems.push(`object ${oid}: ${reply.status}, ${reply.body.length} bytes, other content`)
    }
    return problems.map((text) => `${this.name}: ${text}`)
  }
}
