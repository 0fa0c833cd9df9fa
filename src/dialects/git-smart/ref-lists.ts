import { HubError } from '../../domain/errors.js'
import type { Repo } from '../../domain/types.js'
import { advertiseV2, formatLsRefs } from '../../protocol/git-v2.js'
import type { GitSmartState } from './parts.js'
import { readable } from './request.js'

/** The answer to ls-refs. Throws `invalid_input` for a request that cannot be read or takes the repository for another kind. */
export async function listRefs(
  { git, answers, questions }: GitSmartState,
  { id, objectFormat }: Repo,
  message: Buffer,
): Promise<Buffer> {
  const { request, name } = readable(() => questions.read(message))
  if (request.objectFormat !== objectFormat)
    throw new HubError(
      'invalid_input',
      `mismatched object format: server ${objectFormat}; client ${request.objectFormat.slice(0, 20)}`,
    )
  const snapshot = await git.snapshot(id)
  return answers.get(snapshot, name, async () => {
    const peeled = request.peel ? await git.peel(id, snapshot) : new Map()
    return formatLsRefs(request, { ...snapshot, peeled })
  })
}

/** The advertisement of protocol v2. */
export async function advertisementOf(
  { git, bundles, agent }: GitSmartState,
  repo: Repo,
): Promise<Buffer> {
  const bundle = await bundles.find(repo, () => git.snapshot(repo.id))
  return advertiseV2(repo.objectFormat, agent, bundle ? ['bundle-uri'] : [])
}
