import { type Access, requireSiteAdmin } from '../access/access.js'
import { isArxivId } from '../cards/arxiv.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, Repo } from '../types.js'
import type { DailyQuery, Paper, PaperStore } from './ports.js'
import { undescribed } from './undescribed.js'

const MAX_LINKED = 100

/** Papers that the hub knows: those that cards of repositories name, and those that an administrator described. */
export class Papers {
  readonly #papers: PaperStore
  readonly #events: EventStore
  readonly #access: Access

  constructor(parts: { papers: PaperStore; events: EventStore; access: Access }) {
    this.#papers = parts.papers
    this.#events = parts.events
    this.#access = parts.access
  }

  /** Throws `not_found`, also for one that only repositories name which the caller may not see. */
  async read(caller: Caller, id: string): Promise<Paper> {
    const known = isArxivId(id) ? await this.#papers.find(id) : undefined
    if (known) return known
    const visibleTo = this.#access.visibleTo(caller)
    if (isArxivId(id) && (await this.#papers.listRepos(id, { visibleTo, limit: 1 })).length > 0)
      return undescribed(id)
    throw new HubError('not_found', 'Paper not found')
  }

  search(caller: Caller, text: string | undefined, limit: number): Promise<Paper[]> {
    return this.#papers.search({ text, visibleTo: this.#access.visibleTo(caller), limit })
  }

  /** Those that an administrator put on a day's list. */
  daily(query: DailyQuery): Promise<Paper[]> {
    return this.#papers.listDaily(query)
  }

  linked(caller: Caller, id: string): Promise<Repo[]> {
    const visibleTo = this.#access.visibleTo(caller)
    return this.#papers.listRepos(id, { visibleTo, limit: MAX_LINKED })
  }

  /** Site administrators write down what the hub does not fetch from anywhere. Throws `invalid_input` for no arXiv id. */
  async describe(paper: Paper, actor: Actor): Promise<void> {
    requireSiteAdmin(actor.caller)
    if (!isArxivId(paper.id))
      throw new HubError('invalid_input', 'This is not an arXiv id (without version).')
    await this.#papers.save(paper)
    await this.#events.add(makeEvent('paper.describe', actor, undefined, { paper: paper.id }))
  }

  /** The paper stays known while repositories name it. Throws `not_found`. */
  async forget(id: string, actor: Actor): Promise<void> {
    requireSiteAdmin(actor.caller)
    if (!(await this.#papers.delete(id))) throw new HubError('not_found', 'Paper not found')
    await this.#events.add(makeEvent('paper.forget', actor, undefined, { paper: id }))
  }
}
