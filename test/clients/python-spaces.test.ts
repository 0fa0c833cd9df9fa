import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand, startTestHub, tempDir } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'

const RUNNER = fileURLToPath(new URL('../../scripts/example-runner.sh', import.meta.url))
const GROUPS = ['creation', 'values', 'hardware', 'running', 'static', 'copies', 'endpoints']

test.each(PYTHON_CLIENTS)('huggingface_hub %s has Spaces and endpoints', async (version) => {
  const state = await tempDir()
  onTestFinished(async () => {
    for (const id of await readdir(state))
      await runCommand(RUNNER, [state, 'stop', id], { cwd: tmpdir() })
  })
  const hub = await startTestHub({ PACKHORSE_SPACE_RUNNER: JSON.stringify([RUNNER, state]) })
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await hub.org('lab', ada)
  const reader = await hub.token(ada.user, { role: 'read' })
  const facts = { ada: ada.token, eve: eve.token, reader }
  const env = { HF_HUB_DISABLE_XET: '1' }
  const out = await runPython(hub, { version, script: 'python-spaces.py', as: ada, facts, env })
  const said = out.split('\n').filter((it) => it.startsWith('ok '))
  expect(said).toEqual(GROUPS.map((it) => `ok ${it}`))
})
