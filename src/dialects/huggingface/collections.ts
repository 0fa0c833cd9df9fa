import type { Request, Response, Router } from 'express'
import { z } from 'zod'
import { requireUser } from '../../domain/access/access.js'
import {
  COLLECTION_THEMES,
  type Collection,
  type CollectionSort,
  type CollectionTarget,
} from '../../domain/collections/ports.js'
import { slugOf } from '../../domain/collections/slug.js'
import { HubError } from '../../domain/errors.js'
import type { Caller } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { toCollectionJson } from './collection-shapes.js'
import { decodeCursor, encodeCursor, intParam, linkNext, textParam, texts } from './params.js'
import type { HfParts } from './parts.js'

const MAX_BODY = 1024 * 1024
const MAX_PAGE = 100
/** A list shows the beginning of each collection. */
const LISTED_ITEMS = 4
const MAX_POSITION = 1_000_000
const SORTS: readonly CollectionSort[] = ['lastModified', 'trending', 'upvotes']

const Title = z.string().trim().min(1).max(200)
const Description = z.string().max(1_000).nullish()
const Position = z.int().min(0).max(MAX_POSITION)
const Note = z.string().max(500).nullish()

const CreateBody = z.object({
  title: Title,
  namespace: z.string().max(100).nullish(),
  private: z.boolean().nullish(),
  description: Description,
})
const UpdateBody = z.object({
  title: Title.nullish(),
  description: Description,
  private: z.boolean().nullish(),
  theme: z.enum(COLLECTION_THEMES).nullish(),
  position: Position.nullish(),
})
const AddBody = z.object({
  item: z.object({
    type: z.enum(['model', 'dataset', 'space', 'paper', 'collection']),
    id: z.string().min(1).max(300),
  }),
  note: Note,
})
const ItemBody = z.object({ position: Position.nullish(), note: Note })
const Cursor = z.object({
  value: z.union([z.string().max(100), z.number()]),
  id: z.string().max(40),
})

interface Asked {
  readonly req: Request
  readonly res: Response
  readonly parts: HfParts
  readonly caller: Caller
  readonly slug: string
}

/** Collections (huggingface-wire B8), and their upvotes as the site has them. */
export function collectionRoutes(router: Router, parts: HfParts): void {
  const on =
    (handle: (it: Asked) => Promise<void>) =>
    async (req: Request, res: Response): Promise<void> => {
      const { namespace, slug } = req.params
      const it = { req, res, parts, caller: callerOf(req), slug: `${namespace}/${slug}` }
      await handle(it)
    }
  const path = '/api/collections'
  const one = `${path}/:namespace/:slug`
  router.get(path, on(list))
  router.post(path, on(create))
  router.get(one, on(show))
  router.patch(one, on(update))
  router.delete(one, on(remove))
  router.post(`${one}/items`, on(addItem))
  router.patch(`${one}/items/:item`, on(updateItem))
  router.delete(`${one}/items/:item`, on(removeItem))
  router.post(
    `${one}/upvote`,
    on((it) => upvote(it, true)),
  )
  router.delete(
    `${one}/upvote`,
    on((it) => upvote(it, false)),
  )
}

async function list(it: Asked): Promise<void> {
  const { req, res, parts, caller } = it
  const limit = intParam(req, 'limit', { min: 1, max: MAX_PAGE }) ?? MAX_PAGE
  const sort = textParam(req, 'sort') || 'trending'
  if (!SORTS.includes(sort as CollectionSort))
    throw new HubError('invalid_input', `"sort" must be among ${SORTS.join(', ')}.`)
  const cursor = decodeCursor(textParam(req, 'cursor'))
  const after = cursor === undefined ? undefined : check(Cursor, cursor)
  const holding = await targetsOf(it)
  const rows = holding
    ? await parts.stores.collections.list({
        viewer: parts.access.visibleTo(caller),
        namespaceIds: await ownersOf(it),
        holding,
        text: textParam(req, 'q')?.trim() || undefined,
        sort: sort as CollectionSort,
        after,
        limit: limit + 1,
      })
    : []
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  if (rows.length > limit && last) {
    const next = encodeCursor({ value: last.value, id: last.collection.id })
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: next }))
  }
  const collections = shown.map((row) => row.collection)
  const upvoted = await upvotedAmong(it, collections)
  const viewer = parts.access.visibleTo(caller)
  const answer = []
  for (const collection of collections) {
    const items = await parts.stores.collections.listItems(collection.id, viewer, LISTED_ITEMS)
    const isUpvoted = upvoted.has(collection.id)
    // clients put a position of their own into what they list: there must be none (huggingface-wire 0.1 rule 7)
    const { position: _, ...json } = toCollectionJson(collection, items, isUpvoted, baseOf(it))
    answer.push(json)
  }
  res.json(answer)
}

