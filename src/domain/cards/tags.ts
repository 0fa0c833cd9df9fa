import type { RepoKind } from '../types.js'
import { arxivIdsOf } from './arxiv.js'
import type { RepoCard, Tag, TagType } from './card.js'

const MAX_TAGS = 500
const MAX_TAG = 200
const MODEL_FORMATS = [
  'tensorboard',
  'pytorch',
  'tf',
  'jax',
  'safetensors',
  'onnx',
  'gguf',
  'openvino',
  'coreml',
  'tflite',
  'rust',
  'keras',
  'joblib',
]
const DATA_FORMATS = ['parquet', 'json', 'csv', 'arrow', 'webdataset']
const MODALITIES = ['image', 'audio', 'video']

/** Auto class and task by the ending of an architecture's name (transformers' own naming). */
const TASKS: readonly (readonly [ending: RegExp, autoModel: string, task: string])[] = [
  [/ForCausalLM$|LMHeadModel$/, 'AutoModelForCausalLM', 'text-generation'],
  [/ForMaskedLM$/, 'AutoModelForMaskedLM', 'fill-mask'],
  [/ForSequenceClassification$/, 'AutoModelForSequenceClassification', 'text-classification'],
  [/ForTokenClassification$/, 'AutoModelForTokenClassification', 'token-classification'],
  [/ForQuestionAnswering$/, 'AutoModelForQuestionAnswering', 'question-answering'],
  [/ForConditionalGeneration$/, 'AutoModelForSeq2SeqLM', 'text2text-generation'],
  [/ForImageClassification$/, 'AutoModelForImageClassification', 'image-classification'],
  [/ForObjectDetection$/, 'AutoModelForObjectDetection', 'object-detection'],
  [/ForCTC$/, 'AutoModelForCTC', 'automatic-speech-recognition'],
  [/ForAudioClassification$/, 'AutoModelForAudioClassification', 'audio-classification'],
  [/Model$/, 'AutoModel', 'feature-extraction'],
]

/** What follows from a card: pure, so that any revision can be described. */
export interface CardFacts {
  readonly tags: readonly Tag[]
  readonly pipelineTag: string | undefined
  readonly libraryName: string | undefined
  readonly maskToken: string | undefined
  readonly transformersInfo: Readonly<Record<string, string>> | undefined
}

export function factsOf(kind: RepoKind, card: RepoCard): CardFacts {
  const libraryName = kind === 'model' ? libraryOf(card) : undefined
  const transformersInfo = libraryName === 'transformers' ? transformersOf(card) : undefined
  const pipelineTag =
    kind === 'model'
      ? (text(card.cardData?.pipeline_tag) ?? transformersInfo?.pipeline_tag)
      : undefined
  const maskToken = maskTokenOf(card)
  const tags = collect(kind, card, libraryName, pipelineTag)
  return { tags, libraryName, pipelineTag, maskToken, transformersInfo }
}

function libraryOf({ cardData, config, formats }: RepoCard): string | undefined {
  const named = text(cardData?.library_name)
  if (named) return named
  if (formats['=modules.json']) return 'sentence-transformers'
  if (formats['=model_index.json']) return 'diffusers'
  if (formats['=adapter_config.json']) return 'peft'
  if (text(config?.model_type) && Array.isArray(config?.architectures)) return 'transformers'
  return undefined
}

/** tokenizer_config.json has a token as text or as an object around it. */
function maskTokenOf({ config }: RepoCard): string | undefined {
  const token = (config?.tokenizer_config as Record<string, unknown> | undefined)?.mask_token
  return text(token) ?? text((token as { content?: unknown } | undefined)?.content)
}

function transformersOf(card: RepoCard): Record<string, string> | undefined {
  const architecture = texts(card.config?.architectures)[0]
  if (!architecture) return undefined
  const [, autoModel = 'AutoModel', task] = TASKS.find(([it]) => it.test(architecture)) ?? []
  const { formats } = card
  const processor =
    formats['=tokenizer.json'] || formats['=tokenizer_config.json']
      ? 'AutoTokenizer'
      : formats['=preprocessor_config.json']
        ? 'AutoProcessor'
        : undefined
  return {
    auto_model: autoModel,
    ...(task ? { pipeline_tag: task } : {}),
    ...(processor ? { processor } : {}),
  }
}

function collect(
  kind: RepoKind,
  card: RepoCard,
  library: string | undefined,
  pipelineTag: string | undefined,
): Tag[] {
  const tags = new Map<string, Tag>()
  const add = (type: TagType, name: string | undefined, hidden = false) => {
    if (!name || name.length > MAX_TAG || tags.size >= MAX_TAGS || tags.has(name)) return
    tags.set(name, hidden ? { name, type, hidden } : { name, type })
  }
  const data = card.cardData ?? {}
  if (kind === 'model') {
    add('library', library)
    for (const it of MODEL_FORMATS) if (card.formats[it]) add('library', it)
    add('other', text(card.config?.model_type))
    add('pipeline_tag', pipelineTag)
    if (pipelineTag) add('pipeline_tag', `pipeline_tag:${pipelineTag}`, true)
  }
  if (kind === 'dataset') addDatasetTags(add, card)
  if (kind === 'space') addSpaceTags(add, data)
  for (const it of texts(data.tags)) add('other', it)
  for (const it of texts(data.language ?? data.languages))
    add('language', kind === 'dataset' ? `language:${it}` : it)
  if (kind === 'model') {
    for (const it of texts(data.datasets)) add('dataset', `dataset:${it}`)
    const relation = text(data.base_model_relation)
    for (const it of texts(data.base_model)) {
      add('base_model', `base_model:${it}`)
      if (relation) add('base_model', `base_model:${relation}:${it}`)
    }
  }
  for (const it of texts(data.license)) add('license', `license:${it.toLowerCase()}`)
  for (const it of [...arxivIdsOf(data.arxiv), ...card.papers]) add('arxiv', `arxiv:${it}`)
  return [...tags.values()]
}

type Add = (type: TagType, name: string | undefined, hidden?: boolean) => void

const DATASET_KEYS = [
  'task_categories',
  'task_ids',
  'size_categories',
  'multilinguality',
  'language_creators',
  'annotations_creators',
  'source_datasets',
  'benchmark',
] as const

function addDatasetTags(add: Add, { cardData, formats }: RepoCard): void {
  for (const key of DATASET_KEYS)
    for (const it of texts(cardData?.[key]))
      add(key === 'task_categories' || key === 'size_categories' ? key : 'other', `${key}:${it}`)
  for (const it of DATA_FORMATS) if (formats[it]) add('format', `format:${it}`)
  for (const it of MODALITIES) if (formats[it]) add('modality', `modality:${it}`)
}

function addSpaceTags(add: Add, data: Readonly<Record<string, unknown>>): void {
  add('other', text(data.sdk))
  const models = texts(data.models)
  const datasets = texts(data.datasets)
  for (const it of models) add('model', `model:${it}`, true)
  for (const it of datasets) add('dataset', `dataset:${it}`, true)
  if (models.length + datasets.length > 0) add('other', 'linked:true', true)
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A card gives one value or a list of them; numbers and booleans (`no` is Norwegian) count as their spelling. */
export function texts(value: unknown): string[] {
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  return list
    .filter((it) => ['string', 'number', 'boolean'].includes(typeof it))
    .map((it) => (it === false ? 'no' : String(it)))
    .filter((it) => it !== '')
}
