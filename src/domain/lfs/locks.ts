import { HubError } from '../errors.js'
import type { Repo, Right, User } from '../types.js'
import type { LfsLock, LfsStore } from './ports.js'

const MAX_PATH = 4096
/** Names between single slashes, none of them `.` or `..`, no control characters. */
const PATH = /^(?!.*(^|\/)\.{1,2}(\/|$))[^/\x00-\x1f\x7f]+(\/[^/\x00-\x1f\x7f]+)*$/

/** Locks on paths, as git-lfs keeps them (docs/api/locking.md). Readers may list, writers lock. */
export class LfsLocks {
  readonly #lfs: LfsStore

  constructor(lfs: LfsStore) {
    this.#lfs = lfs
  }

  create(repo: Repo, user: User, path: string, ref: string | null): Promise<LfsLock> {
    if (path.length > MAX_PATH || !PATH.test(path))
      throw new HubError('invalid_input', 'The path is empty, too long or not one of a repository.')
    return this.#lfs.createLock(repo.id, { path, ref, ownerId: user.id, ownerName: user.name })
  }

  list(
    repo: Repo,
    filter: { path?: string; id?: string; ref?: string; after?: string; limit: number },
  ): Promise<LfsLock[]> {
    return this.#lfs.listLocks(repo.id, filter)
  }

  /** Another's lock goes only by `force` of a repository admin. */
  async remove(repo: Repo, id: string, user: User, right: Right, force: boolean): Promise<LfsLock> {
    const lock = await this.#lfs.findLock(repo.id, id)
    if (!lock) throw new HubError('not_found', 'There is no such lock.')
    if (lock.ownerId !== user.id && !(force && right === 'admin'))
      throw new HubError(
        'forbidden',
        `The lock belongs to ${lock.ownerName}; an admin may force it.`,
      )
    if (!(await this.#lfs.deleteLock(repo.id, id)))
      throw new HubError('not_found', 'There is no such lock.')
    return lock
  }
}
