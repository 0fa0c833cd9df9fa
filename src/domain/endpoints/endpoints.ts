import { newId } from '../../lib/ids.js'
import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { AppOrder, AppRuns } from '../apps/app-runs.js'
import type { AppRun } from '../apps/ports.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { SecretBox } from '../packages/secret-box.js'
import type { Caller, Namespace, RepoAddress, Right } from '../types.js'
import type {
  Endpoint,
  EndpointSecrets,
  EndpointSpec,
  EndpointStore,
  EndpointWanted,
} from './ports.js'

const MAX_ENDPOINTS = 200

/** How an endpoint is (huggingface-wire B7). */
export interface EndpointStatus {
  readonly state: 'pending' | 'initializing' | 'running' | 'paused' | 'failed' | 'scaledToZero'
  readonly message: string | null
  readonly url: string | null
}

export interface OpenedEndpoint {
  readonly namespace: Namespace
  readonly endpoint: Endpoint
}

/** Inference endpoints of a namespace: whoever reads there sees them, whoever writes there changes them. */
export class Endpoints {
  readonly #endpoints: EndpointStore
  readonly #accounts: AccountStore
  readonly #access: Access
  readonly #box: SecretBox
  readonly #runs: AppRuns

  constructor(parts: {
    endpoints: EndpointStore
    accounts: AccountStore
    access: Access
    box: SecretBox
    runs: AppRuns
  }) {
    this.#endpoints = parts.endpoints
    this.#accounts = parts.accounts
    this.#access = parts.access
    this.#box = parts.box
    this.#runs = parts.runs
    this.#runs.serve('endpoint', (id) => this.#order(id))
  }

  /** Throws `not_authenticated`, `forbidden` or `account_not_found`. */
  async namespace(caller: Caller, name: string, right: Right): Promise<Namespace> {
    const namespace = await this.#accounts.findNamespace(name)
    if (!namespace) {
      if (caller.via === 'anonymous')
        throw new HubError('not_authenticated', 'Invalid username or password.')
      throw new HubError('account_not_found', `There is no "${name.slice(0, 100)}".`)
    }
    this.#access.requireNamespace(caller, namespace, right)
    return namespace
  }

  /** As `namespace`; and `not_found`. */
  async open(
    caller: Caller,
    address: { namespace: string; name: string },
    right: Right,
  ): Promise<OpenedEndpoint> {
    const namespace = await this.namespace(caller, address.namespace, right)
    const endpoint = await this.#endpoints.find(namespace.id, address.name)
    if (!endpoint) throw new HubError('not_found', 'Endpoint not found')
    return { namespace, endpoint }
  }

  list(namespace: Namespace): Promise<Endpoint[]> {
    return this.#endpoints.list(namespace.id)
  }

