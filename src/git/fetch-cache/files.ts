import { randomBytes } from 'node:crypto'
import {
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { RepoId } from '../../domain/types.js'
import { hasEnded, PROCESS_INSTANCE } from '../../lib/process-instance.js'

/*
 * data/cache/fetches/<repository id>/
 *   <key>                     a whole answer, on disk for good before it got this name
 *   <key>.recipe              what it is put together from, instead (recipe.ts)
 *   <key>.part-<process>-<n>  an answer that is being written
 *   <key>.claim               which process writes it, into which part, and its size as soon as it is whole
 * Whoever follows a part of another process learns from the claim when it is whole. A claim saves work, no more: were
 * two processes to write the same answer at once, both would be right.
 */
export interface Claim {
  readonly owner: string
  /** Its file name. */
  readonly part: string
  readonly size?: number
}

const ANSWER = /^[0-9a-f]{64}(\.recipe)?$/
const PART = /^[0-9a-f]{64}\.part-(.+)$/
const CLAIM = /^([0-9a-f]{64})\.claim$/
/** Many small answers cost more in directory reads than they save. */
const MAX_ANSWERS = 20_000

export class CacheFiles {
  readonly #root: string
  readonly maxBytes: number

  constructor(root: string, maxBytes: number) {
    this.#root = root
    this.maxBytes = maxBytes
  }

  directory(id: RepoId): string {
    return join(this.#root, id)
  }

  answer(id: RepoId, key: string): string {
    return join(this.#root, id, key)
  }

  recipe(id: RepoId, key: string): string {
    return `${this.answer(id, key)}.recipe`
  }

  async has(id: RepoId, key: string): Promise<boolean> {
    const paths = [this.answer(id, key), this.recipe(id, key)]
    const found = await Promise.all(paths.map((it) => stat(it).catch(() => undefined)))
    return found.some((it) => it !== undefined)
  }

  async newPart(id: RepoId, key: string): Promise<string> {
    await mkdir(this.directory(id), { recursive: true })
    return `${this.answer(id, key)}.part-${PROCESS_INSTANCE}-${randomBytes(6).toString('hex')}`
  }

  /** False when another process has claimed it, one that may still be at work. */
  async claim(id: RepoId, key: string, part: string): Promise<boolean> {
    const path = `${this.answer(id, key)}.claim`
    const mine = `${part}.claim`
    await writeFile(mine, claimText({ owner: PROCESS_INSTANCE, part: basename(part) }))
    try {
      for (let attempt = 0; attempt < 3; attempt += 1) {
        try {
          await link(mine, path)
          return true
        } catch (err) {
          if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
          const other = await this.readClaim(id, key)
          if (other && !hasEnded(other.owner)) return false
          await rm(path, { force: true })
        }
      }
      return false
    } finally {
      await rm(mine, { force: true })
    }
  }

  async readClaim(id: RepoId, key: string): Promise<Claim | undefined> {
    try {
      return JSON.parse(await readFile(`${this.answer(id, key)}.claim`, 'utf8')) as Claim
    } catch {
      return undefined
    }
  }

  /** Tells followers in other processes that the part is whole. */
  async publishSize(id: RepoId, key: string, part: string, size: number): Promise<void> {
    const text = `${part}.claim`
    await writeFile(text, claimText({ owner: PROCESS_INSTANCE, part: basename(part), size }))
    await rename(text, `${this.answer(id, key)}.claim`)
  }

  async releaseClaim(id: RepoId, key: string, part: string): Promise<void> {
    if ((await this.readClaim(id, key))?.part === basename(part))
      await rm(`${this.answer(id, key)}.claim`, { force: true })
  }

  /** Forgets all answers of a repository. Who reads one at this moment reads it to its end. */
  async drop(id: RepoId): Promise<void> {
    await rm(this.directory(id), { recursive: true, force: true, maxRetries: 3 })
  }

  /** Lets the answers go that were not asked for longest, until `bytes` more fit; false when they cannot. */
  async makeRoom(bytes: number): Promise<boolean> {
    if (bytes > this.maxBytes) return false
    const { answers, growing } = await this.#list()
    let total = growing + answers.reduce((sum, it) => sum + it.size, 0)
    let count = answers.length
    for (const it of answers.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total + bytes <= this.maxBytes && count < MAX_ANSWERS) break
      await rm(it.path, { force: true })
      total -= it.size
      count -= 1
    }
    return total + bytes <= this.maxBytes && (await this.#isFree(bytes))
  }

  async #isFree(bytes: number): Promise<boolean> {
    await mkdir(this.#root, { recursive: true })
    const { bavail, bsize } = await statfs(this.#root)
    return bavail * bsize > bytes + 512 * 1024 * 1024
  }

  /** Removes what processes that died were writing. */
  async sweep(): Promise<void> {
    for (const directory of await names(this.#root))
      for (const name of await names(join(this.#root, directory))) {
        const claimed = CLAIM.exec(name)?.[1]
        const owner = claimed
          ? (await this.readClaim(directory, claimed))?.owner
          : PART.exec(name)?.[1]
        if (owner !== undefined && hasEnded(owner))
          await rm(join(this.#root, directory, name), { force: true })
      }
  }

  async #list() {
    const answers: { path: string; size: number; usedAt: number }[] = []
    let growing = 0
    for (const directory of await names(this.#root))
      for (const name of await names(join(this.#root, directory))) {
        const path = join(this.#root, directory, name)
        const it = await stat(path).catch(() => undefined)
        if (!it) continue
        const part = PART.exec(name)?.[1]
        if (ANSWER.test(name)) answers.push({ path, size: it.size, usedAt: it.mtimeMs })
        else if (part !== undefined && hasEnded(part)) await rm(path, { force: true })
        else growing += it.size
      }
    return { answers, growing }
  }
}

function claimText(claim: Claim): string {
  return JSON.stringify(claim)
}

async function names(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}
