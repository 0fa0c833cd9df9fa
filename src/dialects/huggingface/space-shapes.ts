import type { SpaceValue } from '../../domain/spaces/ports.js'
import type { SpaceRuntime } from '../../domain/spaces/spaces.js'

/** huggingface-wire B6.1. `hardware` is never null: 0.28 reads into it. */
export function toRuntime(it: SpaceRuntime) {
  return {
    stage: it.stage,
    ...(it.message ? { errorMessage: it.message } : {}),
    hardware: { current: it.hardware, requested: it.requestedHardware },
    storage: it.storage,
    gcTimeout: it.sleepSeconds,
    devMode: it.devMode,
    ...(it.volumes.length > 0 ? { volumes: it.volumes } : {}),
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
