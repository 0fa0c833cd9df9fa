import { z } from 'zod'
import type { AppReport, AppRunner, AppStart } from '../domain/apps/ports.js'
import { HubError } from '../domain/errors.js'
import { type CommandResult, runCommand } from './command.js'

/*
 * The operator's command (docs/operations.md, "Running Spaces and endpoints"):
 *   COMMAND… start|stop|status ID       one JSON object on stdout
 *   COMMAND… logs ID build|run          text on stdout
 */
const START_MS = 60_000
const ASK_MS = 20_000
const MAX_JSON_BYTES = 64 * 1024
const MAX_LOG_BYTES = 1024 * 1024
/** Each follower of a log asks again and again. */
const MAX_LOG_READERS = 8
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const Report = z.object({
  stage: z.enum(['BUILDING', 'APP_STARTING', 'RUNNING', 'BUILD_ERROR', 'RUNTIME_ERROR', 'STOPPED']),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .nullish(),
  message: z.string().max(2_000).nullish(),
  idleSeconds: z.number().min(0).nullish(),
})

type App = Pick<AppStart, 'id' | 'kind'>

export function appRunner(command: readonly string[]): AppRunner {
  let logReaders = 0
  const run = async (
    verb: string,
    app: App,
    options: { more?: readonly string[]; env?: AppStart['env']; ms: number; maxBytes: number },
    signal: AbortSignal,
  ): Promise<string> => {
    const { more = [], env = {}, ms, maxBytes } = options
    const result = await runCommand([...command, verb, app.id, ...more], {
      env: { ...env, PATH, PACKHORSE_APP_ID: app.id, PACKHORSE_APP_KIND: app.kind },
      timeoutMs: ms,
      maxBytes,
      signal,
    }).catch((err: NodeJS.ErrnoException) => {
      throw failed(`The runner cannot be started (${err.code ?? 'unknown'}).`, verb, app)
    })
    // the hub is going down: nothing is known of the app, so nothing may be written down
    signal.throwIfAborted()
    const problem = problemOf(result)
    if (problem) throw failed(`The runner failed to ${verb}: ${problem}.`, verb, app, result)
    return result.stdout.toString('utf8')
  }
  const report = async (...args: Parameters<typeof run>) => readReport(await run(...args), args[1])

  return {
    start: (app, signal) =>
      report('start', app, { env: app.env, ms: START_MS, maxBytes: MAX_JSON_BYTES }, signal),
    async stop(app, signal) {
      await run('stop', app, { ms: START_MS, maxBytes: MAX_JSON_BYTES }, signal)
    },
    status: (app, signal) =>
      report('status', app, { ms: ASK_MS, maxBytes: MAX_JSON_BYTES }, signal),
    async logs(app, which, signal) {
      if (logReaders >= MAX_LOG_READERS)
        throw new HubError('busy', 'Too many logs are read at this moment.')
      logReaders += 1
      try {
        const options = { more: [which], ms: ASK_MS, maxBytes: MAX_LOG_BYTES }
        return await run('logs', app, options, signal)
      } finally {
        logReaders -= 1
      }
    },
  }
}

function readReport(text: string, app: App): AppReport {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw failed('The runner did not answer with JSON.', 'report', app)
  }
  const parsed = Report.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw failed(
      `The runner's answer is wrong: ${issue?.path.join('.')} ${issue?.message}`,
      'report',
      app,
    )
  }
  const { stage, url, message, idleSeconds } = parsed.data
  return {
    stage,
    url: url ?? null,
    message: message ?? null,
    idleSeconds: idleSeconds ?? undefined,
  }
}

/** What the runner says on stderr is for the log: it may name what callers must not see. */
function problemOf({ code, why }: CommandResult): string | undefined {
  if (why !== 'ended') return why
  return code === 0 ? undefined : code === null ? 'it was killed' : `exit code ${code}`
}

function failed(text: string, verb: string, app: App, result?: CommandResult): HubError {
  const { id } = app
  return new HubError('unprocessable', text, { verb, app: id, stderr: result?.stderr })
}
