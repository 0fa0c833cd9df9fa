import { requireActiveUser } from '../access/access.js'
import { HubError } from '../errors.js'
import type { RepoListQuery } from '../repos/ports.js'
import type { Caller, Namespace, User } from '../types.js'

/** What somebody does on the hub, as far as the viewer may see it. */
export interface ActivityCounts {
  readonly likes: number
  readonly discussions: number
  readonly upvotes: number
  readonly papers: number
}

export interface FollowStore {
  set(followerId: number, followedId: number, follows: boolean): Promise<void>
  has(followerId: number, followedId: number): Promise<boolean>
  /** `following` counts users only. */
  count(id: number): Promise<{ followers: number; following: number }>
  listFollowers(id: number, afterId: number, limit: number): Promise<User[]>
  /** Users among those whom `id` follows. */
  listFollowing(id: number, afterId: number, limit: number): Promise<User[]>
  countActivity(user: User, visibleTo: RepoListQuery['visibleTo']): Promise<ActivityCounts>
}

/** Who follows whom: users follow users and organisations. Everybody may see it. */
export class Follows {
  readonly #follows: FollowStore

  constructor(parts: { follows: FollowStore }) {
    this.#follows = parts.follows
  }

  /** Doing it twice is no error. Throws `not_authenticated`, `forbidden`, `invalid_input` (oneself). */
  async set(caller: Caller, followed: Namespace, follows: boolean): Promise<void> {
    const user = requireActiveUser(caller)
    if (user.id === followed.id) throw new HubError('invalid_input', 'Nobody follows themselves.')
    await this.#follows.set(user.id, followed.id, follows)
  }

  /** Undefined for callers who could not follow anybody. */
  async isFollowing(caller: Caller, followed: Namespace): Promise<boolean | undefined> {
    return caller.user && this.#follows.has(caller.user.id, followed.id)
  }

  count(namespace: Namespace): Promise<{ followers: number; following: number }> {
    return this.#follows.count(namespace.id)
  }

  followers(namespace: Namespace, afterId: number, limit: number): Promise<User[]> {
    return this.#follows.listFollowers(namespace.id, afterId, limit)
  }

  following(user: User, afterId: number, limit: number): Promise<User[]> {
    return this.#follows.listFollowing(user.id, afterId, limit)
  }

  activity(user: User, visibleTo: RepoListQuery['visibleTo']): Promise<ActivityCounts> {
    return this.#follows.countActivity(user, visibleTo)
  }
}
