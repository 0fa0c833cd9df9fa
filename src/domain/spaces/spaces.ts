import type { AppOrder, AppRuns } from '../apps/app-runs.js'
import type { AppRun, CheckoutFile } from '../apps/ports.js'
import type { Cards } from '../cards/cards.js'
import type { Contents } from '../content/contents.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { SecretBox } from '../packages/secret-box.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, Repo, RepoId } from '../types.js'
import {
  type AttachedVolume,
  NEW_SPACE,
  type NewSpaceValue,
  type SpaceSettings,
  type SpaceStore,
  type SpaceValue,
  type SpaceValueKind,
  type SpaceVolume,
} from './ports.js'
import { readSpaceConfig, type SpaceConfig } from './space-config.js'
import {
  checkHardware,
  checkSleep,
  checkStorage,
  checkValue,
  checkValues,
  checkVolumes,
  MAX_SPACE_VALUES,
  sleepTime,
  USUAL_HARDWARE,
} from './space-rules.js'
import { attach, type SpaceVolumes, shownVolumes } from './space-volumes.js'

/** How a Space is, and what its owner asked for (huggingface-wire B6.1). */
export interface SpaceRuntime {
  readonly stage: AppRun['stage'] | 'NO_APP_FILE' | 'CONFIG_ERROR' | 'PAUSED'
  /** Why, where there is something to say. */
  readonly message: string | null
  /** On which it runs at this moment. */
  readonly hardware: string | null
  readonly requestedHardware: string | null
  readonly storage: string | null
  /** null = never. */
  readonly sleepSeconds: number | null
  readonly devMode: boolean
  readonly volumes: readonly SpaceVolume[]
  /** Where the runner says that it can be reached. */
  readonly url: string | null
}

/** What a creation, or a copy, may ask for besides the files. */
export interface SpaceOrder {
  readonly hardware?: string | null | undefined
  readonly storage?: string | null | undefined
  readonly sleepSeconds?: number | null | undefined
  readonly secrets?: readonly Parameters<typeof checkValue>[0][] | null | undefined
  readonly variables?: readonly Parameters<typeof checkValue>[0][] | null | undefined
  readonly volumes?: readonly SpaceVolume[] | null | undefined
}

/**
 * Settings, secrets and variables of Spaces, and the stage they are in. Callers have the right to write, but for `runtime`,
 * `variables` and `visit`, which readers may ask for.
 */
export class Spaces {
  readonly #spaces: SpaceStore
  readonly #repos: RepoStore
  readonly #cards: Cards
  readonly #contents: Contents
  readonly #box: SecretBox
  readonly #runs: AppRuns
  readonly #volumes: SpaceVolumes

  constructor(parts: {
    spaces: SpaceStore
    volumes: SpaceVolumes
    repos: RepoStore
    cards: Cards
    contents: Contents
    box: SecretBox
    runs: AppRuns
  }) {
    this.#spaces = parts.spaces
    this.#repos = parts.repos
    this.#cards = parts.cards
    this.#contents = parts.contents
    this.#box = parts.box
    this.#runs = parts.runs
    this.#volumes = parts.volumes
    this.#runs.serve('space', (id) => this.#order(id))
  }

