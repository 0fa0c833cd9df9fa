import type { Paper } from './ports.js'

/** A paper that repositories name and nobody described. */
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
