import { constants, type FSWatcher, watch } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HookAnswer, HookCall } from '../domain/ports.js'
import type { RepoId } from '../domain/types.js'
import { answerHook, formatHookAnswer, MAX_CALL_BYTES, parseHookCall } from './hooks.js'

/*
 * Pushes made on the server's own disk (`git push /data/git/repos/…`): their hooks have no channel to a hub and leave
 * files instead (hooks/handover.sh).
 *   run/hubs/<pid>-<random>             a hub that serves this data directory
 *   run/hooks/writing-<id>              a hook writes its call
 *   run/hooks/call-<id>                 the call, complete: a line "repository <directory>", then the lines of hooks.ts
 *   run/hooks/taken-<id>-<hub>          taken by one hub; of several, the one whose rename succeeds
 *   run/hooks/answer-<id>               read and removed by the hook
 */
const CALL = /^call-([A-Za-z0-9]{4,40})$/
const TAKEN = /^taken-([A-Za-z0-9]{4,40})-(\d+-[0-9a-f]+)$/
/** Where the file system does not tell of changes (network volumes), and for what a hub that died had taken. */
const LOOK_AGAIN_MS = 1_000
/** Pushes end much earlier; what is older was left by a killed hook. */
const STALE_MS = 24 * 3_600_000

export interface MailboxParts {
  readonly runDir: string
  /** `<pid>-<random hex>`, unlike any other hub's. */
  readonly hub: string
  /** Repository of a bare repository's real path; undefined for anything else. */
  readonly repositoryAt: (directory: string) => RepoId | undefined
  readonly onHook: (id: RepoId, call: HookCall) => Promise<HookAnswer>
  readonly onError: (err: unknown) => void
}

/** Answers local pushes until it is closed. Files that no hook of ours can have written are removed or left alone, never followed. */
export class Mailbox {
  readonly #parts: MailboxParts
  readonly #hooks: string
  readonly #hubFile: string
  readonly #running = new Set<Promise<void>>()
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #scan: Promise<void> | undefined
  #again = false
  #closed = false

  private constructor(parts: MailboxParts) {
    this.#parts = parts
    this.#hooks = join(parts.runDir, 'hooks')
    this.#hubFile = join(parts.runDir, 'hubs', parts.hub)
  }

  static async open(parts: MailboxParts): Promise<Mailbox> {
    const it = new Mailbox(parts)
    await mkdir(join(parts.runDir, 'hubs'), { recursive: true })
    await mkdir(it.#hooks, { recursive: true })
    await it.#sweep()
    it.#watcher = watch(it.#hooks, { persistent: false }, () => it.#look())
    it.#watcher.on('error', parts.onError)
    it.#timer = setInterval(() => it.#look(), LOOK_AGAIN_MS)
    it.#timer.unref()
    // from here on hooks wait for us
    await writeFile(it.#hubFile, '')
    it.#look()
    return it
  }

  /** Takes no more calls; the ones taken are answered. */
  async close(): Promise<void> {
    this.#closed = true
    await rm(this.#hubFile, { force: true })
    this.#watcher?.close()
    clearInterval(this.#timer)
    await this.#scan
    await Promise.all(this.#running)
  }

  #look(): void {
    if (this.#closed) return
    if (this.#scan) {
      this.#again = true
      return
    }
    this.#scan = this.#takeAll()
      .catch(this.#parts.onError)
      .finally(() => {
        this.#scan = undefined
        if (!this.#again) return
        this.#again = false
        this.#look()
      })
  }

  async #takeAll(): Promise<void> {
    for (const name of await readdir(this.#hooks)) {
      if (this.#closed) return
      const id = CALL.exec(name)?.[1] ?? (await this.#orphan(name))
      if (!id) continue
      const taken = join(this.#hooks, `taken-${id}-${this.#parts.hub}`)
      if (!(await moved(join(this.#hooks, name), taken))) continue
      const running = this.#answer(id, taken).catch(this.#parts.onError)
      this.#running.add(running)
      void running.finally(() => this.#running.delete(running))
    }
  }

  /** Id of a call that a hub took which does not run any more. */
  async #orphan(name: string): Promise<string | undefined> {
    const [, id, hub = ''] = TAKEN.exec(name) ?? []
    if (!id || hub === this.#parts.hub || (await this.#runs(hub))) return undefined
    return id
  }

  async #runs(hub: string): Promise<boolean> {
    const known = await stat(join(this.#parts.runDir, 'hubs', hub)).catch(() => undefined)
    return known !== undefined && isRunning(Number.parseInt(hub, 10))
  }

  async #answer(id: string, taken: string): Promise<void> {
    try {
      const text = await readCall(taken)
      const [, path = '', rest = ''] =
        /^repository ([^\n]+)\n([\s\S]*)\nend \n$/.exec(text ?? '') ?? []
      const repository = this.#parts.repositoryAt(path)
      const call = repository && parseHookCall(rest, path)
      const answer = await answerHook(
        call,
        (it) => this.#parts.onHook(repository ?? '', it),
        this.#parts.onError,
      )
      const written = join(this.#hooks, `writing-answer-${id}`)
      await writeFile(written, formatHookAnswer(answer), { flag: 'wx' })
      await rename(written, join(this.#hooks, `answer-${id}`))
    } finally {
      await rm(taken, { recursive: true, force: true })
    }
  }

  /** Removes what killed hooks and hubs left. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(join(this.#parts.runDir, 'hubs')))
      if (!isRunning(Number.parseInt(name, 10)))
        await rm(join(this.#parts.runDir, 'hubs', name), { force: true })
    for (const name of await readdir(this.#hooks)) {
      const it = await stat(join(this.#hooks, name)).catch(() => undefined)
      if (!it || Date.now() - it.mtimeMs > STALE_MS)
        await rm(join(this.#hooks, name), { recursive: true, force: true })
    }
  }
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw err
  }
}

/** Text of a regular file of bounded size; undefined for anything else (links, pipes, directories). */
async function readCall(path: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch(() => undefined)
  try {
    const it = await file?.stat()
    if (!file || !it?.isFile() || it.size > MAX_CALL_BYTES) return undefined
    return await file.readFile('utf8')
  } finally {
    await file?.close()
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM'
  }
}
