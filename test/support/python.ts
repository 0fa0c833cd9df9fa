import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { runCommand, type TestHub, type TestUser, tempDir } from './hub.js'

/** The client of the seed, and the newest. */
export const PYTHON_CLIENTS = ['0.28.1', 'latest'] as const

const CLIENTS = fileURLToPath(new URL('../clients/', import.meta.url))

/** Path of a python that has this huggingface_hub. */
export async function pythonWith(version: string): Promise<string> {
  const made = await runCommand('sh', [join(CLIENTS, 'venv.sh'), version], {
    cwd: CLIENTS,
    env: { HOME: await tempDir(), PIP_CACHE_DIR: process.env.PIP_CACHE_DIR ?? '', ...pipEnv() },
    timeoutMs: 600_000,
  })
  if (made.code !== 0) throw new Error(`no huggingface_hub ${version}: ${made.stderr}`)
  return made.stdout.trim()
}

/** Lets the story's calls be noted for test/clients/coverage.check.ts, when the runner of all stories asks for it. */
function noteCalls(): Record<string, string> {
  const { CLIENT_CALLS } = process.env
  return CLIENT_CALLS ? { CLIENT_CALLS, PYTHONPATH: join(CLIENTS, 'calls') } : {}
}

/** Where packages come from is the machine's business. */
function pipEnv(): Record<string, string> {
  const names = Object.keys(process.env).filter((it) => /^(pip_|https?_proxy|no_proxy)/i.test(it))
  return Object.fromEntries(names.map((it) => [it, process.env[it] ?? '']))
}

/** Runs a script of test/clients with the client pointed at the hub; its assertions are the test. Answers its output. */
export async function runPython(
  hub: TestHub,
  options: {
    version: string
    script: string
    as?: TestUser
    facts?: unknown
    env?: Record<string, string>
  },
): Promise<string> {
  const python = await pythonWith(options.version)
  const home = await tempDir()
  await mkdir(join(home, 'work'))
  await writeFile(join(home, 'facts.json'), JSON.stringify(options.facts ?? {}))
  const { code, stdout, stderr } = await runCommand(python, [join(CLIENTS, options.script)], {
    cwd: join(home, 'work'),
    env: {
      HOME: home,
      HF_HOME: join(home, 'hf'),
      HF_ENDPOINT: hub.url,
      HF_HUB_DISABLE_TELEMETRY: '1',
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
      FACTS: join(home, 'facts.json'),
      PYTHONWARNINGS: 'ignore',
      ...noteCalls(),
      ...(options.as ? { HF_TOKEN: options.as.token } : {}),
      ...options.env,
    },
    timeoutMs: 240_000,
  })
  expect(code, `${options.script} with ${options.version}\n${stdout}\n${stderr}`).toBe(0)
  return stdout
}
