import { isoNow } from '../../lib/ids.js'
import { HubError } from '../errors.js'
import type { JobStore } from '../jobs/ports.js'
import {
  type AppKind,
  type AppReport,
  type AppRun,
  type AppRunner,
  type AppRunStore,
  type CheckoutFile,
  type Checkouts,
  LIVE_STAGES,
} from './ports.js'

/** A running app is asked how it is this often; one that starts, at every round. */
const CHECK_MS = 15_000
/** Visits closer together are one. */
const TOUCH_MS = 5_000

/** What should run. */
export interface AppOrder {
  readonly version: string
  readonly hardware: string | null
  /** Not used for as long, it is put to sleep; null = never. */
  readonly sleepSeconds: number | null
  /** Asked for only when it is about to start. */
  prepare(signal: AbortSignal): Promise<{
    env: Readonly<Record<string, string>>
    files?: AsyncIterable<CheckoutFile>
  }>
}

/** Answers undefined for an app that must not run (any more). */
export type FindOrder = (id: string) => Promise<AppOrder | undefined>

/**
 * Brings what the runner runs to what should run. Everything needed for that stands in the database, and the runner keeps
 * the processes, so a hub that was killed goes on where it was.
 */
export class AppRuns {
  readonly #runner: AppRunner | undefined
  readonly #runs: AppRunStore
  readonly #checkouts: Checkouts
  readonly #jobs: JobStore
  readonly #onError: (err: HubError) => void
  readonly #finders = new Map<AppKind, FindOrder>()

  constructor(parts: {
    runner: AppRunner | undefined
    appRuns: AppRunStore
    checkouts: Checkouts
    jobs: JobStore
    /** Hears why an app could not be started or asked; `facts.stderr` is what the runner said. */
    onRunnerError: (err: HubError) => void
  }) {
    this.#runner = parts.runner
    this.#runs = parts.appRuns
    this.#checkouts = parts.checkouts
    this.#jobs = parts.jobs
    this.#onError = parts.onRunnerError
  }

  /** Whether the operator configured a runner. */
  get enabled(): boolean {
    return this.#runner !== undefined
  }

  serve(kind: AppKind, find: FindOrder): void {
    this.#finders.set(kind, find)
  }

  /** What is known of an app; nothing is without a runner, whatever an earlier one left. */
  async find(id: string): Promise<AppRun | undefined> {
    return this.enabled ? this.#runs.find(id) : undefined
  }

  /** What should run may have changed: look soon. */
  async order(id: string): Promise<void> {
    if (this.enabled) await this.#jobs.enqueue({ kind: 'app.sync', key: id })
  }

  /** A visitor came. Wakes an app that sleeps. */
  async visit(run: AppRun): Promise<void> {
    if (run.stage !== 'SLEEPING') {
      if (run.usedAt <= isoNow(-TOUCH_MS)) await this.#runs.touch(run.id)
      return
    }
    const woken = { ...run, stage: 'BUILDING', startedAt: null, usedAt: isoNow() } as const
    if (await this.#runs.update(woken)) await this.order(run.id)
  }

  /** The round: leaves a job for every app that is to be looked at. */
  async watch(): Promise<void> {
    for (const run of await this.#runs.list())
      if (run.stage !== 'RUNNING' ? LIVE_STAGES.includes(run.stage) : await this.#isDue(run))
        await this.order(run.id)
  }

  async #isDue(run: AppRun): Promise<boolean> {
    if (run.checkedAt <= isoNow(-CHECK_MS)) return true
    const sleep = (await this.#finders.get(run.kind)?.(run.id))?.sleepSeconds ?? null
    return sleep !== null && run.checkedAt <= isoNow(-sleep * 500)
  }

  /** The job behind `order`. */
  async sync(id: string, signal: AbortSignal): Promise<void> {
    const kind: AppKind = id.startsWith('endpoint_') ? 'endpoint' : 'space'
    const run = await this.#runs.find(id)
    const order = await this.#finders.get(kind)?.(id)
    if (!order) return run && this.#end(run, signal)
    if (!run || run.version !== order.version || run.startedAt === null)
      return this.#start({ id, kind }, order, run, signal)
    if (LIVE_STAGES.includes(run.stage)) await this.#look(run, order, signal)
  }

  async logs(run: AppRun, which: 'build' | 'run', signal: AbortSignal): Promise<string> {
    return this.#runner ? this.#runner.logs(run, which, signal) : ''
  }

  async #end(run: AppRun, signal: AbortSignal): Promise<void> {
    await this.#runner?.stop(run, signal)
    await this.#checkouts.keepOnly(run.id)
    await this.#runs.remove(run.id)
  }

  async #start(
    app: { id: string; kind: AppKind },
    order: AppOrder,
    before: AppRun | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const at = isoNow()
    const { version, hardware } = order
    const begun: AppRun = {
      ...app,
      version,
      hardware,
      stage: 'BUILDING',
      url: null,
      message: null,
      startedAt: null,
      checkedAt: at,
      usedAt: at,
    }
    await this.#runs.put(begun)
    const report = await this.#attempt(async (runner) => {
      // also after a start that a crash cut off: the runner may have heard of it
      if (before) await runner.stop(app, signal)
      const { env, files } = await order.prepare(signal)
      const directory = files && (await this.#checkouts.write(app.id, files, signal))
      await this.#checkouts.keepOnly(app.id, directory)
      const place = directory ? { PACKHORSE_APP_CHECKOUT: directory } : {}
      return runner.start({ ...app, env: { ...env, ...place } }, signal)
    })
    await this.#runs.update({ ...begun, ...shown(report), startedAt: at, checkedAt: isoNow() })
  }

  async #look(run: AppRun, order: AppOrder, signal: AbortSignal): Promise<void> {
    const report = await this.#attempt((runner) => runner.status(run, signal))
    // nobody could use it before it ran
    const usedAt = run.stage === 'RUNNING' ? lastUse(run, report) : isoNow()
    const idleMs = Date.now() - Date.parse(usedAt)
    const next = { ...run, ...shown(report), usedAt, checkedAt: isoNow() }
    const { sleepSeconds } = order
    if (report.stage !== 'RUNNING' || sleepSeconds === null || idleMs < sleepSeconds * 1000) {
      await this.#runs.update(next)
      return
    }
    await this.#runner?.stop(run, signal)
    await this.#runs.update({ ...next, stage: 'SLEEPING', url: null })
  }

  /** What goes wrong with the runner is the app's error: told where its state is asked for, and by the next start mended. */
  async #attempt(ask: (runner: AppRunner) => Promise<AppReport>): Promise<AppReport> {
    try {
      if (!this.#runner) throw new HubError('unsupported', 'No runner is configured.')
      return await ask(this.#runner)
    } catch (err) {
      if (!(err instanceof HubError) || err.code === 'internal') throw err
      this.#onError(err)
      return { stage: 'RUNTIME_ERROR', url: null, message: err.message, idleSeconds: undefined }
    }
  }
}

function shown({ stage, url, message }: AppReport): Pick<AppRun, 'stage' | 'url' | 'message'> {
  return { stage, url, message }
}

/** The later of what the hub saw and what the runner tells. */
function lastUse(run: AppRun, { idleSeconds }: AppReport): string {
  if (idleSeconds === undefined) return run.usedAt
  return new Date(Math.max(Date.parse(run.usedAt), Date.now() - idleSeconds * 1000)).toISOString()
}
