import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '../lib/exists.js'
import { freePort, whenAnswering } from '../lib/free-port.js'
import { Service } from '../lib/process.js'

const MODULES = '/usr/lib/apache2/modules'

export interface Apache {
  readonly url: string
  readonly gitRoot: string
  stop(): Promise<void>
}

/** Apache + mod_cgid + git http-backend, the set-up of git's own manual page. */
export async function startApache(dir: string, httpBackend: string): Promise<Apache | undefined> {
  if (!(await exists(`${MODULES}/mod_cgid.so`))) return undefined
  const gitRoot = join(dir, 'git')
  await mkdir(gitRoot, { recursive: true })
  const port = await freePort()
  const conf = join(dir, 'apache.conf')
  await writeFile(conf, configuration(dir, port, gitRoot, httpBackend))
  const env = { PATH: `${process.env.PATH}:/usr/sbin`, HOME: dir, LC_ALL: 'C' }
  const service = new Service('apache', 'apache2', ['-D', 'FOREGROUND', '-f', conf], { env })
  const url = `http://127.0.0.1:${port}`
  try {
    await service.ready(() => whenAnswering(`${url}/`))
  } catch (error) {
    await service.stop()
    throw error
  }
  return { url, gitRoot, stop: () => service.stop() }
}

function configuration(dir: string, port: number, gitRoot: string, httpBackend: string): string {
  const modules = ['mpm_event', 'authz_core', 'env', 'setenvif', 'alias', 'cgid']
    .map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
    .join('\n')
  // Apache refuses to serve as root; the account has to reach the repositories, which the caller opens for it.
  const account = process.getuid?.() === 0 ? 'User www-data\nGroup www-data' : ''
  return `ServerRoot ${dir}
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile ${dir}/apache.pid
ErrorLog ${dir}/apache.log
${modules}
${account}
ScriptSock ${dir}/cgid.sock
MaxKeepAliveRequests 0
SetEnv GIT_PROJECT_ROOT ${gitRoot}
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnv REMOTE_USER bench
SetEnvIf Git-Protocol ".*" GIT_PROTOCOL=$0
ScriptAlias /git/ ${httpBackend}/
<Directory />
  Require all granted
</Directory>
`
}
