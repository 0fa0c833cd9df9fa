import { z } from 'zod'
import type { Access } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { isLfsOid, type LfsObjects } from '../../domain/lfs/objects.js'
import { check, readJson } from '../../http/body.js'
import { parseKind } from '../../protocol/repo-path.js'
import type { XetRepoRoute } from './parts.js'

const MAX_BODY = 4 * 1024 * 1024
const Body = z.object({
  target: z.object({ type: z.string(), name: z.string().regex(/^[\w.-]+\/[\w.-]+$/) }),
  files: z.array(z.object({ sha256: z.string(), xetHash: z.string().nullish() })).max(10_000),
})

/**
 * POST /api/{type}s/{ns}/{name}/lfs-files/duplicate {target:{type,name}, files:[{xetHash,sha256,filename}]} ->
 * {failed:[{sha256,error}]}: objects of this repository become the target's, too, no byte moves (xet-wire 1.2).
 */
export function duplicateRoutes(parts: {
  access: Access
  objects: LfsObjects
}): readonly XetRepoRoute[] {
  return [
    {
      method: 'POST',
      path: /^lfs-files\/duplicate$/,
      right: 'read',
      async handle({ req, res, caller, opened }) {
        await parts.access.requireContent(caller, opened)
        const { target, files } = check(Body, await readJson(req, MAX_BODY))
        const kind = parseKind(target.type)
        if (!kind) throw new HubError('invalid_input', 'The target is of no known type.')
        const [namespace = '', name = ''] = target.name.split('/')
        const to = await parts.access.open(caller, { kind, namespace, name }, 'write')
        const oids = files.map((it) => it.sha256).filter(isLfsOid)
        const copied = await parts.objects.copy(opened.repo, to.repo, [...new Set(oids)])
        const failed = files
          .filter((it) => !copied.has(it.sha256))
          .map(({ sha256 }) => ({ sha256, error: 'There is no such file in the repository.' }))
        res.json({ failed })
      },
    },
  ]
}
