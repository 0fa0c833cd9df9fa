import { isIP } from 'node:net'
import { newId } from '../../lib/ids.js'
import { isPublicAddress } from '../../lib/public-address.js'
import { type Access, requireActiveUser } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { SecretBox } from '../packages/secret-box.js'
import type { RepoKind } from '../types.js'
import { secretOf } from './dispatcher.js'
import type { Delivery, Watch, Webhook, WebhookDomain, WebhookEdit, WebhookStore } from './ports.js'

const MAX_PER_OWNER = 100

/** What a caller wants watched: `site` is the subscription to all public models (seed 001). */
export interface WatchOrder {
  readonly type: 'user' | 'org' | RepoKind | 'site'
  readonly name: string
}

export interface WebhookOrder {
  readonly url: string
  readonly watched: readonly WatchOrder[]
  readonly domains: readonly WebhookDomain[]
  readonly secret: string | undefined
  /** What the caller called the hub. */
  readonly baseUrl: string
}

/** Everybody's own webhooks. Each method throws `not_authenticated`, `forbidden` (weak credential) and, by id, `not_found`. */
export class Webhooks {
  readonly #webhooks: WebhookStore
  readonly #accounts: AccountStore
  readonly #access: Access
  readonly #events: EventStore
  readonly #box: SecretBox
  readonly #allowPrivate: boolean

  constructor(parts: {
    webhooks: WebhookStore
    accounts: AccountStore
    access: Access
    events: EventStore
    box: SecretBox
    allowPrivate: boolean
  }) {
    this.#webhooks = parts.webhooks
    this.#accounts = parts.accounts
    this.#access = parts.access
    this.#events = parts.events
    this.#box = parts.box
    this.#allowPrivate = parts.allowPrivate
  }

