import type { HubEvent, RepoId } from '../types.js'

export interface EventStore {
  add(event: HubEvent): Promise<void>
  list(filter: {
    repoId?: RepoId
    afterId?: number
    limit: number
  }): Promise<(HubEvent & { id: number; at: string })[]>
}
