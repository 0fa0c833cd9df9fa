import type { XetWorkers } from '../../protocol/xet/xet-workers.js'
import type { Access } from '../access/access.js'
import type { Login } from '../accounts/login.js'
import type { JobStore } from '../jobs/ports.js'
import type { LfsObjects } from '../lfs/objects.js'
import type { LfsStore } from '../lfs/ports.js'
import type { DirectTransfer } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RepoStore } from '../repos/ports.js'
import { XetChecker } from './checker.js'
import { XetCollector } from './collector.js'
import type { XetContent } from './content.js'
import { XetConverter } from './converter.js'
import { DataLinks } from './data-links.js'
import { Dedupe, type DedupeScope } from './dedupe.js'
import type { XetStore } from './ports.js'
import { Reconstructions } from './reconstructions.js'
import { Shards } from './shards.js'
import { XetTokens } from './tokens.js'
import type { Xorbs } from './xorbs.js'

export type XetServices = ReturnType<typeof xetServices>

/** What serves Xet clients, on top of the stored xorbs and their content. */
export function xetServices(parts: {
  xet: XetStore
  jobs: JobStore
  repos: RepoStore
  xorbs: Xorbs
  content: XetContent
  objects: LfsObjects
  policy: PushPolicy
  access: Access
  login: Login
  secret: string
  dedupeScope: DedupeScope
  /** Presigned URLs for Xet clients, where the store has them and they may be used. */
  direct: DirectTransfer | undefined
  lfs: LfsStore
  workers: XetWorkers
}) {
  return {
    xet: parts.xet,
    policy: parts.policy,
    xorbs: parts.xorbs,
    content: parts.content,
    tokens: new XetTokens(parts),
    shards: new Shards(parts),
    reconstructions: new Reconstructions(parts),
    dedupe: new Dedupe({ ...parts, scope: parts.dedupeScope }),
    links: new DataLinks(parts.secret, parts.direct),
    collector: new XetCollector(parts),
    checker: new XetChecker(parts),
    converter: new XetConverter(parts),
  }
}
