import type { Access } from '../access/access.js'
import type { Login } from '../accounts/login.js'
import { HubError, type HubErrorCode } from '../errors.js'
import type { Caller } from '../types.js'
import type { AttachedVolume, SpaceVolume } from './ports.js'

const NOT_READABLE: ReadonlySet<HubErrorCode> = new Set<HubErrorCode>([
  'repo_not_found',
  'repo_needs_login',
  'repo_disabled',
  'repo_gated',
  'not_authenticated',
  'forbidden',
])

/** Repositories mounted in Spaces, each by the right of who attached it: for as long as they have it. */
export class SpaceVolumes {
  readonly #access: Access
  readonly #login: Login

  constructor(parts: { access: Access; login: Login }) {
    this.#access = parts.access
    this.#login = parts.login
  }

  /** Throws what keeps the caller from reading one of them. */
  async requireReadable(caller: Caller, volumes: readonly SpaceVolume[]): Promise<void> {
    for (const { type: kind, source } of volumes) {
      const [namespace = '', name = ''] = source.split('/')
      const opened = await this.#access.open(caller, { kind, namespace, name }, 'read')
      await this.#access.requireContent(caller, opened)
    }
  }

  /** Those that who attached them may read now. */
  async readable(volumes: readonly AttachedVolume[]): Promise<AttachedVolume[]> {
    const found: AttachedVolume[] = []
    for (const volume of volumes) if (await this.#isReadable(volume)) found.push(volume)
    return found
  }

  async #isReadable(volume: AttachedVolume): Promise<boolean> {
    const { attachedBy } = volume
    const isSite = attachedBy === 'site'
    const who = { userId: isSite ? null : (attachedBy ?? null), siteAdmin: isSite }
    try {
      const caller = await this.#login.byAction({ ...who, role: 'admin' }, '')
      await this.requireReadable(caller, [volume])
      return true
    } catch (err) {
      if (err instanceof HubError && NOT_READABLE.has(err.code)) return false
      throw err
    }
  }
}

/** As they are stored when `caller` attaches them. */
export function attach(caller: Caller, volumes: readonly SpaceVolume[]): AttachedVolume[] {
  const attachedBy = caller.user?.id ?? (caller.isSiteAdmin ? 'site' : null)
  return volumes.map((it) => ({ ...it, attachedBy }))
}

/** As they are told: who attached them is the hub's business. */
export function shownVolumes(volumes: readonly AttachedVolume[]): SpaceVolume[] {
  return volumes.map(({ attachedBy: _, ...it }) => it)
}