/** Undefined when an owner was named and there is none such. */
async function ownersOf({ req, parts }: Asked): Promise<number[] | undefined> {
  const names = texts(req, 'owner')
  if (names.length === 0) return undefined
  const found = await Promise.all(names.map((it) => parts.stores.accounts.findNamespace(it)))
  return found.flatMap((it) => it?.id ?? [])
}

/** Undefined when nothing can hold one of them. */
async function targetsOf({ req, parts, caller }: Asked): Promise<CollectionTarget[] | undefined> {
  const found = await Promise.all(
    texts(req, 'item').map((it) => parts.collections.findTarget(caller, it)),
  )
  return found.every((it) => it !== undefined) ? found : undefined
}

async function upvotedAmong({ parts, caller }: Asked, collections: readonly Collection[]) {
  const ids = collections.map((it) => it.id)
  return caller.user ? parts.stores.collections.listUpvoted(caller.user.id, ids) : new Set<string>()
}

async function answerWhole(it: Asked, collection: Collection) {
  const items = await it.parts.collections.items(it.caller, collection)
  const upvoted = await upvotedAmong(it, [collection])
  return toCollectionJson(collection, items, upvoted.has(collection.id), baseOf(it))
}

async function create(it: Asked): Promise<void> {
  const { req, res, parts, caller } = it
  if (!caller.isSiteAdmin) requireUser(caller)
  const body = check(CreateBody, await readJson(req, MAX_BODY))
  const made = await parts.collections.create(
    {
      namespace: body.namespace || requireUser(caller).name,
      title: body.title,
      description: body.description || null,
      isPrivate: body.private ?? false,
    },
    actorOf(it),
  )
  res.json(await answerWhole(it, made))
}

async function show(it: Asked): Promise<void> {
  it.res.json(await answerWhole(it, await it.parts.collections.read(it.caller, it.slug)))
}

async function update(it: Asked): Promise<void> {
  const body = check(UpdateBody, await readJson(it.req, MAX_BODY))
  const change = {
    title: body.title ?? undefined,
    description: body.description === '' ? null : body.description,
    isPrivate: body.private ?? undefined,
    theme: body.theme ?? undefined,
    position: body.position ?? undefined,
  }
  const after = await it.parts.collections.update(it.slug, change, actorOf(it))
  it.res.json({ success: true, data: await answerWhole(it, after) })
}

async function remove(it: Asked): Promise<void> {
  await it.parts.collections.delete(it.slug, actorOf(it))
  it.res.json({ success: true })
}

async function addItem(it: Asked): Promise<void> {
  const { item, note } = check(AddBody, await readJson(it.req, MAX_BODY))
  const order = { ...item, note: note || null }
  const after = await it.parts.collections.addItem(it.slug, order, actorOf(it))
  it.res.json(await answerWhole(it, after))
}

async function updateItem(it: Asked): Promise<void> {
  const body = check(ItemBody, await readJson(it.req, MAX_BODY))
  const change = {
    note: body.note === '' ? null : body.note,
    position: body.position ?? undefined,
  }
  await it.parts.collections.updateItem(it.slug, itemOf(it), change, actorOf(it))
  it.res.json({ success: true })
}

async function removeItem(it: Asked): Promise<void> {
  await it.parts.collections.deleteItem(it.slug, itemOf(it), actorOf(it))
  it.res.json({ success: true })
}

async function upvote(it: Asked, upvoted: boolean): Promise<void> {
  const { upvotes } = await it.parts.collections.setUpvote(it.slug, it.caller, upvoted)
  it.res.json({
    success: true,
    upvotes,
    slug: slugOf(await it.parts.collections.read(it.caller, it.slug)),
  })
}

function itemOf({ req }: Asked): string {
  const { item } = req.params
  return typeof item === 'string' ? item : ''
}

function actorOf({ caller }: Asked) {
  return { caller, dialect: 'huggingface' }
}

function baseOf({ req, parts }: Asked): string {
  return parts.baseUrl(req)
}
