import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort, whenAnswering } from '../lib/free-port.js'
import { Service } from '../lib/process.js'

export const FCGI_WORKERS = 4

export interface Nginx {
  readonly url: string
  readonly gitRoot: string
  readonly staticRoot: string
  stop(): Promise<void>
}

/** nginx + fcgiwrap + git http-backend, and nginx alone for plain files. */
export async function startNginx(dir: string, httpBackend: string): Promise<Nginx> {
  const gitRoot = join(dir, 'git')
  const staticRoot = join(dir, 'static')
  for (const each of [gitRoot, staticRoot, join(dir, 'tmp')]) await mkdir(each, { recursive: true })
  const port = await freePort()
  const socket = join(dir, 'fcgi.sock')
  const conf = join(dir, 'nginx.conf')
  await writeFile(conf, configuration({ dir, port, socket, gitRoot, staticRoot, httpBackend }))
  const env = { PATH: `${process.env.PATH}:/usr/sbin`, HOME: dir, LC_ALL: 'C' }
  const fcgi = new Service(
    'fcgiwrap',
    'fcgiwrap',
    ['-c', String(FCGI_WORKERS), '-s', `unix:${socket}`],
    { env },
  )
  const nginx = new Service('nginx', 'nginx', ['-p', dir, '-c', conf, '-e', 'stderr'], { env })
  const stop = async () => {
    await nginx.stop()
    await fcgi.stop()
  }
  try {
    const url = `http://127.0.0.1:${port}`
    await nginx.ready(() => whenAnswering(`${url}/static/`))
    return { url, gitRoot, staticRoot, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Places {
  readonly dir: string
  readonly port: number
  readonly socket: string
  readonly gitRoot: string
  readonly staticRoot: string
  readonly httpBackend: string
}

function configuration(at: Places): string {
  // Started as root, nginx would drop to an account that cannot read a private temporary directory.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const temps = ['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${at.dir}/tmp/${name};`)
    .join('\n')
  return `daemon off;
${user}
worker_processes auto;
pid ${at.dir}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
${temps}
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush on;
  keepalive_requests 100000000;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${at.port};
    location /static/ { alias ${at.staticRoot}/; }
    location ~ ^/git(/.*)$ {
      fastcgi_pass unix:${at.socket};
      fastcgi_param SCRIPT_FILENAME ${at.httpBackend};
      fastcgi_param GIT_PROJECT_ROOT ${at.gitRoot};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param PATH_INFO $1;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_USER bench;
      fastcgi_request_buffering off;
      fastcgi_buffering off;
      fastcgi_read_timeout 900s;
      fastcgi_send_timeout 900s;
    }
  }
}
`
}
