import { randomBytes } from 'node:crypto'
import { issueToken } from './domain/accounts/login.js'
import { HubError } from './domain/errors.js'
import type { Hub } from './hub.js'

const NAME = 'packer'

/** The first start makes an admin account and says, once, how to use it. */
export async function welcome(hub: Hub): Promise<void> {
  const { stores, accounts, config } = hub.domain
  if ((await stores.accounts.countUsers()) > 0) return
  const password = randomBytes(12).toString('base64url')
  const user = await accounts
    .createUser({ name: NAME, password, isSiteAdmin: true })
    .catch((err) => {
      // another process, started at the same time on the same data, was first
      if (err instanceof HubError && err.code === 'conflict') return undefined
      throw err
    })
  if (!user) return
  const { secret } = await issueToken(stores.accounts, {
    userId: user.id,
    name: 'first token',
    role: 'write',
  })
  const url = config.publicUrl ?? hub.url
  const withUser = url.replace('://', `://${NAME}:${secret}@`)
  const identity = `-c user.name=${NAME} -c user.email=${NAME}@localhost`
  process.stdout.write(`
Packhorse is ready. This is shown once:

  admin account   ${NAME}
  password        ${password}
  write token     ${secret}

Try it (create, clone, push):

  curl -X POST ${url}/api/repos/create -H "Authorization: Bearer ${secret}" -H "Content-Type: application/json" -d '{"type":"model","name":"first"}'
  git clone ${withUser}/${NAME}/first.git
  cd first && echo hello > hello.txt && git add hello.txt && git ${identity} commit -m "hello" && git push

`)
}
