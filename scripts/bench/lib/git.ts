import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Finished, run } from './process.js'

/** The real git client in a clean environment: nothing of the account that runs the bench gets in. */
export class Git {
  readonly #env: NodeJS.ProcessEnv

  constructor(home: string) {
    this.#env = {
      PATH: process.env.PATH,
      HOME: home,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_LFS_SKIP_SMUDGE: '1',
    }
  }

  static async open(home: string): Promise<Git> {
    // The client's own housekeeping would run beside the measured command.
    const config = `[user]
	name = Bench
	email = bench@localhost
[init]
	defaultBranch = main
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	detachedHead = false
[lfs]
	locksverify = false
[filter "lfs"]
	clean = git-lfs clean -- %f
	smudge = git-lfs smudge -- %f
	process = git-lfs filter-process
	required = true
`
    await writeFile(join(home, '.gitconfig'), config)
    return new Git(home)
  }

  run(
    args: readonly string[],
    options: { cwd?: string; input?: string | Buffer } = {},
  ): Promise<Finished> {
    return run('git', args, { ...options, env: this.#env })
  }

  async line(cwd: string, ...args: string[]): Promise<string> {
    return (await this.run(args, { cwd })).stdout.trim()
  }

  get env(): NodeJS.ProcessEnv {
    return this.#env
  }
}
