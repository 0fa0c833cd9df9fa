import { z } from 'zod'
import type { SpaceOrder } from './spaces.js'

/*
 * How requests spell what a Space is to have (huggingface-wire B3.1, B6): creations and copies alike, which are two dialects'.
 */
export const SpaceValueField = z.object({
  key: z.string(),
  value: z.string(),
  description: z.string().nullish(),
})

const KINDS = ['model', 'dataset', 'space'] as const
export const SpaceVolumesField = z
  .array(
    z.object({
      type: z.enum(KINDS, `must be one of ${KINDS.join(', ')}; there are no buckets`),
      source: z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'must have the form namespace/name'),
      mountPath: z.string().max(200),
      revision: z.string().max(200).optional(),
      readOnly: z.boolean().optional(),
      path: z.string().max(1_000).optional(),
    }),
  )
  .max(100)

export const SpaceFields = {
  hardware: z.string().nullish(),
  storageTier: z.string().nullish(),
  sleepTimeSeconds: z.number().nullish(),
  secrets: z.array(SpaceValueField).max(1_000).nullish(),
  variables: z.array(SpaceValueField).max(1_000).nullish(),
  volumes: SpaceVolumesField.nullish(),
}

export function toSpaceOrder(body: z.output<z.ZodObject<typeof SpaceFields>>): SpaceOrder {
  const { hardware, storageTier, sleepTimeSeconds, secrets, variables, volumes } = body
  return {
    hardware,
    storage: storageTier,
    sleepSeconds: sleepTimeSeconds,
    secrets,
    variables,
    volumes,
  }
}
