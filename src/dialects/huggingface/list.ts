import type { Request, Response } from 'express'
import { z } from 'zod'
import type { ListedRepo, RepoSearch, RepoSort } from '../../domain/cards/ports.js'
import { factsOf } from '../../domain/cards/tags.js'
import { HubError } from '../../domain/errors.js'
import type { RepoKind } from '../../domain/types.js'
import { check } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { streamJson } from '../../http/send-json.js'
import { readExpand } from './expand.js'
import { fieldsOf, only } from './fields.js'
import { withSiblings } from './info.js'
import {
  boolParam,
  decodeCursor,
  encodeCursor,
  intParam,
  linkNext,
  listParam,
  textParam,
  texts,
} from './params.js'
import type { HfParts } from './parts.js'
import { SIBLING_NAMES, SIBLINGS } from './shapes.js'
import { toRuntime } from './space-shapes.js'

/** KohakuHub's default; the pages behind the first are longer, for those who walk through everything. */
const DEFAULT_LIMIT = 50
const NEXT_LIMIT = 1_000
const MAX_LIMIT = 100_000
/** Repositories read from the database at once. */
const CHUNK = 500

/** Hugging Face's names and KohakuHub's (recent, updated, trending). */
const SORTS: Readonly<Record<string, RepoSort>> = {
  createdAt: 'createdAt',
  created_at: 'createdAt',
  recent: 'createdAt',
  lastModified: 'lastModified',
  last_modified: 'lastModified',
  updated: 'lastModified',
  downloads: 'downloads',
  likes: 'likes',
  likes30d: 'likes30d',
  trendingScore: 'trendingScore',
  trending_score: 'trendingScore',
  trending: 'trendingScore',
  mainSize: 'mainSize',
  num_parameters: 'parameters',
  id: 'id',
}

const Cursor = z
  .object({ value: z.union([z.string().max(500), z.number()]), seq: z.int() })
  .optional()

interface Shown {
  readonly expand: ReadonlySet<string> | undefined
  readonly full: boolean
  readonly cardData: boolean
  readonly config: boolean
}

/** GET /api/models, /api/datasets, /api/spaces (huggingface-wire C3.2). */
export async function list(parts: HfParts, kind: RepoKind, req: Request, res: Response) {
  const shown: Shown = {
    expand: readExpand(req, kind),
    full: boolParam(req, 'full') ?? false,
    cardData: boolParam(req, 'cardData') ?? false,
    config: boolParam(req, 'config') ?? boolParam(req, 'fetch_config') ?? false,
  }
  const query = await readQuery(parts, kind, req, shown)
  if (!query) {
    res.json([])
    return
  }
  const asked = intParam(req, 'limit', { min: 1, max: MAX_LIMIT })
  const limit = asked ?? DEFAULT_LIMIT
  const first = await parts.stores.cards.search({ ...query, limit: Math.min(limit, CHUNK) + 1 })
  const end =
    limit <= CHUNK
      ? first.length > limit && first[limit - 1]?.position
      : await parts.stores.cards.boundary(query, limit)
  if (end) {
    const next = { cursor: encodeCursor(end), limit: String(asked ?? NEXT_LIMIT) }
    res.set('Link', linkNext(parts.baseUrl(req), req, next))
  }
  await streamJson(res, array(parts, query, { first, limit, shown }))
}

/** Undefined = nothing can match. Throws `invalid_input`. */
async function readQuery(
  parts: HfParts,
  kind: RepoKind,
  req: Request,
  shown: Shown,
): Promise<RepoSearch | undefined> {
  const order = textParam(req, 'sort') || 'recent'
  const sort = Object.hasOwn(SORTS, order) ? SORTS[order] : undefined
  if (!sort)
    throw new HubError('invalid_input', `"sort" must be among ${Object.keys(SORTS).join(', ')}.`)
  const author = textParam(req, 'author')
  const namespace = author ? await parts.stores.accounts.findNamespace(author) : undefined
  // no model is loaded anywhere by this hub
  if ((author && !namespace) || listParam(req, 'inference').length > 0) return undefined
  if (listParam(req, 'inference_provider').length > 0) return undefined
  return {
    kind,
    namespaceId: namespace?.id,
    search: [...texts(req, 'search'), ...texts(req, 'q')].filter((it) => it.trim() !== ''),
    tags: readTags(kind, req),
    gated: kind === 'space' ? undefined : boolParam(req, 'gated'),
    parameters: readParameters(textParam(req, 'num_parameters')),
    visibleTo: parts.access.visibleTo(callerOf(req)),
    sort,
    order: ['1', 'asc'].includes(textParam(req, 'direction') ?? '') ? 'asc' : 'desc',
    after: check(Cursor, decodeCursor(textParam(req, 'cursor'))),
    limit: CHUNK,
    withCards: shown.expand !== undefined || shown.full || shown.cardData || shown.config,
  }
}

