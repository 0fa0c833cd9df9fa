import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { GitEngine } from '../ports.js'
import type { MirrorLock, MirrorLockStore } from './ports.js'
import type { OpenedShelf } from './shelves.js'

const PATIENCE_MS = 30_000
const PAGE = 500

/**
 * `.repo.lock`: mirrors are copying a shelf. As long as one of them does, the repositories on it are not written
 * (PushPolicy.requireWritable); reading goes on. Each holder has a lease of its own: one mirror's end, or crash, changes
 * nothing for another. Locks are rows, so they outlive the process.
 */
export class MirrorLocks {
  readonly #locks: MirrorLockStore
  readonly #git: GitEngine
  readonly #events: EventStore
  readonly #seconds: number
  readonly #patienceMs: number

  /** `seconds`: how long a lock lasts that nobody renews; `patienceMs`: how long others' work is waited for. */
  constructor(parts: {
    mirrorLocks: MirrorLockStore
    git: GitEngine
    events: EventStore
    seconds: number
    patienceMs?: number
  }) {
    this.#patienceMs = parts.patienceMs ?? PATIENCE_MS
    this.#locks = parts.mirrorLocks
    this.#git = parts.git
    this.#events = parts.events
    this.#seconds = parts.seconds
  }

  /**
   * Takes the lock for `holder`, or renews it. When it answers, no write changes anything any more. Throws `repo_locked`
   * when a squash or pruning does not end.
   */
  async add(actor: Actor, opened: OpenedShelf, holder: string): Promise<MirrorLock> {
    const { shelf } = opened
    const had = (await this.list(shelf.id)).some((it) => it.holder === holder)
    const deadline = Date.now() + this.#patienceMs
    const lock = await this.#acquire(shelf.id, holder, deadline)
    if (had) return lock
    await this.#drain(shelf.id, deadline)
    await this.#audit(actor, opened, 'repo.lock', holder)
    return lock
  }

  /** Holder undefined: everybody's. */
  async remove(actor: Actor, opened: OpenedShelf, holder: string | undefined): Promise<void> {
    await this.#locks.release(opened.shelf.id, holder)
    await this.#audit(actor, opened, 'repo.unlock', holder ?? 'all')
  }

  /** Who copies now, oldest first. */
  list(shelfId: number): Promise<MirrorLock[]> {
    return this.#locks.list([shelfId])
  }

  async #acquire(shelfId: number, holder: string, deadline: number): Promise<MirrorLock> {
    for (;;) {
      const lock = await this.#locks.acquire(shelfId, holder, this.#seconds)
      if (lock) return lock
      if (Date.now() > deadline)
        throw new HubError(
          'repo_locked',
          'A project of this repository is being squashed or pruned. Try again later.',
        )
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /**
   * Writers ask for locks right before their refs move. Who asked before this lock was there is done long before the
   * deadline; what is still under way then is an upload that will be refused.
   */
  async #drain(shelfId: number, deadline: number): Promise<void> {
    for (let after = ''; ; ) {
      const page = await this.#locks.listRepoIds(shelfId, after, PAGE)
      for (const id of page)
        while ((await this.#git.pushesInFlight(id)) > 0) {
          if (Date.now() > deadline) return
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      const last = page.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  #audit(
    actor: Actor,
    { platform, shelf }: OpenedShelf,
    type: 'repo.lock' | 'repo.unlock',
    holder: string,
  ): Promise<void> {
    const about = { repository: `${platform.name}/${shelf.name}`, holder }
    return this.#events.add(makeEvent(type, actor, undefined, about))
  }
}
