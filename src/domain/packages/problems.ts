import { HubError } from '../errors.js'

/** What is wrong with an order, all of it at once, in the words that Rails has for it and ABF's callers know. */
export class Problems {
  readonly #list: string[] = []

  add(problem: string): void {
    this.#list.push(problem)
  }

  /** A text that must be there, short enough and of a shape; undefined is not looked at. */
  text(
    field: string,
    value: string | null | undefined,
    rule: { max: number; pattern?: RegExp; required?: boolean },
  ): void {
    if (value === undefined) return
    if (value === null || value.trim() === '') {
      if (rule.required ?? true) this.add(`${field} can't be blank`)
      return
    }
    if ([...value].length > rule.max)
      this.add(`${field} is too long (maximum is ${rule.max} characters)`)
    if (rule.pattern && !rule.pattern.test(value)) this.add(`${field} is invalid`)
  }

  /** Throws `unprocessable` with all of it. */
  throwIfAny(): void {
    if (this.#list.length > 0) throw new HubError('unprocessable', this.#list.join('. '))
  }
}
