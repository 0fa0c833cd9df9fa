/** What is known of a repository from its files at one commit, beside the files themselves. */
export interface RepoCard {
  /** Front matter of README.md; null when there is none that is valid. */
  readonly cardData: Readonly<Record<string, unknown>> | null
  /** From config.json and tokenizer_config.json. */
  readonly config: Readonly<Record<string, unknown>> | null
  readonly safetensors: SafetensorsCount | null
  /** arXiv ids that the text of README.md names. */
  readonly papers: readonly string[]
  /** How many files of each format there are, and which marker files (`=tokenizer.json`) the root has. */
  readonly formats: Readonly<Record<string, number>>
}

/** Parameters by type (`F32`, `BF16`, …), as the headers of safetensors files give them. */
export interface SafetensorsCount {
  readonly parameters: Readonly<Record<string, number>>
  readonly total: number
}

export type TagType =
  | 'library'
  | 'pipeline_tag'
  | 'task_categories'
  | 'language'
  | 'license'
  | 'dataset'
  | 'base_model'
  | 'arxiv'
  | 'format'
  | 'modality'
  | 'size_categories'
  | 'model'
  | 'other'

export interface Tag {
  readonly name: string
  readonly type: TagType
  /** Only for filters: not among the tags that are shown. */
  readonly hidden?: boolean
}

export const EMPTY_CARD: RepoCard = {
  cardData: null,
  config: null,
  safetensors: null,
  papers: [],
  formats: {},
}
