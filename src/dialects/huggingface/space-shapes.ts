import type { SpaceValue } from '../../domain/spaces/ports.js'
import type { SpaceRuntime } from '../../domain/spaces/spaces.js'
import type { Right } from '../../domain/types.js'

/**
 * huggingface-wire B6.1. `hardware` is never null: 0.28 reads into it. Volumes are for those who may write: their names may be of
 * repositories that others must not know of.
 */
export function toRuntime(it: SpaceRuntime, right: Right) {
  return {
    stage: it.stage,
    ...(it.message ? { errorMessage: it.message } : {}),
    hardware: { current: it.hardware, requested: it.requestedHardware },
    storage: it.storage,
    gcTimeout: it.sleepSeconds,
    devMode: it.devMode,
    ...(it.volumes.length > 0 && right !== 'read' ? { volumes: it.volumes } : {}),
    ...(it.url ? { url: it.url } : {}),
  }
}

/** By key; a secret comes without its value. */
export function toValues(values: readonly (Omit<SpaceValue, 'value'> & { value?: string })[]) {
  return Object.fromEntries(
    values.map(({ key, value, description, updatedAt }) => [
      key,
      {
        ...(value === undefined ? {} : { value }),
        ...(description === null ? {} : { description }),
        updatedAt,
      },
    ]),
  )
}
