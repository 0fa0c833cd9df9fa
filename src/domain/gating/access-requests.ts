import type { Access, OpenedRepo } from '../access/access.js'
import { requireProposer, requireUser } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { Cards } from '../cards/cards.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, Repo, User } from '../types.js'
import { type GateForm, gateFormOf, readAnswers } from './gate-form.js'
import type { AccessRequest, AccessRequestStore, AccessStatus } from './ports.js'

/** Where somebody stands; `none` = has not asked. */
export interface Standing {
  readonly status: AccessStatus | 'none'
  readonly reason: string | null
}

/**
 * Who asks for access to gated repositories and who gets it (hub docs "Gated models"; huggingface-wire B9, C4.4). What
 * follows from it for content is `Access.requireContent`.
 */
export class AccessRequests {
  readonly #requests: AccessRequestStore
  readonly #accounts: AccountStore
  readonly #cards: Cards
  readonly #events: EventStore
  readonly #access: Access

  constructor(parts: {
    accessRequests: AccessRequestStore
    accounts: AccountStore
    cards: Cards
    events: EventStore
    access: Access
  }) {
    this.#requests = parts.accessRequests
    this.#accounts = parts.accounts
    this.#cards = parts.cards
    this.#events = parts.events
    this.#access = parts.access
  }

  /** What the repository's card asks of those who want in. */
  async form(repo: Repo): Promise<GateForm> {
    const card = repo.headOid === null ? undefined : await this.#cards.at(repo, repo.headOid)
    return gateFormOf(card?.cardData ?? null)
  }

  async standing(caller: Caller, opened: OpenedRepo): Promise<Standing> {
    if (await this.#access.mayReadContent(caller, opened))
      return { status: 'accepted', reason: null }
    const found = caller.user && (await this.#requests.find(opened.repo.id, caller.user.id))
    return { status: found?.status ?? 'none', reason: found?.reason ?? null }
  }

  /**
   * The caller asks for access: in at once where the gate is automatic, else in the list of those who wait. Asking again
   * changes no decision. Throws `invalid_input` (not gated, a question unanswered), `forbidden` (rejected).
   */
  async ask(
    opened: OpenedRepo,
    given: ReadonlyMap<string, unknown>,
    actor: Actor,
  ): Promise<Standing> {
    const { repo } = opened
    requireGate(repo)
    requireProposer(actor.caller, repo)
    const user = requireUser(actor.caller)
    const before = await this.standing(actor.caller, opened)
    if (before.status === 'accepted') return before
    if (before.status === 'rejected')
      throw new HubError(
        'forbidden',
        `Your request to access ${repo.kind} ${nameOf(repo)} has been rejected by its authors.${
          before.reason ? ` They say: ${before.reason}` : ''
        }`,
      )
    const answers = readAnswers(await this.form(repo), given)
    const status = repo.gate === 'auto' ? 'accepted' : 'pending'
    const made = await this.#requests.ask({ repoId: repo.id, userId: user.id, status, answers })
    await this.#events.add(makeEvent('access.request', actor, repo, { status: made.status }))
    return { status: made.status, reason: made.reason }
  }

  /** Throws `invalid_input` for a repository without a gate. */
  async list(
    repo: Repo,
    status: AccessStatus,
    page: { afterUserId: number; limit: number },
  ): Promise<AccessRequest[]> {
    requireGate(repo)
    return this.#requests.list(repo.id, status, page)
  }

  /** `who` by name or by id; `pending` takes access away again. Throws `invalid_input`, `account_not_found`, `not_found` (no request, or decided so already). */
  async decide(
    repo: Repo,
    who: string | number,
    status: AccessStatus,
    reason: string | null,
    actor: Actor,
  ): Promise<void> {
    requireGate(repo)
    const user = await this.#user(who)
    if (!(await this.#decide(repo, user, status, reason, actor, false)))
      throw new HubError(
        'not_found',
        `There is no access request of ${user.name} that is not ${status} already.`,
      )
  }

  /** Lets in who never asked, too. Throws `invalid_input` (not gated, has access already), `account_not_found`. */
  async grant(repo: Repo, username: string, actor: Actor): Promise<void> {
    requireGate(repo)
    const user = await this.#user(username)
    if (!(await this.#decide(repo, user, 'accepted', null, actor, true)))
      throw new HubError('invalid_input', `${user.name} has access to this repository already.`)
  }

  async #decide(
    repo: Repo,
    user: User,
    status: AccessStatus,
    reason: string | null,
    actor: Actor,
    create: boolean,
  ): Promise<boolean> {
    const done = await this.#requests.decide({
      repoId: repo.id,
      userId: user.id,
      status,
      reason: status === 'rejected' ? reason : null,
      decidedBy: actor.caller.user?.id ?? null,
      create,
    })
    if (done)
      await this.#events.add(makeEvent('access.decide', actor, repo, { user: user.name, status }))
    return done
  }

  async #user(who: string | number): Promise<User> {
    const user =
      typeof who === 'string'
        ? await this.#accounts.findUser(who)
        : await this.#accounts.findUserById(who)
    if (!user) throw new HubError('account_not_found', 'This user does not exist')
    return user
  }
}

function requireGate(repo: Repo): void {
  if (repo.gate === 'none')
    throw new HubError('invalid_input', `The ${repo.kind} ${nameOf(repo)} is not gated.`)
}

function nameOf(repo: Repo): string {
  return `${repo.namespace}/${repo.name}`
}
