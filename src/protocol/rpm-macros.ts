/*
 * RPM macros as far as package names and versions need them (rpm.org, "Macro syntax"):
 *   %name  %{name}  %%  %{?name}  %{!?name}  %{?name:text}  %{!?name:text}  %{with x}  %{without x}  %{mac arg}  %{1}  %*
 * Nothing is run: %(shell), %[expression] and %{lua:…} expand to nothing. An unknown macro stays as written, as in rpm.
 */

interface Macro {
  readonly body: string
  /** Defined with an option list: takes the rest of its line as arguments. */
  readonly takesArguments: boolean
}

/** What one spec may cost, whatever it says. */
const MAX_STEPS = 2_000_000
const MAX_DEPTH = 32

/** Thrown when a spec asks for more work than any real one. */
export class MacroBudgetError extends Error {
  override name = 'MacroBudgetError'
}

export class RpmMacros {
  readonly #macros = new Map<string, Macro>()
  #steps = 0

  constructor() {
    // Mandriva and ROSA: the release without a distribution suffix; -c marks a pre-release
    this.define('mkrel', '%{1}', true)
  }

  define(name: string, body: string, takesArguments = false): void {
    this.#macros.set(name, { body, takesArguments })
  }

  undefine(name: string): void {
    this.#macros.delete(name)
  }

  has(name: string): boolean {
    return this.#macros.has(name)
  }

  expand(text: string, depth = 0): string {
    if (depth > MAX_DEPTH) return text
    let out = ''
    for (let at = 0; at < text.length; ) {
      const percent = text.indexOf('%', at)
      if (percent < 0 || percent === text.length - 1) {
        this.#spend(text.length - at)
        return out + text.slice(at)
      }
      this.#spend(percent - at + 1)
      out += text.slice(at, percent)
      const { value, end } = this.#one(text, percent, depth)
      this.#spend(value.length)
      out += value
      at = end
    }
    return out
  }