function readTags(kind: RepoKind, req: Request): string[] {
  const tags = listParam(req, 'filter')
  const pipeline = textParam(req, 'pipeline_tag')
  if (kind === 'model' && pipeline) tags.push(`pipeline_tag:${pipeline}`)
  if (kind === 'space') {
    tags.push(...listParam(req, 'models').map((it) => `model:${it}`))
    tags.push(...listParam(req, 'datasets').map((it) => `dataset:${it}`))
    if (boolParam(req, 'linked')) tags.push('linked:true')
  }
  return [...new Set(tags)]
}

/** `min:6B,max:128B`, either part optional. */
function readParameters(text: string | undefined): RepoSearch['parameters'] {
  if (!text) return undefined
  const unit = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 } as const
  const bound = (name: string) => {
    const [, number, suffix] =
      new RegExp(`(?:^|,)${name}:(\\d{1,6}(?:\\.\\d{1,6})?)([kmbt]?)(?:,|$)`, 'i').exec(text) ?? []
    if (number === undefined) return undefined
    return Number(number) * (unit[suffix?.toLowerCase() as keyof typeof unit] ?? 1)
  }
  return { min: bound('min'), max: bound('max') }
}

async function* array(
  parts: HfParts,
  query: RepoSearch,
  { first, limit, shown }: { first: ListedRepo[]; limit: number; shown: Shown },
): AsyncGenerator<string | Buffer> {
  let separator = '['
  let left = limit
  for (let page = first; page.length > 0 && left > 0; ) {
    const taken = page.slice(0, Math.min(left, CHUNK))
    for (const it of taken) {
      yield separator
      yield* toJson(parts, it, shown)
      separator = ','
    }
    left -= taken.length
    const after = taken.at(-1)?.position
    const more = page.length > taken.length || page.length === CHUNK
    page = left > 0 && more ? await parts.stores.cards.search({ ...query, after }) : []
  }
  yield separator === '[' ? '[]' : ']'
}

const BRIEF = new Set(
  `author createdAt disabled downloads gated lastModified library_name likes pipeline_tag private sdk sha tags
  trendingScore`.split(/\s+/),
)

async function* toJson(
  parts: HfParts,
  it: ListedRepo,
  shown: Shown,
): AsyncGenerator<string | Buffer> {
  const { repo } = it
  const facts = it.card && shown.expand ? factsOf(repo.kind, it.card) : undefined
  const all = fieldsOf({
    ...it,
    maskToken: facts?.maskToken,
    transformersInfo: facts?.transformersInfo,
    sha: repo.headOid,
  })
  const keys = shown.expand ?? wanted(shown)
  if (repo.kind === 'space' && keys.has('runtime'))
    all.runtime = toRuntime(await parts.spaces.runtime(repo), 'read')
  const fields = only(all, keys)
  const shape = shown.expand ? SIBLINGS : SIBLING_NAMES
  yield* withSiblings(
    fields,
    keys.has('siblings') && repo.headOid !== null
      ? parts.contents.encodedFiles(repo, repo.headOid, shape)
      : undefined,
  )
}

function wanted({ full, cardData, config }: Shown): ReadonlySet<string> {
  return new Set([
    ...BRIEF,
    ...(full ? ['siblings', 'description', 'citation', 'subdomain', 'models', 'datasets'] : []),
    ...(cardData ? ['cardData'] : []),
    ...(config ? ['config'] : []),
  ])
}
