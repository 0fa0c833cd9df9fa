import { join } from 'node:path'
import type { Bench } from '../bench.js'
import type { GitSide } from './sides.js'

/** A work repository with the full history that makes one-file commits and pushes them with real git. */
export class Pusher {
  readonly #bench: Bench
  readonly #dir: string
  readonly #remote: string
  #number = 0

  private constructor(bench: Bench, dir: string, remote: string) {
    this.#bench = bench
    this.#dir = dir
    this.#remote = remote
  }

  static async open(bench: Bench, side: GitSide, repository: string): Promise<Pusher> {
    const dir = join(await bench.folder('push'), 'work.git')
    const { plain } = await bench.source()
    await bench.git.run(['clone', '-q', '--bare', '--local', plain, dir])
    const pusher = new Pusher(bench, dir, side.remote(repository))
    // Another row may have pushed to this copy before.
    await bench.git.run(['fetch', '-q', pusher.#remote, '+main:main'], { cwd: dir })
    return pusher
  }

  /** Seconds that `git push` takes; making the commit is outside. */
  async push(): Promise<number> {
    await this.#commit()
    const push = ['push', '-q', this.#remote, 'main:main']
    return (await this.#bench.git.run(push, { cwd: this.#dir })).seconds
  }

  async #commit(): Promise<void> {
    this.#number += 1
    const content = `${process.hrtime.bigint()} ${this.#number}\n`
    const message = `Push ${this.#number}\n`
    const input = `commit refs/heads/main
committer Bench <bench@localhost> ${Math.floor(Date.now() / 1000)} +0000
data ${message.length}
${message}from refs/heads/main^0
M 100644 inline pushed/file-${this.#number % 50}.txt
data ${content.length}
${content}
done
`
    await this.#bench.git.run(['fast-import', '--quiet', '--done'], { cwd: this.#dir, input })
  }
}
