import type { Request, Response } from 'express'
import type { OpenedRepo } from '../../domain/access/access.js'
import type { Quotas } from '../../domain/quotas/quotas.js'
import type { PushPolicy } from '../../domain/refs/push-policy.js'
import type { Caller, Right } from '../../domain/types.js'
import type { DataLinks } from '../../domain/xet/data-links.js'
import type { Dedupe } from '../../domain/xet/dedupe.js'
import type { XetStore } from '../../domain/xet/ports.js'
import type { Reconstructions } from '../../domain/xet/reconstructions.js'
import type { Shards } from '../../domain/xet/shards.js'
import type { XetTokens } from '../../domain/xet/tokens.js'
import type { Xorbs } from '../../domain/xet/xorbs.js'

export interface XetParts {
  readonly tokens: XetTokens
  readonly xorbs: Xorbs
  readonly shards: Shards
  readonly reconstructions: Reconstructions
  readonly dedupe: Dedupe
  readonly links: DataLinks
  readonly xet: XetStore
  readonly policy: Pick<PushPolicy, 'requireWritable'>
  readonly quotas: Quotas
  readonly baseUrl: (req: Request) => string
}

/** A request below /xet. */
export interface XetRequest {
  readonly req: Request
  readonly res: Response
  readonly parts: XetParts
  /** Captures of the route's path. */
  readonly params: readonly string[]
}

/** A row for the table of routes on one repository below /api, as the Hugging Face dialect keeps it. */
export interface XetRepoRoute {
  readonly method: 'GET' | 'POST'
  readonly path: RegExp
  readonly right: Right
  readonly handle: (it: {
    req: Request
    res: Response
    caller: Caller
    opened: OpenedRepo
    params: readonly string[]
  }) => Promise<void>
}
