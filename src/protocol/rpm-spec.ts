import { isTrue, MacroBudgetError, RpmMacros } from './rpm-macros.js'

/*
 * RPM spec files (rpm.org, "Spec file format"): which packages one makes. A preamble of `Tag: value` lines, then sections
 * that start with a `%word`; `%package [-n] name` starts the preamble of a further package. %define, %global, %bcond and
 * conditionals are followed for an x86_64 Linux without distribution macros.
 */

export interface RpmPackage {
  readonly name: string
  readonly epoch: string | null
  readonly version: string
  readonly release: string
}

interface Preamble {
  name?: string
  epoch?: string
  version?: string
  release?: string
}

/** Each line asks whether all conditions around it hold. */
const MAX_BRANCHES = 100
const TAG = /^\s*(name|version|release|epoch)\s*:\s*(\S.*)$/i
const SECTION =
  /^%(description|prep|generate_buildrequires|conf|build|install|check|clean|files|changelog|pre|preun|post|postun|pretrans|posttrans|preuntrans|postuntrans|verifyscript|verify|trigger\w*|filetrigger\w*|transfiletrigger\w*|sourcelist|patchlist)\b/
const ARCHITECTURES = /(^|[\s,])(x86_64|%\{?x86_64\}?)(?=[\s,]|$)/

/** The source package first, then one for each `%package`. Empty when there is no `Name`. Never throws. */
export function parseRpmSpec(text: string): RpmPackage[] {
  const reader = new SpecReader()
  try {
    for (const line of logicalLines(text)) reader.read(line)
  } catch (err) {
    if (!(err instanceof MacroBudgetError)) throw err
  }
  return reader.packages()
}

class SpecReader {
  readonly #macros = new RpmMacros()
  readonly #main: Preamble = {}
  readonly #others: Preamble[] = []
  /** Innermost last: whether this branch is taken, and whether one of its %if was. */
  readonly #branches: { taken: boolean; any: boolean }[] = []
  /** Undefined in sections that are no preamble. */
  #current: Preamble | undefined = this.#main

  read(raw: string): void {
    if (this.#conditional(raw)) return
    if (this.#branches.some((it) => !it.taken)) return
    const line = /^\s*%\{[!?]/.test(raw) ? this.#macros.expand(raw).trim() : raw
    if (this.#definition(line)) return
    if (SECTION.test(line)) {
      this.#current = undefined
      return
    }
    const sub = /^%package\s+(.*)$/.exec(line)
    if (sub) this.#package(sub[1] ?? '')
    else if (this.#current) this.#tag(this.#current, line)
  }

  packages(): RpmPackage[] {
    const main = this.#main
    if (!main.name) return []
    return [main, ...this.#others].flatMap((it) => {
      const name = it.name
      if (!name) return []
      return {
        name,
        epoch: it.epoch ?? main.epoch ?? null,
        version: it.version ?? main.version ?? '',
        release: it.release ?? main.release ?? '',
      }
    })
  }

  #conditional(line: string): boolean {
    const [, word = '', rest = ''] =
      /^\s*%(if|ifarch|ifnarch|ifos|ifnos|elif|elifarch|elifos|else|endif)\b\s*(.*)$/.exec(line) ??
      []
    if (word === '') return false
    if (word === 'endif') this.#branches.pop()
    else if (word === 'else' || word.startsWith('elif')) {
      const branch = this.#branches.at(-1)
      if (!branch) return true
      branch.taken = !branch.any && (word === 'else' || this.#holds(word.replace('el', ''), rest))
      branch.any ||= branch.taken
    } else {
      if (this.#branches.length === MAX_BRANCHES) throw new MacroBudgetError('nested too deep')
      const taken = this.#branches.every((it) => it.taken) && this.#holds(word, rest)
      this.#branches.push({ taken, any: taken })
    }
    return true
  }

  #holds(word: string, rest: string): boolean {
    if (word === 'if') return isTrue(this.#macros.expand(rest))
    const named = word.endsWith('os') ? /\blinux\b/.test(rest) : ARCHITECTURES.test(rest)
    return word.startsWith('ifn') ? !named : named
  }

  #definition(line: string): boolean {
    const made = /^\s*%(define|global)\s+([A-Za-z_]\w*)(\([^)]*\))?\s*(.*)$/s.exec(line)
    if (made) {
      const [, word, name = '', options, body = ''] = made
      const value = word === 'global' ? this.#macros.expand(body) : body
      this.#macros.define(name, value.trimEnd(), options !== undefined)
      return true
    }
    const gone = /^\s*%undefine\s+(\w+)/.exec(line)
    if (gone) this.#macros.undefine(gone[1] ?? '')
    const option = /^\s*%bcond(_with|_without)?\s+(\w+)\s*(.*)$/.exec(line)
    if (option) {
      const [, form, name = '', value = ''] = option
      const on = form === '_without' || (form === undefined && isTrue(this.#macros.expand(value)))
      if (on) this.#macros.define(`with_${name}`, '1')
    }
    return gone !== null || option !== null
  }

  #package(text: string): void {
    const words = this.#macros.expand(text).trim().split(/\s+/)
    const full = words[0] === '-n'
    const word = words[full ? 1 : 0]
    const name = word && (full ? word : `${this.#main.name ?? ''}-${word}`)
    this.#current = name ? { name } : {}
    this.#others.push(this.#current)
  }

  #tag(preamble: Preamble, line: string): void {
    const [, tag = '', raw = ''] = TAG.exec(line) ?? []
    if (tag === '') return
    const value = this.#macros.expand(raw).trim().split(/\s+/)[0]
    if (!value) return
    const key = tag.toLowerCase() as keyof Preamble
    if (preamble === this.#main) this.#macros.define(key, value)
    else if (key === 'name') return
    preamble[key] = value
  }
}

/** Lines with the continuations of definitions joined; a spec's lines are otherwise its own. */
function* logicalLines(text: string): Generator<string> {
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (!/^\s*%(define|global)\b/.test(line)) {
      yield line
      continue
    }
    const from = at
    while (lines[at]?.endsWith('\\') && at + 1 < lines.length) at += 1
    const pieces = lines.slice(from, at + 1)
    yield pieces.map((it, n) => (from + n < at ? it.slice(0, -1) : it)).join('\n')
  }
}
