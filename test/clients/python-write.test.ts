import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { runPython } from '../support/python.js'

const GROUPS = [
  'repositories',
  'single files',
  'many files',
  'commits',
  'large folder',
  'scheduler',
  'pull requests',
  'branches and tags',
  'settings',
  'likes',
  'together',
]

// 0.36 is the last of the clients built on requests, 1.33 the first that follows redirects of HEAD
test.each(['0.28.1', '0.36.2', 'latest'])(
  'huggingface_hub %s writes everything',
  async (version) => {
    const hub = await startTestHub()
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const facts = { eve: eve.token, reader: await hub.token(ada.user, { role: 'read' }) }
    const env = { HF_HUB_DISABLE_XET: '1' }
    const out = await runPython(hub, { version, script: 'python-write.py', as: ada, facts, env })
    // every group says that it ran to its end
    const said = out.split('\n').filter((it) => it.startsWith('ok '))
    expect(said).toEqual(GROUPS.map((it) => `ok ${it}`))
  },
)
