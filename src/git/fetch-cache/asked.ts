import { hash } from 'node:crypto'
import type { ObjectFormat } from '../../domain/types.js'
import { type FetchRequest, formatFetch } from '../../protocol/git-fetch.js'
import type { Tips } from './tips.js'

/*
 * What is worked out of a request with 100,000 wants is remembered beside it, for who asks with the same one again
 * (dialects/git-smart/fetch-questions.ts keeps them), and what is worked out of it and the refs for as long as the refs
 * are the same.
 */
const DIGESTS = new WeakMap<FetchRequest, string>()
const REACHES = new WeakMap<FetchRequest, { readonly of: WeakRef<Tips>; readonly reach: Reach }>()

interface Reach {
  /** All that it wants is advertised. */
  readonly isPermitted: boolean
  /** It wants all branches and tags, and everything they reach. */
  readonly isWhole: boolean
}

/** Equal for equal requests to repositories of one object format. */
export function digestOf(request: FetchRequest, objectFormat: ObjectFormat): string {
  const known = DIGESTS.get(request)
  if (known) return known
  const digest = hash('sha256', formatFetch(request, objectFormat))
  DIGESTS.set(request, digest)
  return digest
}

export function reachOf(request: FetchRequest, tips: Tips): Reach {
  const known = REACHES.get(request)
  if (known?.of.deref() === tips) return known.reach
  const reach = compare(request, tips)
  REACHES.set(request, { of: new WeakRef(tips), reach })
  return reach
}

function compare(request: FetchRequest, tips: Tips): Reach {
  const { depth, since, filter, haves, ofsDelta, wants } = request
  let cloned = 0
  for (const oid of wants) {
    if (!tips.oids.has(oid)) return { isPermitted: false, isWhole: false }
    if (tips.cloned.has(oid)) cloned += 1
  }
  const part = depth ?? since ?? filter ?? haves[0]
  // wants are there once each
  const isWhole = part === undefined && ofsDelta && cloned === tips.cloned.size
  return { isPermitted: true, isWhole }
}
