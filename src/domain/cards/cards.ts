import { LRUCache } from 'lru-cache'
import type { Contents } from '../content/contents.js'
import type { ByteRange } from '../ports.js'
import type { GitOid, Repo, RepoFile } from '../types.js'
import { arxivIdsIn } from './arxiv.js'
import { EMPTY_CARD, type RepoCard } from './card.js'
import { formatsOf } from './formats.js'
import { readFrontMatter } from './front-matter.js'
import type { CardStore } from './ports.js'
import { countParameters, shardsOf } from './safetensors.js'

const MAX_README_BYTES = 1024 * 1024
const CONFIG_KEYS = [
  'architectures',
  'model_type',
  'auto_map',
  'quantization_config',
  'task_specific_params',
]
const TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'pad_token',
  'sep_token',
  'cls_token',
  'mask_token',
]
const CONFIG_FILES = ['config.json', 'tokenizer_config.json']
const INDEX = 'model.safetensors.index.json'
const MAX_CONFIG_VALUE = 16 * 1024
const KEPT_CARD_BYTES = 16 * 1024 * 1024

/** How a commit differs from the one whose card is kept; `from` null = everything is new. */
export interface CardChange {
  readonly from: GitOid | null
  readonly to: GitOid
  readonly upserted: readonly RepoFile[]
  readonly removed: readonly string[]
}

/** Reads a repository's card off its files; only what a change touched is read again. */
export class Cards {
  readonly #contents: Contents
  readonly #store: CardStore
  readonly #kept = new LRUCache<string, RepoCard>({
    maxSize: KEPT_CARD_BYTES,
    // as objects they take about twice their text
    sizeCalculation: (it) => 500 + 2 * JSON.stringify(it).length,
  })

  constructor(parts: { contents: Contents; cards: CardStore }) {
    this.#contents = parts.contents
    this.#store = parts.cards
  }

  /** The card of any commit: the stored one for the tip of the default branch. */
  async at(repo: Repo, commit: GitOid): Promise<RepoCard> {
    if (commit === repo.headOid) {
      const stored = await this.#store.findAt(repo.id, commit)
      if (stored) return stored
    }
    const key = `${repo.id} ${commit}`
    const kept = this.#kept.get(key)
    if (kept) return kept
    const formats: Record<string, number> = {}
    for await (const page of this.#contents.files(repo, commit))
      for (const file of page) count(formats, file.path, 1)
    const card = await this.#read(repo, commit, { ...EMPTY_CARD, formats }, () => true)
    this.#kept.set(key, card)
    return card
  }

  /** The card after a change of the default branch. */
  async derive(repo: Repo, change: CardChange): Promise<RepoCard> {
    const { from, to } = change
    const before = from === null ? EMPTY_CARD : await this.#store.findAt(repo.id, from)
    if (!before) return this.at({ ...repo, headOid: null }, to)
    const formats = { ...before.formats }
    const touched = [...change.upserted.map((it) => it.path), ...change.removed]
    const telling = touched.filter((path) => formatsOf(path).length > 0)
    const existed = from === null ? [] : await this.#contents.findMany(repo, from, telling)
    for (const it of existed) if (it.type === 'file') count(formats, it.path, -1)
    for (const it of change.upserted) count(formats, it.path, 1)
    for (const [format, n] of Object.entries(formats)) if (n <= 0) delete formats[format]
    const changed = new Set(touched)
    return this.#read(repo, to, { ...before, formats }, (path) => changed.has(path), touched)
  }

  async #read(
    repo: Repo,
    commit: GitOid,
    before: RepoCard,
    isChanged: (path: string) => boolean,
    touched?: readonly string[],
  ): Promise<RepoCard> {
    const isWeights = (path: string) => path === INDEX || /^[^/]+\.safetensors$/.test(path)
    return {
      formats: before.formats,
      ...(isChanged('README.md') ? await this.#readme(repo, commit) : readmeOf(before)),
      config: CONFIG_FILES.some(isChanged) ? await this.#config(repo, commit) : before.config,
      safetensors:
        touched === undefined || touched.some(isWeights)
          ? await this.#safetensors(repo, commit)
          : before.safetensors,
    }
  }

  async #readme(repo: Repo, commit: GitOid): Promise<Pick<RepoCard, 'cardData' | 'papers'>> {
    const text = (await this.#text(repo, commit, 'README.md')) ?? ''
    return { cardData: readFrontMatter(text) ?? null, papers: arxivIdsIn(text) }
  }

  async #config(repo: Repo, commit: GitOid): Promise<RepoCard['config']> {
    const config = await this.#json(repo, commit, 'config.json')
    const tokenizer = await this.#json(repo, commit, 'tokenizer_config.json')
    if (!config && !tokenizer) return null
    return {
      ...pick(config, CONFIG_KEYS),
      ...(tokenizer ? { tokenizer_config: pick(tokenizer, TOKENS) } : {}),
    }
  }

  async #safetensors(repo: Repo, commit: GitOid): Promise<RepoCard['safetensors']> {
    const candidates: RepoFile[] = []
    for (let after: string | undefined; ; ) {
      const options = { recursive: false, after, limit: 5_000 }
      const page = await this.#contents.page(repo, commit, '', options)
      for (const it of page.entries)
        if (it.type === 'file' && it.path.endsWith('.safetensors')) candidates.push(it)
      after = page.next
      if (after === undefined) break
    }
    if (candidates.length === 0) return null
    const shards = shardsOf(candidates, await this.#json(repo, commit, INDEX))
    const read = (file: RepoFile, range: ByteRange) => this.#bytes(repo, file, range)
    return (await countParameters(shards, read)) ?? null
  }

  async #json(repo: Repo, commit: GitOid, path: string): Promise<unknown> {
    const text = await this.#text(repo, commit, path)
    try {
      return text === undefined ? undefined : (JSON.parse(text) as unknown)
    } catch {
      return undefined
    }
  }

  async #text(repo: Repo, commit: GitOid, path: string): Promise<string | undefined> {
    const file = await this.#contents.find(repo, commit, path)
    if (file?.type !== 'file' || file.size === 0 || file.size > maxBytes(path)) return undefined
    const bytes = await this.#bytes(repo, file, { first: 0, last: file.size - 1 }).catch(
      () => undefined,
    )
    return bytes?.toString('utf8')
  }

  async #bytes(repo: Repo, file: RepoFile, range: ByteRange): Promise<Buffer> {
    const signal = AbortSignal.timeout(10_000)
    const stream = await this.#contents.open(repo, file, range, signal)
    if (Buffer.isBuffer(stream)) return stream
    const chunks: Buffer[] = []
    signal.addEventListener('abort', () => stream.destroy(new Error('reading took too long')))
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
}

function readmeOf({ cardData, papers }: RepoCard): Pick<RepoCard, 'cardData' | 'papers'> {
  return { cardData, papers }
}

/** An index of many shards is long; the others are not. */
function maxBytes(path: string): number {
  return path === INDEX ? 16 * MAX_README_BYTES : MAX_README_BYTES
}

function count(formats: Record<string, number>, path: string, by: number): void {
  for (const format of formatsOf(path)) formats[format] = (formats[format] ?? 0) + by
}

/** These keys of a JSON object, without values of unusual size. */
function pick(value: unknown, keys: readonly string[]): Record<string, unknown> {
  if (value === null || typeof value !== 'object') return {}
  const picked: Record<string, unknown> = {}
  for (const key of keys) {
    const it = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
    if (it !== undefined && it !== null && JSON.stringify(it).length <= MAX_CONFIG_VALUE)
      picked[key] = it
  }
  return picked
}
