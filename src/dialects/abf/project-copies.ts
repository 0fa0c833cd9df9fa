import { refused, refusedAs } from './errors.js'
import { echo } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { openProject } from './projects.js'

/** `group_id`: a group to make it in, else the caller; `fork_name`: its name there, else the project's own. */
async function readTarget(it: AbfRequest, name: string) {
  const { group_id, fork_name } = it.params
  const hasGroup = group_id !== undefined && group_id !== null && group_id !== ''
  const owner = hasGroup
    ? await it.parts.packages.platforms.findMember('Group', Number(echo(group_id)) || undefined)
    : it.caller.user
  if (!owner) throw refused("Owner can't be blank")
  if (fork_name !== undefined && typeof fork_name !== 'string') throw refused('Name is invalid')
  return { namespace: owner.name, name: fork_name || name }
}

/** With its whole history. Who may read a project may fork it, into a namespace where they may create. */
async function forkProject(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'read')
  const copy = await refusedAs('Project has not been forked', async () =>
    it.parts.forks.fork(repo, await readTarget(it, repo.name), it.actor),
  )
  it.done('project', copy.seq, 'Project has been forked successfully')
}

/** Another name for the same project; its id stays. */
async function aliasProject(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'read')
  await refusedAs('Project has not been aliased', async () =>
    it.parts.forks.alias(repo, await readTarget(it, repo.name), it.actor),
  )
  it.done('project', repo.seq, 'Project has been aliased successfully')
}

export const projectCopyRoutes: readonly AbfRoute[] = [
  ['POST', 'projects/:id/fork', forkProject],
  ['POST', 'projects/:id/alias', aliasProject],
]
