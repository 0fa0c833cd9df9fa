import type { Paper } from './ports.js'

/** arXiv identifiers since 2007-04 and before (info.arxiv.org/help/arxiv_identifier.html), without the version. */
export function isPaperId(id: string): boolean {
  return /^\d{4}\.\d{4,5}$|^[a-z-]{2,20}(?:\.[A-Z]{2})?\/\d{7}$/.test(id)
}

export function undescribed(id: string): Paper {
  return {
    id,
    title: null,
    summary: null,
    authors: [],
    publishedAt: null,
    source: null,
    submittedOnDailyAt: null,
    submittedOnDailyBy: null,
  }
}
