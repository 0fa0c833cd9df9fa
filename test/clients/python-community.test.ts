import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'

const GROUPS = ['gated', 'collections', 'papers', 'people']

test.each(PYTHON_CLIENTS)(
  'huggingface_hub %s: gates, collections, papers, people',
  async (version) => {
    const hub = await startTestHub()
    const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
    await hub.user('eve')
    const root = await hub.user('root1', { admin: true, role: 'admin' })
    await hub.org('lab', ada, { eve: 'reader' })
    const facts = {
      ada: ada.token,
      bob: bob.token,
      admin: root.token,
      reader: await hub.token(ada.user, { role: 'read' }),
    }
    const env = { HF_HUB_DISABLE_XET: '1' }
    const out = await runPython(hub, {
      version,
      script: 'python-community.py',
      as: ada,
      facts,
      env,
    })
    // every group says that it ran to its end
    const said = out.split('\n').filter((it) => it.startsWith('ok '))
    expect(said).toEqual(GROUPS.map((it) => `ok ${it}`))
  },
)
