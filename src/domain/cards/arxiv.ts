const ID = String.raw`\d{4}\.\d{4,5}|[a-z-]{2,20}(?:\.[A-Z]{2})?/\d{7}`
const ONLY_ID = new RegExp(`^(?:${ID})$`)
/** As the Hub finds papers in a README: links to arXiv and to its own paper pages; and `arXiv:` as it is cited. */
const MENTION = new RegExp(
  String.raw`(?:\barxiv\.org/(?:abs|pdf|html)/|\bhuggingface\.co/papers/|\barXiv: ?)(${ID})(?!\d)`,
  'g',
)
const MAX_MENTIONS = 50

/** arXiv identifiers since 2007-04 and before (info.arxiv.org/help/arxiv_identifier.html), without the version. */
export function isArxivId(text: string): boolean {
  return ONLY_ID.test(text)
}

/** Papers that a README's text names, each once, in the order in which they come. */
export function arxivIdsIn(text: string): string[] {
  const found = new Set<string>()
  for (const [, id = ''] of text.matchAll(MENTION)) {
    found.add(id)
    if (found.size === MAX_MENTIONS) break
  }
  return [...found]
}

/**
 * What a card's `arxiv` says. YAML takes an unquoted id for a number and drops its zeros: they come back, since the digits
 * behind the point are four until 2014 and five from then on.
 */
export function arxivIdsOf(value: unknown): string[] {
  return [value].flat().flatMap((it) => {
    if (typeof it === 'string') return it === '' ? [] : [it.replace(/^arxiv:/i, '')]
    if (typeof it !== 'number') return []
    const id = it.toFixed(it >= 1501 ? 5 : 4).padStart(9, '0')
    return isArxivId(id) ? [id] : []
  })
}
