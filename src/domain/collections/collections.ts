import { newId } from '../../lib/ids.js'
import { type Access, requireActiveUser } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Papers } from '../papers/papers.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, Namespace, RepoKind } from '../types.js'
import type {
  Collection,
  CollectionItem,
  CollectionItemType,
  CollectionStore,
  CollectionTarget,
  CollectionTheme,
} from './ports.js'
import { collectionIdOf, slugOf } from './slug.js'

/** What a collection can hold, and an owner can have: each is shown whole. */
const MAX_ITEMS = 2_000
const MAX_COLLECTIONS = 1_000

export interface CollectionChange {
  readonly title?: string | undefined
  readonly description?: string | null | undefined
  readonly isPrivate?: boolean | undefined
  readonly theme?: CollectionTheme | undefined
  readonly position?: number | undefined
}

/**
 * Collections of repositories, papers and collections (huggingface-wire B8). Who may write in a namespace writes its
 * collections; a private one is there for its people only, and an item for those who may see what it stands for.
 */
export class Collections {
  readonly #collections: CollectionStore
  readonly #accounts: AccountStore
  readonly #repos: RepoStore
  readonly #events: EventStore
  readonly #access: Access
  readonly #papers: Papers

  constructor(parts: {
    collections: CollectionStore
    accounts: AccountStore
    repos: RepoStore
    events: EventStore
    access: Access
    papers: Papers
  }) {
    this.#collections = parts.collections
    this.#accounts = parts.accounts
    this.#repos = parts.repos
    this.#events = parts.events
    this.#access = parts.access
    this.#papers = parts.papers
  }

