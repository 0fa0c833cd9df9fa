/*
 * Patterns of .gitignore and .gitattributes (gitignore(5), git's wildmatch with WM_PATHNAME). A pattern is run as a set
 * of states over the path, so that no pattern takes longer than its length times the path's.
 */
type Token =
  | { readonly type: 'char'; readonly char: string }
  | { readonly type: 'set'; readonly has: (char: string) => boolean }
  /** Any run without a slash. */
  | { readonly type: 'star' }
  /** Any run. */
  | { readonly type: 'rest' }
  /** Nothing, or whole folders with their slash; `in` is where a folder has begun. */
  | { readonly type: 'folders' }
  | { readonly type: 'in' }

/** Patterns and paths are others' texts, and there may be many of both: together they get so much work and no more. */
export class MatchBudget {
  #left: number

  /** @param steps states looked at; about 20 million a second. */
  constructor(steps: number) {
    this.#left = steps
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) throw new MatchBudgetSpent('the patterns take too long')
  }
}

export class MatchBudgetSpent extends Error {
  override name = 'MatchBudgetSpent'
}

/** Undefined for a pattern that is broken and so matches nothing. What it answers throws MatchBudgetSpent. */
export function compileWildmatch(
  pattern: string,
  budget = new MatchBudget(Number.POSITIVE_INFINITY),
): ((text: string) => boolean) | undefined {
  const tokens = parse(bytesOf(pattern))
  if (!tokens) return undefined
  const suffix = suffixOf(tokens)
  if (suffix !== undefined)
    return (text) => {
      const bytes = bytesOf(text)
      return bytes.endsWith(suffix) && !hasSlash(bytes, suffix)
    }
  return (text) => run(tokens, bytesOf(text), budget)
}

/** git compares bytes: `?` is one byte of a UTF-8 character. */
const bytesOf = (text: string) => Buffer.from(text).toString('latin1')

/** `*.bin` and the like, by far the most usual: no need for states. */
function suffixOf([first, ...others]: readonly Token[]): string | undefined {
  if (first?.type !== 'star') return undefined
  let suffix = ''
  for (const it of others) {
    if (it.type !== 'char' || it.char === '/') return undefined
    suffix += it.char
  }
  return suffix
}

const hasSlash = (text: string, suffix: string) =>
  text.lastIndexOf('/', text.length - suffix.length - 1) >= 0

function parse(pattern: string): Token[] | undefined {
  const tokens: Token[] = []
  const chars = [...pattern]
  for (let at = 0; at < chars.length; ) {
    const char = chars[at] as string
    if (char === '*') at = parseStars(chars, at, tokens)
    else if (char === '?') {
      tokens.push({ type: 'set', has: (it) => it !== '/' })
      at += 1
    } else if (char === '[') {
      const set = parseSet(chars, at + 1)
      if (!set) return undefined
      tokens.push({ type: 'set', has: set.has })
      at = set.next
    } else {
      if (char === '\\') at += 1
      if (at >= chars.length) return undefined
      tokens.push({ type: 'char', char: chars[at] as string })
      at += 1
    }
  }
  return tokens
}

function parseStars(chars: readonly string[], from: number, tokens: Token[]): number {
  let next = from
  while (chars[next] === '*') next += 1
  const opens = from === 0 || chars[from - 1] === '/'
  const closes = next === chars.length || chars[next] === '/'
  if (next - from < 2 || !opens || !closes) {
    tokens.push({ type: 'star' })
    return next
  }
  if (next === chars.length) {
    // a trailing slash and two stars mean everything inside, but not the folder itself
    if (from > 0) tokens.push({ type: 'set', has: () => true })
    tokens.push({ type: 'rest' })
    return next
  }
  tokens.push({ type: 'folders' }, { type: 'in' })
  return next + 1
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  lower: /[a-z]/,
  print: /[\x20-\x7e]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\s]/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
}

function parseSet(
  chars: readonly string[],
  from: number,
): { has: (char: string) => boolean; next: number } | undefined {
  const negated = chars[from] === '!' || chars[from] === '^'
  const start = negated ? from + 1 : from
  const tests: ((char: string) => boolean)[] = []
  for (let at = start; at < chars.length; ) {
    if (chars[at] === ']' && at > start)
      return {
        has: (char) => char !== '/' && tests.some((test) => test(char)) !== negated,
        next: at + 1,
      }
    if (chars[at] === '[' && chars[at + 1] === ':') {
      const end = chars.indexOf(']', at + 2)
      const known = CLASSES[chars.slice(at + 2, end - 1).join('')]
      if (end > 0 && chars[end - 1] === ':') {
        if (!known) return undefined
        tests.push((char) => known.test(char))
        at = end + 1
        continue
      }
    }
    const low = setChar(chars, at)
    if (low === undefined) return undefined
    at = low.next
    if (chars[at] === '-' && chars[at + 1] !== undefined && chars[at + 1] !== ']') {
      const high = setChar(chars, at + 1)
      if (high === undefined) return undefined
      tests.push((char) => char >= low.char && char <= high.char)
      at = high.next
    } else tests.push((char) => char === low.char)
  }
  return undefined
}

function setChar(chars: readonly string[], at: number): { char: string; next: number } | undefined {
  const skip = chars[at] === '\\' ? 1 : 0
  const char = chars[at + skip]
  return char === undefined ? undefined : { char, next: at + skip + 1 }
}

function run(tokens: readonly Token[], text: string, budget: MatchBudget): boolean {
  let states = new Set<number>()
  enter(tokens, states, 0)
  for (const char of text) {
    budget.spend(states.size)
    const next = new Set<number>()
    for (const at of states) step(tokens, next, at, char)
    if (next.size === 0) return false
    states = next
  }
  return states.has(tokens.length)
}

/** Adds a state and those that it reaches without a character. */
function enter(tokens: readonly Token[], states: Set<number>, at: number): void {
  if (states.has(at)) return
  states.add(at)
  const type = tokens[at]?.type
  if (type === 'star' || type === 'rest') enter(tokens, states, at + 1)
  else if (type === 'folders') enter(tokens, states, at + 2)
}

function step(tokens: readonly Token[], next: Set<number>, at: number, char: string): void {
  const token = tokens[at]
  switch (token?.type) {
    case 'char':
      if (token.char === char) enter(tokens, next, at + 1)
      return
    case 'set':
      if (token.has(char)) enter(tokens, next, at + 1)
      return
    case 'star':
      if (char !== '/') enter(tokens, next, at)
      return
    case 'rest':
      enter(tokens, next, at)
      return
    case 'folders':
      if (char !== '/') enter(tokens, next, at + 1)
      return
    case 'in':
      enter(tokens, next, at)
      if (char === '/') enter(tokens, next, at + 1)
      return
  }
}
