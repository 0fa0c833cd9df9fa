import { createHash } from 'node:crypto'
import type { RefSnapshot } from '../../domain/ports.js'

export interface Tips {
  readonly oids: ReadonlySet<string>
  /** Of branches and tags: who wants these wants all that a clone brings. */
  readonly cloned: ReadonlySet<string>
  /** Of names and oids of all tags: what `include-tag` may add to a pack. */
  readonly tagsDigest: string
}

const KNOWN = new WeakMap<RefSnapshot, Tips>()

/** What a repository advertises at this moment; worked out once for each snapshot. */
export function tipsOf(snapshot: RefSnapshot): Tips {
  const known = KNOWN.get(snapshot)
  if (known) return known
  const tags = createHash('sha256')
  for (const { name, oid } of snapshot.refs)
    if (name.startsWith('refs/tags/')) tags.update(`${oid} ${name}\n`)
  const tips = {
    oids: new Set(snapshot.refs.map((it) => it.oid)),
    cloned: new Set(
      snapshot.refs.flatMap((it) => (/^refs\/(heads|tags)\//.test(it.name) ? [it.oid] : [])),
    ),
    tagsDigest: tags.digest('hex'),
  }
  KNOWN.set(snapshot, tips)
  return tips
}
