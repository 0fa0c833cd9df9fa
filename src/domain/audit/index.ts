import { credentialOf } from '../events/events.js'
import type { JobRunner } from '../jobs/runner.js'
import type { Pushes } from '../refs/pushes.js'
import { AuditLog, BY_THE_HUB } from './audit-log.js'
import type { AuditStore } from './ports.js'

const SWEEP_SECONDS = 24 * 3600
/** Jobs that change nothing that anybody could miss; every other one is recorded, unknown ones too. */
const QUIET_JOBS =
  /^(repo\.(maintain|upkeep|bundles|language|trending)|app\..*|xet\.convert|audit\.sweep|webhooks?\..*)$/

/** The audit log, hearing of what comes by no request: refused pushes, background jobs. */
export function auditServices(parts: {
  audit: AuditStore
  pushes: Pushes
  jobs: JobRunner
  settings: { keepDays: number; refusalsPerMinute: number }
  onError: (err: unknown, lost: number) => void
}): AuditLog {
  const { pushes, jobs, settings, onError } = parts
  const log = new AuditLog({ audit: parts.audit, onError, ...settings })
  pushes.onRefused((repo, { caller, dialect }, updates, lines) => {
    const { user, via } = caller
    log.record(
      {
        ...BY_THE_HUB,
        action: 'repo.refs',
        outcome: 'refused',
        actor: {
          id: user?.id ?? null,
          name: user?.name ?? (via === 'admin_token' ? 'admin' : null),
        },
        credential: credentialOf(caller),
        address: caller.address,
        dialect,
        repo: { id: repo.id, kind: repo.kind, name: `${repo.namespace}/${repo.name}` },
        request: caller.requestId ?? null,
        data: { updates: updates.slice(0, 100), lines: lines.slice(0, 20) },
      },
      { limited: true },
    )
  })
  // on disk before the job counts as done: what a killed process did not record, it does again
  jobs.onDone(async ({ kind, key }) => {
    if (QUIET_JOBS.test(kind)) return
    log.record({ ...BY_THE_HUB, action: `job.${kind}`, data: { key } })
    await log.flush()
  })
  jobs.handleEvery('audit.sweep', SWEEP_SECONDS, async () => {
    await log.sweep()
  })
  return log
}
