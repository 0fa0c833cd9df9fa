/*
 * The process that starts git for the hub; launcher.ts says why. It knows nothing but what it is told over its IPC
 * channel, ends when that closes, and takes the directory of the socket with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { tail } from '../lib/tail.js'
import type { LauncherReport, LaunchOrder } from './launcher.js'
import { lowerPriority } from './priority.js'

const socketPath = process.argv[2] ?? ''
const running = new Map<number, ChildProcess>()

// Ctrl-C in a terminal reaches everybody: the hub decides when its git processes end
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

process.on('message', (order: LaunchOrder | { readonly kill: number }) => {
  if ('kill' in order) running.get(order.kill)?.kill('SIGTERM')
  else start(order).catch((err: Error) => report({ id: order.id, failed: err.message }))
})
process.on('disconnect', leave)
// the hub may have gone while we were loading
if (process.connected) report({ id: 0 })
else leave()

function leave(): void {
  rmSync(dirname(socketPath), { recursive: true, force: true })
  process.exit()
}

async function start({
  id,
  token,
  args,
  cwd,
  env,
  channel,
  background,
}: LaunchOrder): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: channel ? 3 : 2 }, (_, n) => meet(`${token}${n}`)),
  )
  const [stdin, stdout, third] = sockets as [Socket, Socket, Socket | undefined]
  const stdio = [stdin, stdout, 'pipe' as const, ...(third ? ['pipe' as const] : [])]
  const child = spawn('git', args, { cwd, env, stdio })
  if (background) lowerPriority(child.pid)
  // git has its own descriptors of them now
  stdin.destroy()
  stdout.destroy()
  child.once('error', (err) => {
    third?.destroy()
    report({ id, failed: err.message })
  })
  if (child.pid === undefined || !child.stderr) return
  running.set(id, child)
  const stderr = tail(child.stderr, 8192)
  if (third) relay(third, child.stdio[3] as Duplex)
  child.once('close', (code) => {
    running.delete(id)
    third?.destroy()
    report({ id, code: code ?? -1, stderr: stderr() })
  })
  report({ id, pid: child.pid })
}

/** A connection to the hub that has said which stream of which process it is. */
async function meet(header: string): Promise<Socket> {
  const socket = connect(socketPath)
  socket.pause() // what comes is git's, not ours
  await once(socket, 'connect')
  await new Promise<void>((resolve, reject) =>
    socket.write(header, (err) => (err ? reject(err) : resolve())),
  )
  return socket
}

/** Hooks read and write their end byte by byte, so it is a pipe of its own; it carries little. */
function relay(hub: Socket, hooks: Duplex): void {
  for (const it of [hub, hooks]) it.on('error', () => undefined)
  hub.pipe(hooks)
  hooks.pipe(hub)
}

function report(it: LauncherReport): void {
  // the hub may go while this is on its way: 'disconnect' says so
  if (process.connected) process.send?.(it, () => undefined)
}
