import type { Access } from '../access/access.js'
import type { Login } from '../accounts/login.js'
import type { AccountStore } from '../accounts/ports.js'
import { AppRuns } from '../apps/app-runs.js'
import type { AppRunner, AppRunStore, Checkouts } from '../apps/ports.js'
import type { Cards } from '../cards/cards.js'
import type { Contents } from '../content/contents.js'
import { Endpoints } from '../endpoints/endpoints.js'
import type { EndpointStore } from '../endpoints/ports.js'
import type { HubError } from '../errors.js'
import type { JobStore } from '../jobs/ports.js'
import type { JobRunner } from '../jobs/runner.js'
import { SecretBox } from '../packages/secret-box.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { RepoStore } from '../repos/ports.js'
import type { SpaceStore } from './ports.js'
import { SpaceVolumes } from './space-volumes.js'
import { Spaces } from './spaces.js'

const ROUND_SECONDS = 2

/** Spaces, inference endpoints, and with a runner the jobs that keep what runs to what should. */
export function appServices(
  parts: {
    spaces: SpaceStore
    endpoints: EndpointStore
    appRuns: AppRunStore
    jobs: JobStore
    repos: RepoStore
    accounts: AccountStore
    access: Access
    login: Login
    cards: Cards
    contents: Contents
    recorder: RefRecorder
    secretKey: string
    runner: AppRunner | undefined
    checkouts: Checkouts
    onRunnerError: (err: HubError) => void
  },
  runner: JobRunner,
): { spaces: Spaces; endpoints: Endpoints; appRuns: AppRuns } {
  const runs = new AppRuns(parts)
  const all = { ...parts, runs, box: new SecretBox(parts.secretKey) }
  const volumes = new SpaceVolumes(parts)
  const services = {
    spaces: new Spaces({ ...all, volumes }),
    endpoints: new Endpoints(all),
    appRuns: runs,
  }
  runner.handle('app.sync', (job, signal) => runs.sync(job.key, signal))
  if (!parts.runner) return services
  // a push may bring another commit of a Space, another sdk, an app file
  parts.recorder.leaveJob('app.sync')
  runner.handleEvery('app.watch', ROUND_SECONDS, () => runs.watch())
  return services
}
