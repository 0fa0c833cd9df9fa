import type { RepoCard } from '../cards/card.js'
import { text } from '../cards/tags.js'
import { HubError } from '../errors.js'
import type { GateAnswers } from './ports.js'

const MAX_FIELDS = 50
const MAX_NAME = 300
const MAX_ANSWER = 5_000
const TYPES = ['text', 'checkbox', 'date_picker', 'country', 'select'] as const

/** A question that the model card asks of those who want access (`extra_gated_fields`, hub docs "Gated models"). */
export interface GateField {
  readonly name: string
  readonly type: (typeof TYPES)[number]
  /** Of a select: the values that may be answered, with what is shown for each. */
  readonly options?: readonly { readonly value: string; readonly label: string }[]
}

export interface GateForm {
  readonly heading: string | undefined
  readonly description: string | undefined
  readonly prompt: string | undefined
  readonly button: string | undefined
  readonly fields: readonly GateField[]
}

/** `ip_location` is left out: this hub looks nobody's address up. Types that nobody knows are answered by text. */
export function gateFormOf(data: RepoCard['cardData']): GateForm {
  const declared = data?.extra_gated_fields
  const entries = declared && typeof declared === 'object' ? Object.entries(declared) : []
  const fields = entries
    .filter(([name]) => name !== '' && name.length <= MAX_NAME)
    .flatMap(([name, declaration]) => fieldOf(name, declaration) ?? [])
  return {
    heading: text(data?.extra_gated_heading),
    description: text(data?.extra_gated_description),
    prompt: text(data?.extra_gated_prompt),
    button: text(data?.extra_gated_button_content),
    fields: fields.slice(0, MAX_FIELDS),
  }
}

function fieldOf(name: string, declaration: unknown): GateField | undefined {
  const { type, options } =
    declaration && typeof declaration === 'object'
      ? (declaration as { type?: unknown; options?: unknown })
      : { type: declaration, options: undefined }
  if (type === 'ip_location') return undefined
  const choices = Array.isArray(options) ? options.flatMap(optionOf) : []
  if (type === 'select' && choices.length > 0) return { name, type, options: choices }
  const known = TYPES.find((it) => it === type && it !== 'select')
  return { name, type: known ?? 'text' }
}

function optionOf(option: unknown): { value: string; label: string }[] {
  if (typeof option === 'string' || typeof option === 'number')
    return [{ value: String(option), label: String(option) }]
  const { value, label } = (option ?? {}) as { value?: unknown; label?: unknown }
  if (typeof value !== 'string') return []
  return [{ value, label: typeof label === 'string' ? label : value }]
}

/**
 * The answers to a form's questions, each of which must be answered (a box must be ticked: it stands for consent).
 * Throws `invalid_input` that names the first one that is not. What the form does not ask is dropped.
 */
export function readAnswers(form: GateForm, given: ReadonlyMap<string, unknown>): GateAnswers {
  return Object.fromEntries(form.fields.map((it) => [it.name, answerTo(it, given.get(it.name))]))
}

function answerTo(field: GateField, given: unknown): string | boolean {
  const wrong = (why: string) => new HubError('invalid_input', `"${field.name}" ${why}.`)
  if (field.type === 'checkbox') {
    const said = typeof given === 'string' || typeof given === 'number' ? String(given) : ''
    if (given === true || ['true', 'on', '1', 'yes'].includes(said.toLowerCase())) return true
    throw wrong('must be agreed to')
  }
  const answer = typeof given === 'string' || typeof given === 'number' ? String(given).trim() : ''
  if (answer === '') throw wrong('must be answered')
  if (answer.length > MAX_ANSWER) throw wrong(`takes at most ${MAX_ANSWER} characters`)
  if (field.type === 'select' && !field.options?.some((it) => it.value === answer))
    throw wrong(`must be one of ${field.options?.map((it) => it.value).join(', ')}`)
  if (field.type === 'date_picker' && !isDate(answer)) throw wrong('must be a date, YYYY-MM-DD')
  return answer
}

function isDate(answer: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(answer) && !Number.isNaN(Date.parse(answer))
}
