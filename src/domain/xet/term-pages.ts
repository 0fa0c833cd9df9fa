import type { ShardTerm } from '../../protocol/xet/shard-format.js'
import { encodeTerms } from '../../protocol/xet/term-page.js'
import type { TermPage } from './ports.js'

const PAGE_TERMS = 1_000

/** Terms in pages with the offset of their first byte. */
export function pagesOf(terms: Iterable<ShardTerm>): TermPage[] {
  const pages: TermPage[] = []
  let page: ShardTerm[] = []
  let firstByte = 0
  let at = 0
  const close = () => {
    if (page.length) pages.push({ firstByte, terms: encodeTerms(page) })
    page = []
    firstByte = at
  }
  for (const term of terms) {
    page.push(term)
    at += term.rawBytes
    if (page.length === PAGE_TERMS) close()
  }
  close()
  return pages
}
