import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { EventStore } from '../events/ports.js'
import type { GitEngine } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import { MirrorLocks } from './mirror-locks.js'
import { PackageList } from './package-list.js'
import { Platforms } from './platforms.js'
import { PackagePolicy } from './policy.js'
import type { PackageStores } from './ports.js'
import { SecretBox } from './secret-box.js'
import { Shelves } from './shelves.js'
import { SigningKeys } from './signing-keys.js'

export type PackageServices = ReturnType<typeof packageServices>

/** Everything about package repositories over the hub's git repositories. */
export function packageServices(parts: {
  packages: PackageStores
  accounts: AccountStore
  repos: RepoStore
  events: EventStore
  git: GitEngine
  access: Access
  secretKey: string
  mirrorLockSeconds: number
}) {
  const packagePolicy = new PackagePolicy(parts.packages)
  const all = { ...parts, ...parts.packages, packagePolicy }
  return {
    stores: parts.packages,
    policy: packagePolicy,
    platforms: new Platforms(all),
    shelves: new Shelves(all),
    signingKeys: new SigningKeys({ ...all, box: new SecretBox(parts.secretKey) }),
    mirrorLocks: new MirrorLocks({ ...all, seconds: parts.mirrorLockSeconds }),
    packageList: new PackageList(all),
  }
}