  /** Throws `not_found`, also for one that is hidden from the caller. */
  async read(caller: Caller, slug: string): Promise<Collection> {
    const id = collectionIdOf(slug)
    const found = id === undefined ? undefined : await this.#collections.find(id)
    const owner = slug.slice(0, slug.indexOf('/')).toLowerCase()
    if (!found || found.namespace.toLowerCase() !== owner || !(await this.#maySee(caller, found)))
      throw new HubError('not_found', 'Collection not found')
    return found
  }

  items(caller: Caller, collection: Collection): Promise<CollectionItem[]> {
    return this.#collections.listItems(collection.id, this.#access.visibleTo(caller), MAX_ITEMS)
  }

  /** Throws `account_not_found`, `forbidden`, `conflict` (with the `slug` of the one that has the title), `too_large`. */
  async create(
    order: { namespace: string; title: string; description: string | null; isPrivate: boolean },
    actor: Actor,
  ): Promise<Collection> {
    const namespace = await this.#accounts.findNamespace(order.namespace)
    if (!namespace)
      throw new HubError(
        'account_not_found',
        `The namespace "${order.namespace.slice(0, 100)}" does not exist.`,
      )
    this.#access.requireNamespace(actor.caller, namespace, 'write')
    const { title, description, isPrivate } = order
    const made = await this.#titled(namespace.id, title, () =>
      this.#collections.create({
        id: newId(),
        namespaceId: namespace.id,
        title,
        description,
        isPrivate,
        theme: 'orange',
        max: MAX_COLLECTIONS,
      }),
    )
    if (!made)
      throw new HubError('too_large', `${namespace.name} has ${MAX_COLLECTIONS} collections.`)
    await this.#record('collection.create', made, actor)
    return made
  }

  /** Throws `not_found`, `forbidden`, `conflict` (the title is taken). */
  async update(slug: string, change: CollectionChange, actor: Actor): Promise<Collection> {
    const before = await this.#open(slug, actor.caller)
    const set = Object.fromEntries(Object.entries(change).filter(([, it]) => it !== undefined))
    await this.#titled(before.namespaceId, change.title ?? before.title, () =>
      this.#collections.update(before.id, set),
    )
    await this.#record('collection.update', before, actor)
    return this.#again(before)
  }

  async delete(slug: string, actor: Actor): Promise<void> {
    const found = await this.#open(slug, actor.caller)
    await this.#collections.delete(found.id)
    await this.#record('collection.delete', found, actor)
  }

  /** Throws `conflict` when it is in there, and what reading the item throws when it is not there for the caller. */
  async addItem(
    slug: string,
    item: { type: CollectionItemType; id: string; note: string | null },
    actor: Actor,
  ): Promise<Collection> {
    const found = await this.#open(slug, actor.caller)
    const target = await this.#target(actor.caller, item.type, item.id)
    if (target.type === 'collection' && target.collectionId === found.id)
      throw new HubError('invalid_input', 'A collection cannot hold itself.')
    const order = { id: newId(), target, note: item.note, max: MAX_ITEMS }
    const added = await this.#collections.addItem(found.id, order)
    if (added === 'taken')
      throw new HubError('conflict', 'This item is in the collection already.', {
        slug: slugOf(found),
      })
    if (added === 'full')
      throw new HubError('too_large', `A collection holds at most ${MAX_ITEMS} items.`)
    await this.#record('collection.update', found, actor)
    return this.#again(found)
  }

  /** `position` counts what the caller sees, from 0; beyond the end is the end. Throws `not_found`. */
  async updateItem(
    slug: string,
    itemId: string,
    change: { note?: string | null | undefined; position?: number | undefined },
    actor: Actor,
  ): Promise<void> {
    const found = await this.#open(slug, actor.caller)
    const others = await this.#others(actor.caller, found, itemId)
    const { note, position } = change
    const done = await this.#collections.updateItem(found.id, itemId, {
      ...(note === undefined ? {} : { note }),
      ...(position === undefined ? {} : { before: others[position]?.id ?? null }),
    })
    if (!done) throw noItem()
    await this.#record('collection.update', found, actor)
  }

  async deleteItem(slug: string, itemId: string, actor: Actor): Promise<void> {
    const found = await this.#open(slug, actor.caller)
    await this.#others(actor.caller, found, itemId)
    if (!(await this.#collections.deleteItem(found.id, itemId))) throw noItem()
    await this.#record('collection.update', found, actor)
  }

  async setUpvote(slug: string, caller: Caller, upvoted: boolean): Promise<Collection> {
    const found = await this.read(caller, slug)
    const user = requireActiveUser(caller)
    await this.#collections.setUpvote(found.id, user.id, upvoted)
    return this.#again(found)
  }

  /**
   * What `models/ns/name`, `papers/id`, `collections/slug` mean; undefined when there is no such thing for the caller,
   * so that what holds it cannot be found by guessing names.
   */
  async findTarget(caller: Caller, text: string): Promise<CollectionTarget | undefined> {
    const [, plural = '', id = ''] =
      /^(model|dataset|space|paper|collection)s?\/(.+)$/s.exec(text) ?? []
    if (!plural) throw new HubError('invalid_input', '"item" is spelled as in models/ns/name.')
    try {
      return await this.#target(caller, plural as CollectionItemType, id)
    } catch (err) {
      if (err instanceof HubError && err.code !== 'internal') return undefined
      throw err
    }
  }

  async #target(caller: Caller, type: CollectionItemType, id: string): Promise<CollectionTarget> {
    if (type === 'paper') return { type, paperId: (await this.#papers.read(caller, id)).id }
    if (type === 'collection') return { type, collectionId: (await this.read(caller, id)).id }
    return { type, repoId: await this.#repoId(caller, type, id) }
  }

  async #repoId(caller: Caller, kind: RepoKind, id: string): Promise<string> {
    // the client's own example spells a dataset with its prefix
    const [, namespace, name] =
      /^(?:(?:models|datasets|spaces)\/)?([\w.-]+)\/([\w.-]+)$/.exec(id) ?? []
    if (!namespace || !name)
      throw new HubError('invalid_input', 'The id of a repository is spelled namespace/name.')
    return (await this.#access.open(caller, { kind, namespace, name }, 'read')).repo.id
  }

  /** For who may write in its namespace. */
  async #open(slug: string, caller: Caller): Promise<Collection> {
    const found = await this.read(caller, slug)
    this.#access.requireNamespace(caller, await this.#namespaceOf(found), 'write')
    return found
  }

  async #maySee(caller: Caller, it: Collection): Promise<boolean> {
    if (!it.isPrivate) return true
    return this.#access.namespaceRight(caller, await this.#namespaceOf(it)) !== undefined
  }

  async #namespaceOf(it: Collection): Promise<Namespace> {
    const namespace = await this.#accounts.findNamespaceById(it.namespaceId)
    if (!namespace) throw new HubError('not_found', 'Collection not found')
    return namespace
  }

  /** The items that the caller sees besides this one, which must be among them. */
  async #others(caller: Caller, it: Collection, itemId: string): Promise<CollectionItem[]> {
    const items = await this.items(caller, it)
    if (!items.some((item) => item.id === itemId)) throw noItem()
    return items.filter((item) => item.id !== itemId)
  }

  async #again(it: Collection): Promise<Collection> {
    const after = await this.#collections.find(it.id)
    if (!after) throw new HubError('not_found', 'Collection not found')
    return after
  }

  async #titled<T>(namespaceId: number, title: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (err) {
      if (!(err instanceof HubError) || err.code !== 'conflict') throw err
      const other = await this.#collections.findByTitle(namespaceId, title)
      throw new HubError('conflict', `There is a collection "${title}" already.`, {
        ...(other ? { slug: slugOf(other) } : {}),
      })
    }
  }

  async #record(
    type: 'collection.create' | 'collection.update' | 'collection.delete',
    it: Collection,
    actor: Actor,
  ): Promise<void> {
    await this.#events.add(makeEvent(type, actor, undefined, { collection: slugOf(it) }))
  }
}

function noItem(): HubError {
  return new HubError('not_found', 'There is no such item in this collection.')
}
