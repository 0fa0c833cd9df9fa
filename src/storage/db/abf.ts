import type { PackageStores } from '../../domain/packages/ports.js'
import { platformTokenStore } from './abf-platform-tokens.js'
import { platformStore } from './abf-platforms.js'
import { accountSearch, projectStore, systemUserStore } from './abf-projects.js'
import { keyPairStore, mirrorLockStore, shelfStore } from './abf-shelves.js'
import type { Db } from './open.js'

export function packageStores(db: Db): PackageStores {
  return {
    platforms: platformStore(db),
    platformTokens: platformTokenStore(db),
    shelves: shelfStore(db),
    projects: projectStore(db),
    keyPairs: keyPairStore(db),
    mirrorLocks: mirrorLockStore(db),
    systemUsers: systemUserStore(db),
    accountSearch: accountSearch(db),
  }
}
