import { isoNow, newTokenSecret, sha256Hex } from '../../lib/ids.js'
import { requireActiveUser, requireSiteAdmin } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, Org, OrgRole } from '../types.js'
import type { Organizations } from './organizations.js'
import type { AccountStore, Invitation } from './ports.js'

const DAY_MS = 24 * 3600 * 1000

export interface InvitationOrder {
  readonly role: OrgRole
  readonly email: string | null
  /** How often it may be used; -1 = without limit. */
  readonly maxUsage: number
  readonly days: number
}

/** Invitations to register, or into an organisation. Their secret is answered once; the database keeps its hash. */
export class Invitations {
  readonly #accounts: AccountStore
  readonly #events: EventStore
  readonly #organizations: Organizations

  constructor(parts: {
    accounts: AccountStore
    events: EventStore
    organizations: Organizations
  }) {
    this.#accounts = parts.accounts
    this.#events = parts.events
    this.#organizations = parts.organizations
  }

  /** `org` null = to register, by site administrators. */
  async create(
    org: Org | null,
    order: InvitationOrder,
    actor: Actor,
  ): Promise<{ secret: string; expiresAt: string }> {
    this.#requireManager(actor.caller, org, order.role)
    const secret = newTokenSecret().replace(/^hf_/, 'inv_')
    const expiresAt = isoNow(order.days * DAY_MS)
    await this.#accounts.createInvitation({
      tokenHash: sha256Hex(secret),
      orgId: org?.id ?? null,
      role: order.role,
      email: order.email,
      createdBy: actor.caller.user?.id ?? null,
      maxUsage: order.maxUsage,
      expiresAt,
    })
    return { secret, expiresAt }
  }

  list(org: Org | null, caller: Caller): Promise<Invitation[]> {
    this.#requireManager(caller, org, 'reader')
    return this.#accounts.listInvitations(org?.id ?? null)
  }

  /** Whoever has the secret may look. Throws `not_found`; one that is used up or expired is still shown. */
  async read(secret: string): Promise<Invitation> {
    const invitation = await this.#accounts.findInvitation(sha256Hex(secret))
    if (!invitation) throw new HubError('not_found', 'There is no such invitation.')
    return invitation
  }

  /** The caller joins the organisation. Somebody who belongs to it already keeps the role and uses nothing up. */
  async accept(secret: string, actor: Actor): Promise<{ orgId: number; role: OrgRole }> {
    const user = requireActiveUser(actor.caller)
    const { orgId, role, email, tokenHash } = await this.read(secret)
    if (orgId === null)
      throw new HubError('invalid_input', 'This invitation is for new accounts: register with it.')
    if (email !== null && email.toLowerCase() !== user.email?.toLowerCase())
      throw new HubError('forbidden', 'This invitation is for another e-mail address.')
    const joined = await this.#accounts.acceptInvitation(tokenHash, user.id)
    if (!joined)
      throw new HubError('invalid_input', 'The invitation has expired or was used already.')
    await this.#events.add(
      makeEvent('org.member', actor, undefined, { orgId, user: user.name, role, invited: true }),
    )
    return { orgId, role }
  }

  /** By its secret or, as lists show it, by its id (the hash of the secret). */
  async delete(secretOrId: string, caller: Caller): Promise<void> {
    const byId = await this.#accounts.findInvitation(secretOrId)
    const invitation = byId ?? (await this.read(secretOrId))
    const org =
      invitation.orgId === null
        ? null
        : await this.#accounts.findNamespaceById(invitation.orgId).then((it) => it as Org)
    this.#requireManager(caller, org, 'reader')
    await this.#accounts.deleteInvitation(invitation.tokenHash)
  }

  #requireManager(caller: Caller, org: Org | null, role: OrgRole): void {
    if (org) this.#organizations.requireManager(caller, org, role)
    else requireSiteAdmin(caller)
  }
}