  async create(
    namespace: Namespace,
    order: { name: string; spec: EndpointSpec; secrets: EndpointSecrets },
    actor: Actor,
  ): Promise<Endpoint> {
    const { name, spec, secrets } = order
    if (!/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(name))
      throw new HubError(
        'invalid_input',
        'An endpoint name has 1 to 32 lower-case letters, digits and "-", and "-" neither first nor last.',
      )
    await this.#requireSound(actor.caller, spec)
    const id = `endpoint_${newId().slice(0, 12)}`
    const made = await this.#endpoints.create(
      {
        id,
        namespaceId: namespace.id,
        name,
        spec,
        sealed: this.#box.seal(JSON.stringify(secrets), id),
        wanted: 'running',
        createdBy: actor.caller.user?.name ?? null,
      },
      MAX_ENDPOINTS,
      eventOf(actor, namespace, name, 'create'),
    )
    await this.#runs.order(id)
    return made
  }

  /** `secrets` undefined = they stay. One that is paused stays so. */
  async update(
    { namespace, endpoint }: OpenedEndpoint,
    change: { spec: EndpointSpec; secrets?: EndpointSecrets | undefined },
    actor: Actor,
  ): Promise<Endpoint> {
    await this.#requireSound(actor.caller, change.spec)
    const { spec, secrets } = change
    const next = await this.#endpoints.change(
      endpoint,
      {
        spec,
        ...(secrets ? { sealed: this.#box.seal(JSON.stringify(secrets), endpoint.id) } : {}),
      },
      eventOf(actor, namespace, endpoint.name, 'update'),
    )
    await this.#runs.order(endpoint.id)
    return next
  }

  /** Throws `invalid_input` for a resume of what runs, and for scaling to zero what is paused. */
  async want(
    { namespace, endpoint }: OpenedEndpoint,
    wanted: EndpointWanted,
    actor: Actor,
  ): Promise<Endpoint> {
    const { state } = await this.status(endpoint)
    if (wanted === 'running' && state === 'running')
      throw new HubError('invalid_input', 'The endpoint is already running.')
    if (wanted === endpoint.wanted && !['failed', 'scaledToZero'].includes(state)) return endpoint
    if (wanted === 'scaledToZero' && endpoint.wanted === 'paused')
      throw new HubError('invalid_input', 'The endpoint is paused: resume it first.')
    const next = await this.#endpoints.change(
      endpoint,
      { wanted },
      eventOf(actor, namespace, endpoint.name, wanted),
    )
    await this.#runs.order(endpoint.id)
    return next
  }

  async remove({ namespace, endpoint }: OpenedEndpoint, actor: Actor): Promise<void> {
    const event = eventOf(actor, namespace, endpoint.name, 'delete')
    await this.#endpoints.remove(endpoint.id, event)
    await this.#runs.order(endpoint.id)
  }

  async status(endpoint: Endpoint): Promise<EndpointStatus> {
    const rest = { message: null, url: null }
    if (endpoint.wanted !== 'running') return { state: endpoint.wanted, ...rest }
    if (!this.#runs.enabled)
      return { state: 'pending', message: 'This hub has no runner.', url: null }
    const run = await this.#runs.find(endpoint.id)
    if (run?.version !== String(endpoint.revision)) return { state: 'pending', ...rest }
    const { stage, message, url } = run
    return { state: STATE[stage], message, url: stage === 'RUNNING' ? url : null }
  }

  readSecrets(endpoint: Endpoint): EndpointSecrets {
    return JSON.parse(this.#box.open(endpoint.sealed, endpoint.id)) as EndpointSecrets
  }

  async #requireSound(caller: Caller, { model, compute }: EndpointSpec): Promise<void> {
    const { minReplica, maxReplica } = compute.scaling
    if (minReplica > maxReplica)
      throw new HubError('invalid_input', 'compute.scaling: minReplica is more than maxReplica.')
    const opened = await this.#access.open(caller, modelOf(model.repository), 'read')
    await this.#access.requireContent(caller, opened)
  }

  async #order(id: string): Promise<AppOrder | undefined> {
    const endpoint = await this.#endpoints.findById(id)
    if (endpoint?.wanted !== 'running') return undefined
    const { scaling, instanceType } = endpoint.spec.compute
    return {
      version: String(endpoint.revision),
      hardware: instanceType,
      sleepSeconds:
        scaling.minReplica === 0 && scaling.scaleToZeroTimeout !== null
          ? scaling.scaleToZeroTimeout * 60
          : null,
      prepare: async () => ({ env: this.#environment(endpoint) }),
    }
  }

  #environment(endpoint: Endpoint): Record<string, string> {
    const { secrets, registryPassword } = this.readSecrets(endpoint)
    const { model, ...rest } = endpoint.spec
    const { env, ...shown } = model
    return {
      PACKHORSE_APP_NAME: endpoint.name,
      PACKHORSE_APP_MODEL: model.repository,
      PACKHORSE_APP_COMMIT: model.revision ?? '',
      PACKHORSE_APP_SPEC: JSON.stringify({ ...rest, model: shown }),
      PACKHORSE_APP_REGISTRY_PASSWORD: registryPassword ?? '',
      ...prefixed('PACKHORSE_VARIABLE_', env),
      ...prefixed('PACKHORSE_SECRET_', secrets),
    }
  }
}

const STATE: Readonly<Record<AppRun['stage'], EndpointStatus['state']>> = {
  BUILDING: 'initializing',
  APP_STARTING: 'initializing',
  RUNNING: 'running',
  BUILD_ERROR: 'failed',
  RUNTIME_ERROR: 'failed',
  // by itself: nobody told it to
  STOPPED: 'failed',
  SLEEPING: 'scaledToZero',
}

function modelOf(id: string): RepoAddress {
  const [namespace, name, more] = id.split('/')
  if (!namespace || !name || more !== undefined)
    throw new HubError('invalid_input', 'model.repository has the form namespace/name.')
  return { kind: 'model', namespace, name }
}

function prefixed(prefix: string, values: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.entries(values).map(([key, it]) => [`${prefix}${key}`, it]))
}

function eventOf(actor: Actor, namespace: Namespace, name: string, action: string) {
  return makeEvent('endpoint', actor, undefined, { action, endpoint: `${namespace.name}/${name}` })
}
