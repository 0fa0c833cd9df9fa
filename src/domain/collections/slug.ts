import type { Collection } from './ports.js'

const MAX_TITLE = 60

/** `{namespace}/{title in plain letters}-{24 hex digits}` (huggingface-wire B8). The digits alone identify it. */
export function slugOf(it: Pick<Collection, 'id' | 'namespace' | 'title'>): string {
  const plain = it.title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}+/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_TITLE)
    .replace(/^-+|-+$/g, '')
  return `${it.namespace}/${plain || 'collection'}-${it.id}`
}

/** Undefined for what is no slug. An older title's slug still leads to the collection. */
export function collectionIdOf(slug: string): string | undefined {
  return /^[\w.-]{1,100}\/(?:[\w.-]{0,200}-)?([0-9a-f]{24})$/.exec(slug)?.[1]
}
