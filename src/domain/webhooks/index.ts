import { isoNow } from '../../lib/ids.js'
import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { EventStore } from '../events/ports.js'
import type { JobRunner } from '../jobs/runner.js'
import { SecretBox } from '../packages/secret-box.js'
import type { RepoStore } from '../repos/ports.js'
import { Audience } from './audience.js'
import { type DispatcherOptions, WebhookDispatcher } from './dispatcher.js'
import type { DeliveryQueue, WebhookStore } from './ports.js'
import { Webhooks } from './webhooks.js'

const SWEEP_SECONDS = 3_600
const SWEEP_PAGE = 1_000
/** How long the log of deliveries reaches back. */
const KEEP_MS = 30 * 86_400_000

/** Everything that belongs to webhooks, from the stores that it needs. */
export function webhookServices(parts: {
  readonly webhooks: WebhookStore
  readonly deliveries: DeliveryQueue
  readonly accounts: AccountStore
  readonly repos: RepoStore
  readonly events: EventStore
  readonly access: Access
  readonly jobs: JobRunner
  readonly secretKey: string
  readonly options: DispatcherOptions
}) {
  const { deliveries, options } = parts
  const box = new SecretBox(parts.secretKey)
  parts.jobs.handleEvery('webhook.sweep', SWEEP_SECONDS, async (_, signal) => {
    while (!signal.aborted)
      if ((await deliveries.deleteBefore(isoNow(-KEEP_MS), SWEEP_PAGE)) < SWEEP_PAGE) return
  })
  return {
    webhooks: new Webhooks({ ...parts, box, allowPrivate: options.allowPrivate }),
    webhookDispatcher: new WebhookDispatcher(
      { queue: deliveries, audience: new Audience(parts), box },
      options,
    ),
  }
}
