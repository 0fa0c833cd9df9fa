import type { RepoKind } from '../types.js'

/** How an act ended: `cut` = the client went away before the answer was out. */
export type Outcome = 'done' | 'refused' | 'failed' | 'cut'
export const OUTCOMES: readonly Outcome[] = ['done', 'refused', 'failed', 'cut']

/** One line of the audit log: a change (an event of the domain), or a request that came to change something. */
export interface AuditEntry {
  /** `repo.move`, `account.token`, … (events.ts); `request`; `login.failed`; `audit.suppressed`. */
  readonly action: string
  readonly outcome: Outcome
  readonly actor: { readonly id: number | null; readonly name: string | null }
  readonly credential: string | null
  readonly address: string
  readonly dialect: string
  readonly repo: {
    readonly id: string | null
    readonly kind: RepoKind | null
    /** `namespace/name` at the time of the act. */
    readonly name: string
  } | null
  /** Joins a request with the changes that it made. */
  readonly request: string | null
  readonly method: string | null
  readonly path: string | null
  readonly status: number | null
  readonly data: Readonly<Record<string, unknown>>
}

export type StoredEntry = AuditEntry & { readonly id: number; readonly at: string }

export interface AuditFilter {
  /** Name of the account, or `admin` for the operator's token. */
  readonly actor?: string | undefined
  /** An action, or the first part of one: `repo` finds `repo.move`. */
  readonly action?: string | undefined
  /** `namespace/name`, of now or of then, or a repository's id. */
  readonly repo?: string | undefined
  readonly outcome?: Outcome | undefined
  readonly address?: string | undefined
  readonly request?: string | undefined
  /** ISO-8601 UTC; from, inclusive, and to, exclusive. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export interface AuditStore {
  /** One transaction for all of them. */
  append(entries: readonly (AuditEntry & { readonly at: string })[]): Promise<void>
  /** By id: newest first before `cursor`, or oldest first after it. */
  page(
    filter: AuditFilter,
    order: 'newest' | 'oldest',
    cursor: number | undefined,
    limit: number,
  ): Promise<StoredEntry[]>
  /** Deletes up to `limit` of the entries before `before`; answers how many. */
  deleteBefore(before: string, limit: number): Promise<number>
}
