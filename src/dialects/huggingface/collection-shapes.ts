import type { Collection, CollectionItem } from '../../domain/collections/ports.js'
import { slugOf } from '../../domain/collections/slug.js'
import { gatedOf, idOf, lastModifiedOf, toHexId } from './shapes.js'

/** A collection with these of its items (huggingface-wire B8). */
export function toCollectionJson(
  it: Collection,
  items: readonly CollectionItem[],
  isUpvotedByUser: boolean,
  base: string,
) {
  return {
    slug: slugOf(it),
    title: it.title,
    ...(it.description === null ? {} : { description: it.description }),
    lastUpdated: it.updatedAt,
    gating: false,
    owner: ownerOf(it, base),
    items: items.map((item, position) => toItem(item, position, base)),
    position: it.position,
    theme: it.theme,
    private: it.isPrivate,
    upvotes: it.upvotes,
    isUpvotedByUser,
    shareUrl: `${base}/collections/${slugOf(it)}`,
  }
}

/** `position` counts what is shown: what is hidden leaves no gap that would tell of it. */
function toItem(it: CollectionItem, position: number, base: string) {
  const common = { _id: it.id, position, ...(it.note === null ? {} : { note: { text: it.note } }) }
  if (it.type === 'paper')
    return { ...common, type: it.type, id: it.paperId, title: it.title ?? `arXiv:${it.paperId}` }
  if (it.type === 'collection') {
    const { collection } = it
    return {
      ...common,
      type: it.type,
      id: collection.id,
      slug: slugOf(collection),
      title: collection.title,
      lastUpdated: collection.updatedAt,
      theme: collection.theme,
      upvotes: collection.upvotes,
      owner: ownerOf(collection, base),
    }
  }
  const { repo } = it
  return {
    ...common,
    type: it.type,
    id: idOf(repo),
    repoType: it.type,
    author: repo.namespace,
    private: repo.visibility !== 'public',
    gated: gatedOf(repo.gate),
    downloads: repo.downloads,
    likes: repo.likes,
    lastModified: lastModifiedOf(repo),
  }
}

function ownerOf(it: Collection, base: string) {
  const place = it.namespaceType === 'org' ? 'organizations' : 'users'
  return {
    _id: toHexId(it.namespaceId),
    name: it.namespace,
    fullname: it.namespaceFullname ?? it.namespace,
    avatarUrl: `${base}/api/${place}/${it.namespace}/avatar`,
    type: it.namespaceType,
    isPro: false,
    isHf: false,
  }
}