  /** Throws `invalid_input` (URL, secret, nothing watched), `not_found` (watched), `conflict` (too many). */
  async create(order: WebhookOrder, actor: Actor): Promise<Webhook> {
    const owner = requireActiveUser(actor.caller)
    if (order.watched.length === 0)
      throw new HubError('invalid_input', 'watched: at least one item must be watched')
    const isSite = this.#isSite(order.watched, actor)
    const id = newId()
    const webhook = await this.#webhooks.create({
      id,
      ownerId: owner.id,
      isSite,
      url: this.#checkUrl(order.url),
      watches: isSite ? [] : await this.#find(order.watched, actor),
      domains: order.domains,
      sealedSecret: this.#seal(id, order.secret),
      baseUrl: order.baseUrl,
      limit: MAX_PER_OWNER,
    })
    await this.#record(actor, { id, target: new URL(webhook.url).origin, action: 'create' })
    return webhook
  }

  async list(actor: Actor): Promise<Webhook[]> {
    return this.#webhooks.list(requireActiveUser(actor.caller).id)
  }

  async read(id: string, actor: Actor): Promise<Webhook> {
    const webhook = await this.#webhooks.find(requireActiveUser(actor.caller).id, id)
    if (!webhook) throw new HubError('not_found', 'Webhook not found')
    return webhook
  }

  /** What is left out stays as it is; an empty secret takes the secret away. Throws as `create`. */
  async update(
    id: string,
    change: Partial<Omit<WebhookOrder, 'baseUrl'>> & Pick<WebhookOrder, 'baseUrl'>,
    actor: Actor,
  ): Promise<Webhook> {
    const webhook = await this.read(id, actor)
    const { url, watched, domains, secret, baseUrl } = change
    if (watched && this.#isSite(watched, actor) !== webhook.isSite)
      throw new HubError(
        'invalid_input',
        'watched: a subscription to the site cannot become another one, nor the other way round',
      )
    const edit: WebhookEdit = {
      baseUrl,
      ...(url === undefined ? {} : { url: this.#checkUrl(url) }),
      ...(watched && !webhook.isSite ? { watches: await this.#find(watched, actor) } : {}),
      ...(domains ? { domains } : {}),
      ...(secret === undefined ? {} : { sealedSecret: this.#seal(id, secret) }),
    }
    await this.#webhooks.update(id, edit)
    const target = new URL(edit.url ?? webhook.url).origin
    await this.#record(actor, { id, target, action: 'update' })
    return this.read(id, actor)
  }

  async setEnabled(id: string, enabled: boolean, actor: Actor): Promise<Webhook> {
    await this.read(id, actor)
    await this.#webhooks.setDisabled(id, enabled ? null : 'by-owner')
    await this.#record(actor, { id, action: enabled ? 'enable' : 'disable' })
    return this.read(id, actor)
  }

  async remove(id: string, actor: Actor): Promise<void> {
    await this.read(id, actor)
    await this.#webhooks.remove(id)
    await this.#record(actor, { id, action: 'delete' })
  }

  secretOf(webhook: Webhook): string | undefined {
    return webhook.sealedSecret === null
      ? undefined
      : this.#box.open(webhook.sealedSecret, secretOf(webhook.id))
  }

  async listDeliveries(
    id: string,
    page: { beforeId: number; limit: number },
    actor: Actor,
  ): Promise<Delivery[]> {
    await this.read(id, actor)
    return this.#webhooks.listDeliveries(id, page.beforeId, page.limit)
  }

  async readDelivery(id: string, deliveryId: number, actor: Actor): Promise<Delivery> {
    await this.read(id, actor)
    const delivery = await this.#webhooks.findDelivery(id, deliveryId)
    if (!delivery) throw new HubError('not_found', 'Delivery not found')
    return delivery
  }

  /** Throws `conflict` while the webhook is disabled. */
  async replay(id: string, deliveryId: number, actor: Actor): Promise<Delivery> {
    const webhook = await this.read(id, actor)
    if (webhook.disabled)
      throw new HubError('conflict', 'The webhook is disabled: nothing is delivered to it.')
    const made = await this.#webhooks.replay(id, deliveryId)
    if (made === undefined) throw new HubError('not_found', 'Delivery not found')
    return this.readDelivery(id, made, actor)
  }

  #checkUrl(text: string): string {
    const url = text.length <= 2_048 ? URL.parse(text) : null
    if (!url || !/^https?:$/.test(url.protocol))
      throw new HubError('invalid_input', 'url: must be a http or https URL')
    if (url.username || url.password)
      throw new HubError('invalid_input', 'url: must not contain a user name or password')
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (!this.#allowPrivate && isIP(host) && !isPublicAddress(host))
      throw new HubError('invalid_input', 'url: must be on the public internet')
    url.hash = ''
    return url.href
  }

  #seal(id: string, secret: string | undefined): string | null {
    if (secret === undefined || secret === '') return null
    // as a header it has to come through as it is
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,510}[\x21-\x7e])?$/.test(secret))
      throw new HubError('invalid_input', 'secret: must be 1 to 512 printable ASCII characters')
    return this.#box.seal(secret, secretOf(id))
  }

  #isSite(watched: readonly WatchOrder[], { caller }: Actor): boolean {
    const isSite = watched.some((it) => it.type === 'site')
    if (isSite && watched.length > 1)
      throw new HubError('invalid_input', 'watched: the site is watched alone')
    if (isSite && !caller.isSiteAdmin)
      throw new HubError('forbidden', 'This needs a site administrator.')
    return isSite
  }

  async #find(watched: readonly WatchOrder[], actor: Actor): Promise<Watch[]> {
    const found: Watch[] = []
    for (const item of watched) found.push(await this.#findOne(item, actor))
    return found
  }

  async #findOne({ type, name }: WatchOrder, { caller }: Actor): Promise<Watch> {
    if (type === 'site') throw new HubError('invalid_input', 'watched: the site is watched alone')
    if (type === 'user' || type === 'org') {
      const namespace = await this.#accounts.findNamespace(name)
      if (namespace?.type !== type)
        throw new HubError(
          'not_found',
          `There is no ${type} "${name.slice(0, 100)}" to be watched.`,
        )
      return { namespaceId: namespace.id }
    }
    const [namespace = '', repo = '', ...rest] = name.split('/')
    if (!namespace || !repo || rest.length > 0)
      throw new HubError('invalid_input', 'watched: repositories are named namespace/name')
    const opened = await this.#access.open(caller, { kind: type, namespace, name: repo }, 'read')
    return { repoId: opened.repo.id }
  }

  /** Without the rest of the URL, which may be a secret of the receiver's. */
  #record(actor: Actor, data: Record<string, unknown>): Promise<void> {
    return this.#events.add(makeEvent('account.webhook', actor, undefined, data))
  }
}
