import type { Committer } from '../commits/committer.js'
import type { GitEngine } from '../ports.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { RepoStore } from '../repos/ports.js'
import { Discussions } from './discussions.js'
import type { DiscussionStore } from './ports.js'
import { PullMerges } from './pull-merges.js'
import { PullRequests } from './pull-requests.js'
import { PullView } from './pull-view.js'

export type DiscussionServices = ReturnType<typeof discussionServices>

export function discussionServices(parts: {
  discussions: DiscussionStore
  repos: RepoStore
  git: GitEngine
  committer: Committer
  recorder: RefRecorder
}) {
  const { discussions: store } = parts
  const discussions = new Discussions(parts)
  return {
    discussions,
    pulls: new PullRequests(parts),
    pullMerges: new PullMerges({ ...parts, store, discussions }),
    pullView: new PullView(parts),
  }
}
