import type { Readable } from 'node:stream'

/** A program that the operator's runner runs for this hub: a Space or an inference endpoint, named by its id. */
export type AppKind = 'space' | 'endpoint'

/** What a runner may report, and SLEEPING, which is the hub's own decision. */
export type AppStage =
  | 'BUILDING'
  | 'APP_STARTING'
  | 'RUNNING'
  | 'BUILD_ERROR'
  | 'RUNTIME_ERROR'
  | 'STOPPED'
  | 'SLEEPING'

export const LIVE_STAGES: readonly AppStage[] = ['BUILDING', 'APP_STARTING', 'RUNNING']

/** The last that is known of an app that was started. */
export interface AppRun {
  /** The repository's id of a Space, `endpoint_…` of an endpoint. */
  readonly id: string
  readonly kind: AppKind
  /** Of content and settings together: another one means another start. */
  readonly version: string
  readonly stage: AppStage
  readonly url: string | null
  readonly message: string | null
  readonly hardware: string | null
  /** null = the runner has not taken the order yet. */
  readonly startedAt: string | null
  readonly checkedAt: string
  readonly usedAt: string
}

export interface AppRunStore {
  find(id: string): Promise<AppRun | undefined>
  findMany(ids: readonly string[]): Promise<Map<string, AppRun>>
  list(): Promise<AppRun[]>
  put(run: AppRun): Promise<void>
  /** Only while it is still at this version; tells whether it was. */
  update(run: AppRun): Promise<boolean>
  /** Somebody used it. */
  touch(id: string): Promise<void>
  remove(id: string): Promise<void>
}

export interface CheckoutFile {
  readonly path: string
  readonly executable: boolean
  open(): Promise<Readable | Buffer>
}

/** Files of a commit as a directory that the runner may read. */
export interface Checkouts {
  /** A new directory; what was written for the app before stays until `keepOnly`. */
  write(id: string, files: AsyncIterable<CheckoutFile>, signal: AbortSignal): Promise<string>
  /** Removes the app's other directories; without one, all. */
  keepOnly(id: string, directory?: string): Promise<void>
}

export interface AppStart {
  readonly id: string
  readonly kind: AppKind
  readonly env: Readonly<Record<string, string>>
}

export interface AppReport {
  readonly stage: Exclude<AppStage, 'SLEEPING'>
  readonly url: string | null
  readonly message: string | null
  /** Seconds since somebody last used the app, where the runner knows. */
  readonly idleSeconds: number | undefined
}

/**
 * The operator's command. Every method is bounded in time and output and throws `unprocessable` with what went wrong when
 * the command cannot be run, fails, or answers something else than it should.
 */
export interface AppRunner {
  start(app: AppStart, signal: AbortSignal): Promise<AppReport>
  /** Also for an app that does not run. */
  stop(app: Pick<AppStart, 'id' | 'kind'>, signal: AbortSignal): Promise<void>
  status(app: Pick<AppStart, 'id' | 'kind'>, signal: AbortSignal): Promise<AppReport>
  /** The newest MiB at most. Throws `busy` when too many read logs. */
  logs(
    app: Pick<AppStart, 'id' | 'kind'>,
    which: 'build' | 'run',
    signal: AbortSignal,
  ): Promise<string>
}
