import { checkFilePath } from '../commits/paths.js'
import { HubError } from '../errors.js'
import { isSafeRevision } from '../refs/ref-names.js'
import { type NewSpaceValue, SPACE_SDKS, type SpaceSdk, type SpaceVolume } from './ports.js'

/** Flavors that clients know (SpaceHardware of huggingface_hub); what they are on this hub is the runner's business. */
export const SPACE_HARDWARE =
  `cpu-basic cpu-upgrade cpu-performance cpu-xl zero-a10g t4-small t4-medium l4x1 l4x4 l40sx1
  l40sx4 l40sx8 a10g-small a10g-large a10g-largex2 a10g-largex4 a100-large a100x4 a100x8 h200 h200x2 h200x4 h200x8
  rtx-pro-6000 rtx-pro-6000x2 rtx-pro-6000x4 rtx-pro-6000x8`.split(/\s+/)
export const USUAL_HARDWARE = 'cpu-basic'
/** The Hub's: 48 hours on the usual hardware, never on any other. */
const USUAL_SLEEP_SECONDS = 48 * 3600
const MAX_SLEEP_SECONDS = 366 * 86_400
export const SPACE_STORAGE = ['small', 'medium', 'large']

/** Of secrets and of variables each. Together they fit into the environment of a process. */
export const MAX_SPACE_VALUES = 100
const MAX_VALUE_BYTES = 8 * 1024
const MAX_VOLUMES = 20

export function checkSdk(sdk: string): SpaceSdk {
  const known = SPACE_SDKS.find((it) => it === sdk)
  if (!known)
    throw new HubError('invalid_input', `The sdk of a Space is one of ${SPACE_SDKS.join(', ')}.`)
  return known
}

export function checkHardware(flavor: string): string {
  if (!SPACE_HARDWARE.includes(flavor))
    throw new HubError('invalid_input', `The hardware is one of ${SPACE_HARDWARE.join(', ')}.`)
  return flavor
}

export function checkStorage(tier: string): string {
  if (!SPACE_STORAGE.includes(tier))
    throw new HubError('invalid_input', `The storage tier is one of ${SPACE_STORAGE.join(', ')}.`)
  return tier
}

export function checkSleep(seconds: number): number {
  const isFine = seconds === -1 || (seconds > 0 && seconds <= MAX_SLEEP_SECONDS)
  if (!Number.isInteger(seconds) || !isFine)
    throw new HubError('invalid_input', 'The sleep time is a number of seconds, or -1 for never.')
  return seconds
}

/** What applies: null = never. */
export function sleepTime(settings: {
  hardware: string | null
  sleepSeconds: number | null
}): number | null {
  const { hardware, sleepSeconds } = settings
  if (sleepSeconds === -1) return null
  if (sleepSeconds !== null) return sleepSeconds
  return (hardware ?? USUAL_HARDWARE) === USUAL_HARDWARE ? USUAL_SLEEP_SECONDS : null
}

/** A name that an environment variable can have, and a value. */
export function checkValue(it: {
  key: string
  value: string
  description?: string | null | undefined
}): NewSpaceValue {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(it.key))
    throw new HubError(
      'invalid_input',
      'A key has 1 to 128 letters, digits and "_", and does not begin with a digit.',
    )
  if (Buffer.byteLength(it.value) > MAX_VALUE_BYTES || it.value.includes('\0'))
    throw new HubError(
      'invalid_input',
      `The value of ${it.key} has more than ${MAX_VALUE_BYTES} bytes, or a NUL in it.`,
    )
  const description = it.description ?? null
  if (description !== null && description.length > 1_000)
    throw new HubError(
      'invalid_input',
      `The description of ${it.key} has more than 1000 characters.`,
    )
  return { key: it.key, value: it.value, description }
}

/** A list of a creation: each key once. */
export function checkValues(values: readonly Parameters<typeof checkValue>[0][]): NewSpaceValue[] {
  if (values.length > MAX_SPACE_VALUES || new Set(values.map((it) => it.key)).size < values.length)
    throw new HubError(
      'invalid_input',
      `At most ${MAX_SPACE_VALUES} secrets and as many variables, each key once.`,
    )
  return values.map(checkValue)
}

export function checkVolumes(volumes: readonly SpaceVolume[]): readonly SpaceVolume[] {
  const places = new Set(volumes.map((it) => it.mountPath))
  if (volumes.length > MAX_VOLUMES || places.size < volumes.length)
    throw new HubError('invalid_input', `At most ${MAX_VOLUMES} volumes, each at another path.`)
  for (const { mountPath, readOnly, path, revision } of volumes) {
    const segments = mountPath.split('/').slice(1)
    const isFine = segments.every((it) => /^[\w.-]{1,100}$/.test(it) && it !== '.' && it !== '..')
    if (!mountPath.startsWith('/') || !isFine)
      throw new HubError('invalid_input', 'A volume is mounted at an absolute path such as /data.')
    // both reach the operator's command, which may hand them to git and to the file system
    if (path !== undefined && path !== '') checkFilePath(path)
    if (revision !== undefined && !isSafeRevision(revision))
      throw new HubError('invalid_input', 'The revision of a volume is a branch, tag or commit id.')
    if (readOnly === false)
      throw new HubError('invalid_input', 'Repositories are mounted read-only.')
  }
  return volumes.map((it) => ({ ...it, readOnly: true }))
}
