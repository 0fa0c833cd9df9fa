import type { HubEvent } from '../types.js'

export type EndpointWanted = 'running' | 'paused' | 'scaledToZero'

/** An inference endpoint as it was asked for. */
export interface Endpoint {
  /** `endpoint_` + 12 hex digits. */
  readonly id: string
  readonly namespaceId: number
  readonly name: string
  readonly spec: EndpointSpec
  /** What `EndpointSecrets` was sealed to. */
  readonly sealed: string
  readonly wanted: EndpointWanted
  /** Grows with every change that the running program has to see. */
  readonly revision: number
  readonly createdBy: string | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** The request without what must not be shown again; what this hub does not look at is kept as it came (huggingface-wire B7). */
export interface EndpointSpec {
  readonly type: string
  readonly compute: {
    readonly accelerator: string
    readonly instanceSize: string
    readonly instanceType: string
    readonly scaling: {
      readonly minReplica: number
      readonly maxReplica: number
      /** Minutes; null = never. */
      readonly scaleToZeroTimeout: number | null
      readonly measure?: unknown
    }
  }
  readonly model: {
    /** `namespace/name` of a model of this hub. */
    readonly repository: string
    readonly framework: string
    readonly revision: string | null
    readonly task: string | null
    readonly image: Readonly<Record<string, unknown>>
    readonly env: Readonly<Record<string, string>>
    readonly command?: readonly string[] | undefined
    readonly args?: readonly string[] | undefined
  }
  readonly provider: { readonly region: string; readonly vendor: string }
  readonly route?: unknown
  readonly privateService?: unknown
  readonly cacheHttpResponses?: boolean | undefined
  readonly tags: readonly string[]
}

export interface EndpointSecrets {
  readonly secrets: Readonly<Record<string, string>>
  /** Of the registry that the image comes from. */
  readonly registryPassword: string | null
}

export interface EndpointStore {
  /** Throws `conflict` when the name is taken in the namespace, `unprocessable` when there are `max` already. */
  create(
    endpoint: Omit<Endpoint, 'revision' | 'createdAt' | 'updatedAt'>,
    max: number,
    event: HubEvent,
  ): Promise<Endpoint>
  find(namespaceId: number, name: string): Promise<Endpoint | undefined>
  findById(id: string): Promise<Endpoint | undefined>
  /** By name. */
  list(namespaceId: number): Promise<Endpoint[]>
  /**
   * The revision grows. Throws `conflict` when it is not `from.revision` any more: somebody changed it meanwhile.
   */
  change(
    from: Endpoint,
    change: Partial<Pick<Endpoint, 'spec' | 'sealed' | 'wanted'>>,
    event: HubEvent,
  ): Promise<Endpoint>
  remove(id: string, event: HubEvent): Promise<void>
}
