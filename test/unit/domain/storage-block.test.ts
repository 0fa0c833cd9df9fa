import { expect, test } from 'vitest'
import { percentage, storageBlockOf } from '../../../src/domain/quotas/quotas.js'
import type { Repo } from '../../../src/domain/types.js'

const repo = (gitBytes: number, lfsBytes: number, quotaBytes: number | null) =>
  ({ gitBytes, lfsBytes, quotaBytes }) as Repo

test('a repository with a limit of its own, as seed 000 shows it', () => {
  expect(storageBlockOf(repo(1_024, 5_368_709_120, 10_737_418_240), null)).toEqual({
    quota_bytes: 10_737_418_240,
    used_bytes: 5_368_710_144,
    available_bytes: 5_368_708_096,
    percentage_used: 50,
    effective_quota_bytes: 10_737_418_240,
    is_inheriting: false,
  })
})

test('one that inherits may come to use what its namespace has left', () => {
  expect(storageBlockOf(repo(100, 200, null), 700)).toEqual({
    quota_bytes: null,
    used_bytes: 300,
    available_bytes: 700,
    percentage_used: 30,
    effective_quota_bytes: 1_000,
    is_inheriting: true,
  })
})

test('without any limit there is nothing to be a part of', () => {
  expect(storageBlockOf(repo(1, 2, null), null)).toMatchObject({
    used_bytes: 3,
    available_bytes: null,
    percentage_used: null,
    effective_quota_bytes: null,
  })
})

test('what is available is never negative, and never more than the namespace has left', () => {
  expect(storageBlockOf(repo(0, 500, 400), null).available_bytes).toBe(0)
  expect(storageBlockOf(repo(0, 500, 900), 100).available_bytes).toBe(100)
})

test('percentages have two decimals, and a limit of nothing is full at once', () => {
  expect([percentage(1, 3), percentage(0, 0), percentage(1, 0), percentage(1, null)]).toEqual([
    33.33,
    0,
    100,
    null,
  ])
})
