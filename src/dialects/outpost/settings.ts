import { z } from 'zod'
import { makeEvent } from '../../domain/events/events.js'
import { BranchProtectionSettings } from '../../domain/refs/protection.js'
import { readValues } from './input.js'
import type { RepoRequest } from './parts.js'

const ScanningBody = z.object({ enabled: z.boolean() })

/*
 * Ours: Outpost's document shows `branch_protection` and `secret_scanning` as booleans of a repository and names no
 * endpoint to set them.
 */
export async function getProtection({ res, parts, repo }: RepoRequest): Promise<void> {
  res.json(await parts.protection.read(repo))
}

export async function putProtection({ req, res, parts, repo, caller }: RepoRequest): Promise<void> {
  const settings = await readValues(req, BranchProtectionSettings)
  await parts.protection.write(repo, settings)
  await audit({ parts, repo, caller }, { branch_protection: settings })
  res.json(settings)
}

export async function getScanning({ res, parts, repo }: RepoRequest): Promise<void> {
  const { secret_scanning } = await parts.stores.repos.readExtraSettings(repo.id)
  res.json({ enabled: secret_scanning === true })
}

export async function putScanning({ req, res, parts, repo, caller }: RepoRequest): Promise<void> {
  const { enabled } = await readValues(req, ScanningBody)
  await parts.stores.repos.updateExtraSettings(repo.id, { secret_scanning: enabled })
  await audit({ parts, repo, caller }, { secret_scanning: enabled })
  res.json({ enabled })
}

async function audit(
  { parts, repo, caller }: Pick<RepoRequest, 'parts' | 'repo' | 'caller'>,
  change: Record<string, unknown>,
): Promise<void> {
  const event = makeEvent('repo.settings', { caller, dialect: 'outpost' }, repo, change)
  await parts.stores.repos.updateSettings(repo.id, {}, event)
}
