import type { HubEvent, RepoId } from '../types.js'

export type SpaceSdk = 'gradio' | 'streamlit' | 'docker' | 'static'
export const SPACE_SDKS: readonly SpaceSdk[] = ['gradio', 'streamlit', 'docker', 'static']

/** What a Space's owner asked for; nothing of it says what runs. */
export interface SpaceSettings {
  /** Requested flavor; null = the usual one. */
  readonly hardware: string | null
  readonly storage: string | null
  /** -1 = never, null = the usual time. */
  readonly sleepSeconds: number | null
  readonly devMode: boolean
  readonly paused: boolean
  readonly volumes: readonly AttachedVolume[]
  /** Grows with every change that a running Space has to see. */
  readonly revision: number
  /** The revision that is to be built without anything kept from before. */
  readonly factoryRevision: number | null
}

export const NEW_SPACE: SpaceSettings = {
  hardware: null,
  storage: null,
  sleepSeconds: null,
  devMode: false,
  paused: false,
  volumes: [],
  revision: 0,
  factoryRevision: null,
}

/** A repository mounted in a Space. */
export interface SpaceVolume {
  readonly type: 'model' | 'dataset' | 'space'
  readonly source: string
  readonly mountPath: string
  readonly revision?: string | undefined
  readonly readOnly?: boolean | undefined
  readonly path?: string | undefined
}

/** With whose right it is read: an account's, the operator's, or (null) that of anybody. */
export interface AttachedVolume extends SpaceVolume {
  readonly attachedBy: number | 'site' | null
}

/** A variable, or a secret whose value is sealed. */
export interface SpaceValue {
  readonly key: string
  readonly value: string
  readonly description: string | null
  readonly updatedAt: string
}
export type SpaceValueKind = 'secret' | 'variable'
export type NewSpaceValue = Omit<SpaceValue, 'updatedAt'>

export interface SpaceStore {
  find(id: RepoId): Promise<SpaceSettings | undefined>
  /** One transaction with the event; the revision grows, if more than the sleep time changes. `factory`: so does `factoryRevision`, to the same. */
  change(
    id: RepoId,
    change: Partial<Omit<SpaceSettings, 'revision' | 'factoryRevision'>> & { factory?: boolean },
    event: HubEvent,
  ): Promise<void>
  /** By key. */
  listValues(id: RepoId, kind: SpaceValueKind): Promise<SpaceValue[]>
  /** The revision grows. Throws `unprocessable` when there would be more than `max` of the kind. */
  putValue(
    id: RepoId,
    kind: SpaceValueKind,
    value: NewSpaceValue,
    max: number,
    event: HubEvent,
  ): Promise<void>
  /** False when there is none; nothing changes then. */
  removeValue(id: RepoId, kind: SpaceValueKind, key: string, event: HubEvent): Promise<boolean>
  /** Everything at once, for a Space that is being created. */
  begin(
    id: RepoId,
    settings: SpaceSettings,
    values: Readonly<Record<SpaceValueKind, readonly NewSpaceValue[]>>,
  ): Promise<void>
}
