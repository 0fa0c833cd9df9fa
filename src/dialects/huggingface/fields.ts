import type { RepoCard } from '../../domain/cards/card.js'
import { text, texts } from '../../domain/cards/tags.js'
import type { Repo } from '../../domain/types.js'
import { gatedOf, hexId, idOf, lastModifiedOf } from './shapes.js'

/** What every answer about a repository is made of, list or info. */
export interface Described {
  readonly repo: Repo
  readonly tags: readonly string[]
  readonly pipelineTag: string | undefined
  readonly libraryName: string | undefined
  readonly maskToken?: string | undefined
  readonly transformersInfo?: Readonly<Record<string, string>> | undefined
  readonly card?: RepoCard | undefined
  readonly sha: string | null
  readonly lastModified?: string
  /** Of a Space, where it is wanted. */
  readonly runtime?: unknown
}

/** Fields by name (huggingface-wire C3.3); undefined ones are left out of the JSON. `siblings` is not among them. */
export function fieldsOf(it: Described): Record<string, unknown> {
  const { repo, card } = it
  const data = card?.cardData ?? undefined
  return {
    _id: hexId(repo),
    id: idOf(repo),
    ...(repo.kind === 'model' ? { modelId: idOf(repo) } : {}),
    author: repo.namespace,
    sha: it.sha ?? undefined,
    lastModified: it.lastModified ?? lastModifiedOf(repo),
    createdAt: repo.createdAt,
    private: repo.visibility !== 'public',
    disabled: repo.disabled,
    gated: gatedOf(repo.gate),
    downloads: repo.downloads,
    downloadsAllTime: repo.downloads,
    likes: repo.likes,
    trendingScore: repo.trendingScore,
    usedStorage: repo.gitBytes + repo.lfsBytes,
    tags: it.tags,
    xetEnabled: true,
    cardData: data,
    ...(repo.kind === 'model' ? modelFields(it) : {}),
    ...(repo.kind === 'dataset' ? datasetFields(repo, data) : {}),
    ...(repo.kind === 'space' ? spaceFields(it, data) : {}),
  }
}

function modelFields({ pipelineTag, libraryName, maskToken, transformersInfo, card }: Described) {
  const data = card?.cardData ?? {}
  return {
    // null, not absent: KohakuHub's own clients read both
    pipeline_tag: pipelineTag ?? null,
    library_name: libraryName ?? null,
    mask_token: maskToken,
    config: card?.config ?? undefined,
    safetensors: card?.safetensors ?? undefined,
    transformersInfo,
    'model-index': Array.isArray(data['model-index']) ? data['model-index'] : undefined,
    widgetData: Array.isArray(data.widget) ? data.widget : undefined,
    spaces: [],
  }
}

function datasetFields(repo: Repo, data: RepoCard['cardData'] | undefined) {
  return {
    description: text(data?.description) ?? (repo.description || undefined),
    citation: text(data?.citation),
    paperswithcode_id: text(data?.paperswithcode_id),
    mainSize: repo.gitBytes + repo.lfsBytes,
  }
}

function spaceFields({ repo, runtime }: Described, data: RepoCard['cardData'] | undefined) {
  return {
    sdk: text(data?.sdk) ?? repo.sdk ?? undefined,
    title: text(data?.title),
    shortDescription: text(data?.short_description),
    subdomain: `${repo.namespace}-${repo.name}`.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
    runtime,
    models: texts(data?.models),
    datasets: texts(data?.datasets),
  }
}

/** These fields, and always the ones by which a client knows what it got. */
export function only(
  fields: Record<string, unknown>,
  keys: ReadonlySet<string>,
): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields))
    if (keys.has(key) || key === '_id' || key === 'id' || key === 'modelId') picked[key] = value
  return picked
}
