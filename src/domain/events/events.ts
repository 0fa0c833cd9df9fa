import type { Caller, HubEvent, Repo } from '../types.js'

/** Every type of event there is: the audit log and webhooks speak of these. */
export const EVENT_TYPES = [
  'repo.create',
  'repo.delete',
  'repo.move',
  'repo.alias',
  'repo.settings',
  'repo.squash',
  'repo.refs',
  'repo.lock',
  'repo.unlock',
  'access.request',
  'access.decide',
  'collection.create',
  'collection.update',
  'collection.delete',
  'paper.describe',
  'paper.forget',
  'account.create',
  'account.token',
  'account.password',
  'account.settings',
  'account.delete',
  'account.quota',
  'account.webhook',
  'org.create',
  'org.member',
  'package.platform',
  'package.repository',
  'endpoint',
  'discussion.create',
  'discussion.update',
  'discussion.delete',
  'discussion.comment.create',
  'discussion.comment.update',
] as const

export type EventType = (typeof EVENT_TYPES)[number]

/** Who does something and through which dialect, as events remember it. */
export interface Actor {
  readonly caller: Caller
  readonly dialect: string
}

export function makeEvent(
  type: EventType,
  actor: Actor,
  repo: Repo | undefined,
  data: Record<string, unknown> = {},
): HubEvent {
  const { user, via, address } = actor.caller
  return {
    type,
    repo: repo && { id: repo.id, kind: repo.kind, namespace: repo.namespace, name: repo.name },
    actor: {
      id: user?.id ?? null,
      name: user?.name ?? (via === 'admin_token' ? 'admin' : null),
      address,
    },
    dialect: actor.dialect,
    data,
    request: actor.caller.requestId ?? null,
    credential: credentialOf(actor.caller),
  }
}

/** What a caller proved to be, without the secret. */
export function credentialOf({ via, token }: Caller): string {
  return token ? `${via}:${token.id}` : via
}

/** For work that nobody asked for: reconciliation, background jobs. */
export const HUB_ACTOR: Actor = {
  dialect: 'hub',
  caller: {
    user: undefined,
    memberships: [],
    role: 'admin',
    repoIds: [],
    isSiteAdmin: true,
    via: 'admin_token',
    token: undefined,
    address: '',
  },
}
