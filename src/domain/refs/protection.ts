import picomatch from 'picomatch'
import { z } from 'zod'
import { HubError } from '../errors.js'
import type { RepoStore } from '../repos/ports.js'
import type { Repo, Right } from '../types.js'

/** Who may push to a protected branch. A list of user names adds to it. */
const Rule = z.strictObject({
  /** Glob over branch names: `main`, `release/*`. */
  pattern: z.string().min(1).max(255),
  push: z.enum(['writers', 'admins', 'nobody']).default('writers'),
  push_users: z.array(z.string().max(100)).max(100).default([]),
  allow_force: z.boolean().default(false),
  allow_delete: z.boolean().default(false),
})

export const BranchProtectionSettings = z.strictObject({
  enabled: z.boolean(),
  rules: z.array(Rule).max(100).default([]),
})

export type BranchProtectionSettings = z.output<typeof BranchProtectionSettings>
type Rule = z.output<typeof Rule>

export interface BranchChange {
  /** Full ref name. */
  readonly ref: string
  readonly deletes: boolean
  /** Asked only where it matters: it may cost a walk. */
  readonly isForced: () => Promise<boolean>
}

/** Protected branches: enforced for pushes in pre-receive and for every ref that an API moves. */
export class BranchProtection {
  readonly #repos: RepoStore

  constructor(repos: RepoStore) {
    this.#repos = repos
  }

  async read(repo: Repo): Promise<BranchProtectionSettings> {
    const { branch_protection } = await this.#repos.readExtraSettings(repo.id)
    const parsed = BranchProtectionSettings.safeParse(branch_protection)
    return parsed.success ? parsed.data : { enabled: false, rules: [] }
  }

  async write(repo: Repo, settings: BranchProtectionSettings): Promise<void> {
    await this.#repos.updateExtraSettings(repo.id, { branch_protection: settings })
  }

  /** Throws `forbidden` when a rule for this branch does not let the caller do it. */
  async require(
    repo: Repo,
    who: { right: Right; name: string | undefined },
    changes: readonly BranchChange[],
  ): Promise<void> {
    const { enabled, rules } = await this.read(repo)
    if (!enabled) return
    for (const change of changes) {
      const branch = /^refs\/heads\/(.+)$/.exec(change.ref)?.[1]
      if (branch === undefined) continue
      for (const rule of rules.filter((it) => picomatch.isMatch(branch, it.pattern, { dot: true })))
        await requireRule(rule, branch, who, change)
    }
  }
}

async function requireRule(
  rule: Rule,
  branch: string,
  who: { right: Right; name: string | undefined },
  change: BranchChange,
): Promise<void> {
  const refuse = (what: string) =>
    new HubError(
      'forbidden',
      `The branch ${branch} is protected (rule "${rule.pattern}"): ${what}.`,
    )
  const listed = who.name !== undefined && rule.push_users.includes(who.name)
  if (rule.push === 'nobody' && !listed) throw refuse('nobody may push to it, open a pull request')
  if (rule.push === 'admins' && who.right !== 'admin' && !listed)
    throw refuse('only admins may push to it')
  if (change.deletes && !rule.allow_delete) throw refuse('it cannot be deleted')
  if (!rule.allow_force && !change.deletes && (await change.isForced()))
    throw refuse('it cannot be force-pushed, merge or rebase onto it')
}
