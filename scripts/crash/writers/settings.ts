import { demand, request, type Session, type Writer } from '../session.js'

/** Turns a repository private and public again. */
export class SettingsChanger implements Writer {
  readonly name = 'settings'
  acknowledged = 0
  readonly #repo = 'settings'
  #possible = new Set([false])
  #made = false

  async act(it: Session): Promise<void> {
    if (!this.#made) {
      await demand(it, '/api/repos/create', { json: { type: 'model', name: this.#repo } })
      this.#made = true
    }
    const next = it.random.below(2) === 0
    this.#possible.add(next)
    const path = `/api/models/${it.user}/${this.#repo}/settings`
    await demand(it, path, { method: 'PUT', json: { private: next } })
    this.#possible = new Set([next])
    this.acknowledged += 1
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const path = `/${it.user}/${this.#repo}.git/info/refs?service=git-upload-pack`
    const { status } = await request(it, path, { anonymous: true })
    const isPrivate = status === 401
    const problems =
      (status === 200 || isPrivate) && this.#possible.has(isPrivate)
        ? []
        : [`settings: anonymous gets ${status}, private is ${[...this.#possible].join(' or ')}`]
    this.#possible = new Set([isPrivate])
    return problems
  }

  static async isServed(it: Session): Promise<boolean> {
    const path = `/api/models/${it.user}/probe/settings`
    const { status } = await request(it, path, { method: 'PUT', json: { private: false } })
    return status !== 404
  }
}
