import { type Document, isScalar, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { isDeep } from './front-matter.js'

/*
 * A card is a README.md that begins with YAML between two lines of three dashes. Only the keys that the Hub gives a
 * meaning are checked; any other key may be there.
 */
const MAX_CHARS = 256 * 1024

const text = z.string()
const texts = z.union([text, z.array(text)])
const COMMON = {
  license: texts.nullish(),
  license_name: text.nullish(),
  license_link: text.nullish(),
  language: z.union([texts, z.array(z.union([text, z.boolean()])), z.boolean()]).nullish(),
  tags: z.array(text).nullish(),
  pretty_name: text.nullish(),
}
const CARDS = {
  model: z.looseObject({
    ...COMMON,
    library_name: text.nullish(),
    pipeline_tag: text.nullish(),
    datasets: texts.nullish(),
    metrics: texts.nullish(),
    base_model: texts.nullish(),
    base_model_relation: text.nullish(),
    'model-index': z
      .array(z.looseObject({ name: text, results: z.array(z.looseObject({})).nullish() }))
      .nullish(),
  }),
  dataset: z.looseObject({
    ...COMMON,
    task_categories: texts.nullish(),
    task_ids: texts.nullish(),
    size_categories: texts.nullish(),
    annotations_creators: texts.nullish(),
    language_creators: texts.nullish(),
    multilinguality: texts.nullish(),
    source_datasets: texts.nullish(),
    configs: z.array(z.looseObject({ config_name: text })).nullish(),
  }),
  space: z.looseObject({
    ...COMMON,
    title: text.nullish(),
    emoji: text.nullish(),
    colorFrom: text.nullish(),
    colorTo: text.nullish(),
    sdk: z.enum(['gradio', 'streamlit', 'docker', 'static']).nullish(),
    sdk_version: z.union([text, z.number()]).nullish(),
    app_file: text.nullish(),
    app_port: z.number().int().min(1).max(65_535).nullish(),
    pinned: z.boolean().nullish(),
    models: texts.nullish(),
    datasets: texts.nullish(),
  }),
}

export interface CardFindings {
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

/** A card without front matter is valid. */
export function checkCardYaml(content: string, kind: keyof typeof CARDS): CardFindings {
  // sticky: looked for at the beginning, and not anew on each line that could be one
  const yaml = /\ufeff?---[ \t]*\r?\n([\s\S]*?)^---[ \t]*\r?$/my.exec(content)
  if (!yaml) {
    const missing = content.trim() === '' || !/^\ufeff?---\s/.test(content)
    return missing
      ? { errors: [], warnings: ['empty or missing yaml metadata in repo card'] }
      : { errors: ['The YAML metadata is not closed by a line of three dashes.'], warnings: [] }
  }
  const source = yaml[1] ?? ''
  if (source.length > MAX_CHARS || isDeep(source))
    return { errors: ['The YAML metadata is too long or nested too deep.'], warnings: [] }
  // the parser's own look for repeated keys compares each with all before it
  const document = parseDocument(source, {
    logLevel: 'silent',
    stringKeys: true,
    uniqueKeys: false,
  })
  const syntax = document.errors.map((it) => it.message.split('\n')[0] ?? 'invalid YAML')
  syntax.push(...repeatedKeys(document))
  if (syntax.length) return { errors: syntax, warnings: [] }
  const warnings = document.warnings.map((it) => it.message.split('\n')[0] ?? '')
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (err) {
    return { errors: [(err as Error).message], warnings }
  }
  if (value === null || value === undefined) return { errors: [], warnings }
  const parsed = CARDS[kind].safeParse(value)
  const errors = parsed.success
    ? []
    : parsed.error.issues.map((it) =>
        it.path.length ? `"${it.path.join('.')}": ${it.message}` : it.message,
      )
  return { errors, warnings }
}

/** The first few that stand twice in one mapping. */
function repeatedKeys(document: Document): string[] {
  const repeated: string[] = []
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key
        if (seen.has(name))
          repeated.push(`Map keys must be unique: "${String(name).slice(0, 100)}"`)
        if (repeated.length === 10) return visit.BREAK
        seen.add(name)
      }
    },
  })
  return repeated
}
