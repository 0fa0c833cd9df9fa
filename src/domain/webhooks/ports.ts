import type { CommentEventData, DiscussionFacts } from '../events/discussion-events.js'
import type { RefUpdate, Repo, RepoId, RepoKind } from '../types.js'

export const WEBHOOK_DOMAINS = ['repo', 'discussion'] as const
export type WebhookDomain = (typeof WEBHOOK_DOMAINS)[number]

/** Why nothing is delivered: its owner wants so, or nothing was taken for a long time. */
export type Disabled = 'by-owner' | 'suspended-after-failure'

export interface WatchedItem {
  readonly type: 'user' | 'org' | RepoKind
  /** Of a repository `namespace/name`, as it is called now. */
  readonly name: string
}

export interface Webhook {
  /** 24 hex digits. */
  readonly id: string
  readonly ownerId: number
  /** The subscription to all public models (seed 001), which watches nothing in particular. */
  readonly isSite: boolean
  readonly url: string
  readonly watched: readonly WatchedItem[]
  readonly domains: readonly WebhookDomain[]
  /** As SecretBox sealed it. */
  readonly sealedSecret: string | null
  readonly disabled: Disabled | null
  /** What the hub was called when the webhook was last edited. */
  readonly baseUrl: string
}

/** One of the two is set. */
export interface Watch {
  readonly namespaceId?: number
  readonly repoId?: RepoId
}

export interface WebhookEdit {
  readonly url?: string
  readonly watches?: readonly Watch[]
  readonly domains?: readonly WebhookDomain[]
  readonly sealedSecret?: string | null
  readonly baseUrl?: string
}

/** What an event says to webhooks, before the repository's own facts are added. */
export interface Announcement {
  readonly domain: WebhookDomain
  readonly scope: 'repo' | 'repo.content' | 'repo.config' | 'discussion' | 'discussion.comment'
  readonly action: 'create' | 'delete' | 'move' | 'update'
  readonly updatedRefs?: readonly RefUpdate[]
  readonly updatedConfig?: { readonly private: boolean }
  /** `namespace/name`. */
  readonly movedTo?: string
  readonly discussion?: DiscussionFacts
  readonly comment?: CommentEventData['comment']
}

export interface SiteChange {
  readonly change: 'add' | 'update' | 'remove'
  readonly address: string
}

/** What was true when it happened: deliveries may come much later, or the repository be gone. */
export interface WebhookEvent {
  readonly told: Announcement
  readonly repo: Pick<
    Repo,
    'id' | 'seq' | 'kind' | 'namespace' | 'name' | 'namespaceId' | 'visibility' | 'headOid'
  > & { readonly tags: readonly string[] }
  /** Of a move: owners of the place that was left and of the one it is at. */
  readonly owners?: { readonly from: number; readonly to: number }
}

export type DeliveryStatus = 'waiting' | 'delivered' | 'failed' | 'dropped'

export interface Attempt {
  readonly at: string
  readonly durationMs: number
  /** HTTP status; null when there was no answer. */
  readonly status: number | null
  readonly error: string | null
}

export interface Delivery {
  readonly id: number
  readonly event: WebhookEvent
  readonly siteChange: SiteChange | null
  /** `dropped`: the webhook's owner may not read the repository any more. */
  readonly status: DeliveryStatus
  readonly attempts: readonly Attempt[]
  readonly createdAt: string
  readonly finishedAt: string | null
}

export interface WebhookStore {
  /** Throws `conflict` when the owner has `limit` of them. */
  create(webhook: {
    id: string
    ownerId: number
    isSite: boolean
    url: string
    watches: readonly Watch[]
    domains: readonly WebhookDomain[]
    sealedSecret: string | null
    baseUrl: string
    limit: number
  }): Promise<Webhook>
  /** Only the owner's own. */
  find(ownerId: number, id: string): Promise<Webhook | undefined>
  list(ownerId: number): Promise<Webhook[]>
  /** What waits for another attempt is tried at once where the URL changes. */
  update(id: string, edit: WebhookEdit): Promise<void>
  /** null enables, and what waits is tried at once. */
  setDisabled(id: string, disabled: Disabled | null): Promise<void>
  remove(id: string): Promise<void>
  /** Newest first. */
  listDeliveries(webhookId: string, beforeId: number, limit: number): Promise<Delivery[]>
  findDelivery(webhookId: string, id: number): Promise<Delivery | undefined>
  /** The same event once more, at the end of its repository's queue; answers the new delivery's id. */
  replay(webhookId: string, deliveryId: number): Promise<number | undefined>
}

/** A delivery that this process may attempt, and nobody else until the lease ends. */
export interface ClaimedDelivery {
  readonly id: number
  readonly webhook: Webhook
  readonly repoId: RepoId
  readonly event: WebhookEvent
  readonly siteChange: SiteChange | null
  /** Whether the webhook's owner was a member of the repository itself when it happened. */
  readonly wasMember: boolean
  /** Attempts made so far. */
  readonly attempts: number
}

export interface Settlement {
  readonly attempt?: Attempt
  /** `put-back`: nothing is known to have been sent. `retry` after a failure, `failed` after the last. */
  readonly verdict: 'delivered' | 'dropped' | 'retry' | 'failed' | 'put-back'
  readonly retryAfterMs?: number
}

/**
 * The durable queue. What goes in is written with the event itself (storage/db/events.ts). For one webhook and repository
 * at most one delivery is claimed at a time, the oldest that waits.
 */
export interface DeliveryQueue {
  claim(
    owner: string,
    leaseSeconds: number,
    limits: { readonly perTarget: number; readonly perOwner: number },
  ): Promise<ClaimedDelivery | undefined>
  /** With verdict `failed` the webhook is suspended when nothing succeeded since the delivery's first attempt. */
  settle(owner: string, delivery: ClaimedDelivery, settlement: Settlement): Promise<void>
  listOwners(): Promise<string[]>
  releaseOwner(owner: string): Promise<void>
  /** Lanes: under way, to be sent now, and the rest. */
  counts(): Promise<{ due: number; running: number; later: number }>
  /** Forgets what was made before, delivered or not. */
  deleteBefore(before: string, limit: number): Promise<number>
}
