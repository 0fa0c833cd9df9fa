import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import type { SpaceValueKind } from '../../domain/spaces/ports.js'
import { SpaceValueField, SpaceVolumesField } from '../../domain/spaces/space-fields.js'
import { check, readJson } from '../../http/body.js'
import { boolParam } from './params.js'
import type { HfRequest, RepoRoute } from './parts.js'
import { LOG_RIGHT, spaceLogs } from './space-logs.js'
import { toRuntime, toValues } from './space-shapes.js'

const MAX_BODY = 1024 * 1024

const KeyBody = z.object({ key: z.string() })
const HardwareBody = z.object({ flavor: z.string(), sleepTimeSeconds: z.number().nullish() })
const SleepBody = z.object({ seconds: z.number() })
const StorageBody = z.object({ tier: z.string() })
const DevModeBody = z.object({ enabled: z.boolean() })
const VolumesBody = z.object({ volumes: SpaceVolumesField })

/** Everything about a Space but its files (huggingface-wire B6, and what huggingface_hub 2.4.0 adds). */
export const spaceRoutes: readonly RepoRoute[] = [
  row('GET', /^runtime$/, 'read', sendRuntime),
  row('GET', /^variables$/, 'read', sendVariables),
  row('POST', /^variables$/, 'write', (it) => putValue(it, 'variable')),
  row('DELETE', /^variables$/, 'write', (it) => removeValue(it, 'variable')),
  row('GET', /^secrets$/, 'write', sendSecrets),
  row('POST', /^secrets$/, 'write', (it) => putValue(it, 'secret')),
  row('DELETE', /^secrets$/, 'write', (it) => removeValue(it, 'secret')),
  row('POST', /^hardware$/, 'write', async (it) => {
    const { flavor, sleepTimeSeconds } = await bodyOf(it, HardwareBody)
    await it.parts.spaces.setHardware(it.repo, flavor, sleepTimeSeconds ?? undefined, it.actor)
    await sendRuntime(it)
  }),
  row('POST', /^sleeptime$/, 'write', async (it) => {
    await it.parts.spaces.setSleepTime(it.repo, (await bodyOf(it, SleepBody)).seconds, it.actor)
    await sendRuntime(it)
  }),
  row('POST', /^storage$/, 'write', async (it) => {
    await it.parts.spaces.setStorage(it.repo, (await bodyOf(it, StorageBody)).tier, it.actor)
    await sendRuntime(it)
  }),
  row('DELETE', /^storage$/, 'write', async (it) => {
    await it.parts.spaces.setStorage(it.repo, null, it.actor)
    await sendRuntime(it)
  }),
  row('PUT', /^volumes$/, 'write', setVolumes),
  row('DELETE', /^volumes$/, 'write', async (it) => {
    await it.parts.spaces.setVolumes(it.repo, [], it.actor)
    await sendRuntime(it)
  }),
  row('POST', /^dev-mode$/, 'write', async (it) => {
    await it.parts.spaces.setDevMode(it.repo, (await bodyOf(it, DevModeBody)).enabled, it.actor)
    await sendRuntime(it)
  }),
  row('POST', /^pause$/, 'write', async (it) => {
    await it.parts.spaces.pause(it.repo, it.actor)
    await sendRuntime(it)
  }),
  row('POST', /^restart$/, 'write', async (it) => {
    await it.parts.spaces.restart(it.repo, boolParam(it.req, 'factory') ?? false, it.actor)
    await sendRuntime(it)
  }),
  row('GET', /^logs\/(build|run)$/, LOG_RIGHT, spaceLogs),
]

interface SpaceRequest extends HfRequest {
  readonly repo: HfRequest['opened']['repo']
  readonly actor: { readonly caller: HfRequest['caller']; readonly dialect: string }
}

function row(
  method: RepoRoute['method'],
  path: RegExp,
  right: RepoRoute['right'],
  handle: (it: SpaceRequest) => Promise<void>,
): RepoRoute {
  return {
    method,
    path,
    right,
    async handle(it) {
      const { repo } = it.opened
      if (repo.kind !== 'space') throw new HubError('not_found', 'Only a Space has this.')
      await handle({ ...it, repo, actor: { caller: it.caller, dialect: 'huggingface' } })
    },
  }
}

async function bodyOf<T extends z.ZodType>(it: SpaceRequest, schema: T): Promise<z.output<T>> {
  return check(schema, await readJson(it.req, MAX_BODY))
}

async function sendRuntime({ res, parts, repo, opened }: SpaceRequest): Promise<void> {
  res.json(toRuntime(await parts.spaces.runtime(repo), opened.right))
}

async function sendVariables({ res, parts, repo }: SpaceRequest): Promise<void> {
  res.json(toValues(await parts.spaces.variables(repo)))
}

async function sendSecrets({ res, parts, repo }: SpaceRequest): Promise<void> {
  res.json(toValues(await parts.spaces.secrets(repo)))
}

async function putValue(it: SpaceRequest, kind: SpaceValueKind): Promise<void> {
  await it.parts.spaces.putValue(it.repo, kind, await bodyOf(it, SpaceValueField), it.actor)
  await (kind === 'variable' ? sendVariables(it) : sendSecrets(it))
}

async function removeValue(it: SpaceRequest, kind: SpaceValueKind): Promise<void> {
  const { key } = await bodyOf(it, KeyBody)
  await it.parts.spaces.removeValue(it.repo, kind, key, it.actor)
  await (kind === 'variable' ? sendVariables(it) : sendSecrets(it))
}

async function setVolumes(it: SpaceRequest): Promise<void> {
  const { volumes } = await bodyOf(it, VolumesBody)
  await it.parts.spaces.setVolumes(it.repo, volumes, it.actor)
  await sendRuntime(it)
}