  /** The macro call that starts at `at`, where a `%` is. */
  #one(text: string, at: number, depth: number): { value: string; end: number } {
    const next = text[at + 1] ?? ''
    if (next === '%') return { value: '%', end: at + 2 }
    const close = { '{': '}', '(': ')', '[': ']' }[next]
    if (close) {
      const end = this.#matching(text, at + 1, next, close)
      if (end < 0) return { value: '%', end: at + 1 }
      if (next !== '{') return { value: '', end: end + 1 }
      const inner = text.slice(at + 2, end)
      return { value: this.#braced(inner, text.slice(at, end + 1), depth), end: end + 1 }
    }
    const call = /^([!?]*)([A-Za-z_]\w*|\d|\*|#)/.exec(text.slice(at + 1, at + 101))
    if (!call) return { value: '%', end: at + 1 }
    const [all, flags = '', name = ''] = call
    const end = at + 1 + all.length
    if (flags === '' && this.#macros.get(name)?.takesArguments) {
      const line = /^[^\n]*/.exec(text.slice(end))?.[0] ?? ''
      return { value: this.#call(name, line, depth), end: end + line.length }
    }
    return { value: this.#named(flags, name, undefined, text.slice(at, end), depth), end }
  }

  #braced(inner: string, whole: string, depth: number): string {
    const [, flags = '', name = '', rest = ''] =
      /^([!?]*)([A-Za-z_]\w*|\d|\*|#)(.*)$/s.exec(inner) ?? []
    if (name === 'with' || name === 'without') {
      const on = this.#macros.has(`with_${rest.trim()}`)
      return (name === 'with') === on ? '1' : '0'
    }
    if (name === 'defined' || name === 'undefined')
      return (name === 'defined') === this.#macros.has(rest.trim()) ? '1' : '0'
    if (name === '') return whole
    if (rest === '') return this.#named(flags, name, undefined, whole, depth)
    if (flags.includes('?') && rest.startsWith(':'))
      return this.#named(flags, name, rest.slice(1), whole, depth)
    if (this.#macros.get(name)?.takesArguments) return this.#call(name, rest.slice(1), depth)
    return /^(lua|expr|expand|shrink|quote)$/.test(name) ? '' : whole
  }

  #named(
    flags: string,
    name: string,
    alternative: string | undefined,
    whole: string,
    depth: number,
  ): string {
    const macro = this.#macros.get(name)
    if (!flags.includes('?')) return macro ? this.expand(macro.body, depth + 1) : whole
    const negated = (flags.match(/!/g)?.length ?? 0) % 2 === 1
    if ((macro !== undefined) === negated) return ''
    if (alternative !== undefined) return this.expand(alternative, depth + 1)
    return negated || !macro ? '' : this.expand(macro.body, depth + 1)
  }

  #call(name: string, line: string, depth: number): string {
    const words = this.expand(line, depth + 1)
      .trim()
      .split(/\s+/)
    const marked = name === 'mkrel' && words[0] === '-c' ? `0.${words[1] ?? ''}.` : ''
    const given = marked ? words.slice(2) : words
    const before = new Map(['1', '2', '3', '*'].map((it) => [it, this.#macros.get(it)]))
    for (const [n, it] of [...given.slice(0, 3), ...Array<string>(3).fill('')]
      .slice(0, 3)
      .entries())
      this.define(String(n + 1), it)
    this.define('*', given.join(' '))
    try {
      return marked + this.expand(this.#macros.get(name)?.body ?? '', depth + 1)
    } finally {
      for (const [it, macro] of before)
        if (macro) this.#macros.set(it, macro)
        else this.#macros.delete(it)
    }
  }

  #matching(text: string, from: number, open: string, close: string): number {
    let depth = 0
    for (let at = from; at < text.length; at += 1) {
      if (text[at] === open) depth += 1
      else if (text[at] === close && --depth === 0) {
        this.#spend(at - from)
        return at
      }
    }
    this.#spend(text.length - from)
    return -1
  }

  #spend(steps: number): void {
    this.#steps += steps + 1
    if (this.#steps > MAX_STEPS) throw new MacroBudgetError('the spec is too complicated')
  }
}

/** `%if` expression: numbers, "strings", comparisons, `!`, `&&`, `||`, parentheses. What is not understood is false. */
export function isTrue(expression: string): boolean {
  const tokens =
    expression.slice(0, 1_000).match(/"[^"]*"|\d+|[A-Za-z_][\w.]*|[=!<>]=|&&|\|\||[!<>()]|\S/g) ??
    []
  let at = 0
  type Value = number | string
  const truth = (it: Value) => (typeof it === 'number' ? it !== 0 : it !== '')
  const primary = (): Value => {
    const token = tokens[at++]
    if (token === undefined) throw new SyntaxError('ends early')
    if (token === '!') return truth(primary()) ? 0 : 1
    if (token === '(') {
      const value = either()
      if (tokens[at++] !== ')') throw new SyntaxError('unclosed')
      return value
    }
    if (/^\d+$/.test(token)) return Number(token)
    if (token.startsWith('"')) return token.slice(1, -1)
    if (/^[A-Za-z_]/.test(token)) return token
    throw new SyntaxError(token)
  }
  const comparison = (): Value => {
    const left = primary()
    const operator = tokens[at] ?? ''
    if (!/^(==|!=|<=|>=|<|>)$/.test(operator)) return left
    at += 1
    const right = primary()
    const order = left < right ? -1 : left > right ? 1 : left === right ? 0 : Number.NaN
    const holds = {
      '==': order === 0,
      '!=': order !== 0,
      '<': order < 0,
      '>': order > 0,
      '<=': order <= 0,
      '>=': order >= 0,
    }[operator]
    return holds ? 1 : 0
  }
  const both = (): Value => {
    let value = comparison()
    while (tokens[at] === '&&') {
      at += 1
      const right = comparison()
      value = truth(value) && truth(right) ? 1 : 0
    }
    return value
  }
  const either = (): Value => {
    let value = both()
    while (tokens[at] === '||') {
      at += 1
      const right = both()
      value = truth(value) || truth(right) ? 1 : 0
    }
    return value
  }
  try {
    const value = either()
    return at === tokens.length && truth(value)
  } catch {
    return false
  }
}