  config(repo: Repo): Promise<SpaceConfig> {
    return readSpaceConfig({ cards: this.#cards, contents: this.#contents }, repo)
  }

  async runtime(repo: Repo): Promise<SpaceRuntime> {
    const [settings, config, run] = await Promise.all([
      this.#settings(repo.id),
      this.config(repo),
      this.#runs.find(repo.id),
    ])
    const isStatic = 'sdk' in config && config.sdk === 'static'
    const mounted = await this.#volumes.readable(settings.volumes)
    const { stage, message } = isStatic
      ? { stage: 'RUNNING' as const, message: null }
      : stageOf(settings, mounted, config, run, this.#runs.enabled)
    const isRunning = stage === 'RUNNING' && !isStatic
    return {
      stage,
      message,
      hardware: isRunning ? (run?.hardware ?? null) : null,
      requestedHardware: isStatic ? null : (settings.hardware ?? USUAL_HARDWARE),
      storage: settings.storage,
      sleepSeconds: isStatic ? null : sleepTime(settings),
      devMode: settings.devMode,
      volumes: shownVolumes(settings.volumes),
      url: isRunning ? (run?.url ?? null) : null,
    }
  }

  variables(repo: Repo): Promise<SpaceValue[]> {
    return this.#spaces.listValues(repo.id, 'variable')
  }

  /** Their names; the values leave only for the runner. */
  async secrets(repo: Repo): Promise<Omit<SpaceValue, 'value'>[]> {
    const sealed = await this.#spaces.listValues(repo.id, 'secret')
    return sealed.map(({ key, description, updatedAt }) => ({ key, description, updatedAt }))
  }

  async putValue(
    repo: Repo,
    kind: SpaceValueKind,
    value: Parameters<typeof checkValue>[0],
    actor: Actor,
  ): Promise<void> {
    const fine = this.#toStore(repo.id, kind, checkValue(value))
    const event = makeEvent('repo.settings', actor, repo, { [kind]: fine.key })
    await this.#spaces.putValue(repo.id, kind, fine, MAX_SPACE_VALUES, event)
    await this.#runs.order(repo.id)
  }

  /** Throws `not_found`. */
  async removeValue(repo: Repo, kind: SpaceValueKind, key: string, actor: Actor): Promise<void> {
    const event = makeEvent('repo.settings', actor, repo, { [kind]: key, removed: true })
    if (!(await this.#spaces.removeValue(repo.id, kind, key, event)))
      throw new HubError('not_found', `There is no ${kind} "${key.slice(0, 128)}".`)
    await this.#runs.order(repo.id)
  }

  async setHardware(
    repo: Repo,
    flavor: string,
    sleepSeconds: number | undefined,
    actor: Actor,
  ): Promise<void> {
    await this.#requireMoving(repo)
    const sleep = sleepSeconds === undefined ? {} : { sleepSeconds: checkSleep(sleepSeconds) }
    await this.#change(repo, { hardware: checkHardware(flavor), ...sleep }, actor)
  }

  async setSleepTime(repo: Repo, seconds: number, actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    await this.#change(repo, { sleepSeconds: checkSleep(seconds) }, actor)
  }

  /** null = none. Throws `invalid_input` when there is none to take away. */
  async setStorage(repo: Repo, tier: string | null, actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    if (tier === null && (await this.#settings(repo.id)).storage === null)
      throw new HubError('invalid_input', 'This Space has no persistent storage.')
    await this.#change(repo, { storage: tier === null ? null : checkStorage(tier) }, actor)
  }

  /** Empty = none, which there must be something to take away for. */
  async setVolumes(repo: Repo, volumes: readonly SpaceVolume[], actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    if (volumes.length === 0 && (await this.#settings(repo.id)).volumes.length === 0)
      throw new HubError('invalid_input', 'This Space has no volumes.')
    await this.#volumes.requireReadable(actor.caller, volumes)
    await this.#change(repo, { volumes: attach(actor.caller, checkVolumes(volumes)) }, actor)
  }

  async setDevMode(repo: Repo, devMode: boolean, actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    await this.#change(repo, { devMode }, actor)
  }

  async pause(repo: Repo, actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    await this.#change(repo, { paused: true }, actor)
  }

  async restart(repo: Repo, factory: boolean, actor: Actor): Promise<void> {
    await this.#requireMoving(repo)
    await this.#change(repo, { paused: false, factory }, actor)
  }

  /** Throws `invalid_input` for what `begin` would not take, and for volumes that the caller may not read. */
  async check(caller: Caller, order: SpaceOrder, sdk: string | undefined): Promise<void> {
    const { hardware, storage, sleepSeconds, volumes } = order
    if (sdk === 'static' && [hardware, storage, sleepSeconds, volumes].some((it) => it != null))
      throw new HubError('invalid_input', 'A static Space has no hardware, storage or sleep time.')
    this.#read(order, caller)
    await this.#volumes.requireReadable(caller, volumes ?? [])
  }

  /** For a Space that `caller` is creating. `like`: its variables come along, its secrets never do. */
  async begin(repo: Repo, order: SpaceOrder, caller: Caller, like?: Repo): Promise<void> {
    const { settings, secrets, variables } = this.#read(order, caller)
    const copied = like ? await this.variables(like) : []
    const own = new Set(variables.map((it) => it.key))
    const all = [...variables, ...copied.filter((it) => !own.has(it.key))]
    await this.#spaces.begin(repo.id, settings, {
      secret: secrets.map((it) => this.#toStore(repo.id, 'secret', it)),
      variable: all.map(({ key, value, description }) => ({ key, value, description })),
    })
  }

  /** A Space that was created with its files in it has had no push yet. */
  async created(repo: Repo): Promise<void> {
    await this.#runs.order(repo.id)
  }

  /** Somebody looks at it: where it runs, if it does; one that sleeps is woken. */
  async visit(repo: Repo): Promise<{ url: string | null }> {
    const run = await this.#runs.find(repo.id)
    if (run) await this.#runs.visit(run)
    return { url: run?.stage === 'RUNNING' ? run.url : null }
  }

  /** Undefined when nothing was ever started. `live`: more may come. */
  async logs(
    repo: Repo,
    which: 'build' | 'run',
    signal: AbortSignal,
  ): Promise<{ text: string; live: boolean } | undefined> {
    const run = await this.#runs.find(repo.id)
    if (!run) return undefined
    const building = run.stage === 'BUILDING' || run.stage === 'APP_STARTING'
    const live = building || (which === 'run' && run.stage === 'RUNNING')
    return { text: await this.#runs.logs(run, which, signal), live }
  }

  #read(
    order: SpaceOrder,
    caller: Caller,
  ): {
    settings: SpaceSettings
    secrets: NewSpaceValue[]
    variables: NewSpaceValue[]
  } {
    const { hardware, storage, sleepSeconds, volumes } = order
    const settings = {
      ...NEW_SPACE,
      hardware: hardware == null ? null : checkHardware(hardware),
      storage: storage == null ? null : checkStorage(storage),
      sleepSeconds: sleepSeconds == null ? null : checkSleep(sleepSeconds),
      volumes: attach(caller, checkVolumes(volumes ?? [])),
    }
    const { secrets, variables } = order
    return {
      settings,
      secrets: checkValues(secrets ?? []),
      variables: checkValues(variables ?? []),
    }
  }

  async #change(
    repo: Repo,
    change: Parameters<SpaceStore['change']>[1],
    actor: Actor,
  ): Promise<void> {
    await this.#spaces.change(
      repo.id,
      change,
      makeEvent('repo.settings', actor, repo, { ...change }),
    )
    await this.#runs.order(repo.id)
  }

  async #settings(id: RepoId): Promise<SpaceSettings> {
    return (await this.#spaces.find(id)) ?? NEW_SPACE
  }

  async #requireMoving(repo: Repo): Promise<void> {
    const config = await this.config(repo)
    if ('sdk' in config && config.sdk === 'static')
      throw new HubError(
        'invalid_input',
        'This is a static Space: it is always running. To hide it, make it private.',
      )
  }

  #toStore(id: RepoId, kind: SpaceValueKind, it: NewSpaceValue): NewSpaceValue {
    if (kind === 'variable') return it
    return { ...it, value: this.#box.seal(it.value, sealedFor(id, it.key)) }
  }

  async #order(id: RepoId): Promise<AppOrder | undefined> {
    const repo = await this.#repos.findById(id)
    if (repo?.state !== 'ready' || repo.kind !== 'space' || repo.disabled) return undefined
    const [settings, config] = await Promise.all([this.#settings(id), this.config(repo)])
    if (settings.paused || 'problem' in config || config.sdk === 'static') return undefined
    // what nobody may read any more goes with the next look: another version is another start
    const mounted = await this.#volumes.readable(settings.volumes)
    return {
      version: versionOf(settings, mounted, config.commit),
      hardware: settings.hardware ?? USUAL_HARDWARE,
      sleepSeconds: sleepTime(settings),
      prepare: async (signal) => ({
        env: { ...about(repo, settings, mounted, config), ...(await this.#values(id)) },
        files: this.#files(repo, config.commit, signal),
      }),
    }
  }

  /** With prefixes: no name that somebody chose becomes a setting of the runner's own. */
  async #values(id: RepoId): Promise<Record<string, string>> {
    const env: Record<string, string> = {}
    for (const { key, value } of await this.#spaces.listValues(id, 'variable'))
      env[`PACKHORSE_VARIABLE_${key}`] = value
    for (const { key, value } of await this.#spaces.listValues(id, 'secret'))
      env[`PACKHORSE_SECRET_${key}`] = this.#box.open(value, sealedFor(id, key))
    return env
  }

  async *#files(repo: Repo, commit: string, signal: AbortSignal): AsyncGenerator<CheckoutFile> {
    for await (const page of this.#contents.files(repo, commit))
      for (const file of page)
        yield {
          path: file.path,
          executable: file.mode === '100755',
          open: () => this.#contents.open(repo, file, undefined, signal),
        }
  }
}

const sealedFor = (id: RepoId, key: string) => `space ${id} ${key}`

function versionOf(
  { volumes, revision }: SpaceSettings,
  mounted: readonly AttachedVolume[],
  commit: string,
): string {
  const gone = volumes.flatMap((it, index) => (mounted.includes(it) ? [] : [index]))
  return `${commit}:${revision}${gone.length > 0 ? `:without-${gone.join('-')}` : ''}`
}

function stageOf(
  settings: SpaceSettings,
  mounted: readonly AttachedVolume[],
  config: SpaceConfig,
  run: AppRun | undefined,
  hasRunner: boolean,
): Pick<SpaceRuntime, 'stage' | 'message'> {
  if (settings.paused) return { stage: 'PAUSED', message: null }
  if ('problem' in config) return { stage: config.problem, message: config.message }
  if (!hasRunner) return { stage: 'STOPPED', message: 'This hub has no runner.' }
  // not looked at yet, or about to be started anew
  if (run?.version !== versionOf(settings, mounted, config.commit))
    return { stage: 'BUILDING', message: null }
  return { stage: run.stage, message: run.message }
}

function about(
  repo: Repo,
  settings: SpaceSettings,
  mounted: readonly AttachedVolume[],
  config: Extract<SpaceConfig, { sdk: string }>,
): Record<string, string> {
  return {
    PACKHORSE_APP_NAME: `${repo.namespace}/${repo.name}`,
    PACKHORSE_APP_SDK: config.sdk,
    PACKHORSE_APP_FILE: config.appFile,
    PACKHORSE_APP_COMMIT: config.commit,
    PACKHORSE_APP_HARDWARE: settings.hardware ?? USUAL_HARDWARE,
    PACKHORSE_APP_STORAGE: settings.storage ?? '',
    PACKHORSE_APP_VOLUMES: JSON.stringify(shownVolumes(mounted)),
    PACKHORSE_APP_DEV_MODE: settings.devMode ? '1' : '0',
    PACKHORSE_APP_FACTORY: settings.factoryRevision === settings.revision ? '1' : '0',
  }
}
