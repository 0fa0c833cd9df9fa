import type { Request } from 'express'
import { HubError } from '../../domain/errors.js'
import type { RepoKind } from '../../domain/types.js'
import { boolParam, listParam } from './params.js'

const COMMON =
  'author cardData createdAt disabled gated lastModified likes private resourceGroup sha siblings tags trendingScore usedStorage downloads downloadsAllTime xetEnabled'.split(
    ' ',
  )

/** What may be asked for by `expand`, by kind (huggingface-wire C3.1). */
const EXPANDABLE: Readonly<Record<RepoKind, ReadonlySet<string>>> = {
  model: new Set([
    ...COMMON,
    ...`baseModels childrenModelCount config evalResults gguf gitalyUid inference inferenceProviderMapping library_name
    mask_token model-index pipeline_tag safetensors spaces transformersInfo widgetData`.split(
      /\s+/,
    ),
  ]),
  dataset: new Set([...COMMON, 'citation', 'description', 'mainSize', 'paperswithcode_id']),
  space: new Set([
    ...COMMON,
    ...'datasets models region runtime sdk subdomain title shortDescription'.split(' '),
  ]),
}

/** Which fields an answer has; undefined = the usual ones. Throws `invalid_input` for a key that is none. */
export function readExpand(req: Request, kind: RepoKind): ReadonlySet<string> | undefined {
  const keys = listParam(req, 'expand')
  if (keys.length === 0) return undefined
  const known = EXPANDABLE[kind]
  const unknown = keys.find((it) => !known.has(it))
  if (unknown !== undefined)
    throw new HubError(
      'invalid_input',
      `"expand" must be among ${[...known].sort().join(', ')}; not "${unknown.slice(0, 100)}".`,
    )
  if (boolParam(req, 'full') || boolParam(req, 'blobs') || boolParam(req, 'securityStatus'))
    throw new HubError(
      'invalid_input',
      '"expand" cannot be used together with "full", "blobs" or "securityStatus".',
    )
  return new Set(keys)
}
