import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/domain/ports.js'

const MIB = 1024 * 1024

export const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
const never = new AbortController().signal

/** In pieces, as a network gives them. */
export function streamOf(bytes: Buffer, pieceBytes = 60_000): Readable {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(bytes.subarray(at, at + pieceBytes))
  return Readable.from(pieces, { objectMode: false })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const promise = (bytes: Buffer) => ({ size: bytes.length, sha256: sha256(bytes) })

/** What every object store keeps, whatever it is made of. `open` answers a fresh, empty one. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  describe(`${name} object store`, () => {
    test('gives back what was put, whole and in ranges', async () => {
      const store = await open()
      const bytes = randomBytes(3 * MIB + 17)
      expect(await store.put('lfs/a', streamOf(bytes), promise(bytes), never)).toEqual(
        promise(bytes),
      )
      expect(await store.size('lfs/a')).toBe(bytes.length)
      expect((await buffer(await store.open('lfs/a'))).equals(bytes)).toBe(true)
      const range = { first: 1_000_000, last: 2_000_001 }
      const middle = await buffer(await store.open('lfs/a', range))
      expect(middle.equals(bytes.subarray(1_000_000, 2_000_002))).toBe(true)
      const last = { first: bytes.length - 1, last: bytes.length - 1 }
      expect(await buffer(await store.open('lfs/a', last))).toEqual(bytes.subarray(-1))
    })

    test('small objects, many at a time and one of them twice, are there when they are acknowledged', async () => {
      const store = await open()
      const small = Array.from({ length: 150 }, (_, n) => randomBytes(n * 100))
      const keyOf = (bytes: Buffer) => `lfs/${sha256(bytes).slice(0, 2)}/${sha256(bytes)}`
      const put = async (bytes: Buffer) => {
        await store.putSmall(keyOf(bytes), bytes, sha256(bytes))
        expect((await buffer(await store.open(keyOf(bytes)))).equals(bytes)).toBe(true)
      }
      await Promise.all([...small, small[7] as Buffer].map(put))
      const [some = Buffer.alloc(0)] = small.slice(9)
      const middle = { first: 10, last: 99 }
      const read = await store.readSmall?.(keyOf(some), middle)
      if (store.kind === 'disk') expect(read).toEqual(some.subarray(10, 100))
      await expect(
        store.readSmall?.('lfs/none', middle) ?? store.open('lfs/none'),
      ).rejects.toMatchObject({ code: 'object_not_found' })
      await store.close()
    })

    test('takes an empty object and one larger than a part', async () => {
      const store = await open()
      for (const bytes of [Buffer.alloc(0), randomBytes(20 * MIB + 3)]) {
        await store.put('lfs/a', streamOf(bytes), promise(bytes), never)
        expect(await store.size('lfs/a')).toBe(bytes.length)
        expect((await buffer(await store.open('lfs/a'))).equals(bytes)).toBe(true)
      }
    })

    test.each([100, 18 * MIB])(
      'keeps nothing of %i bytes that are not the promised ones',
      async (size) => {
        const store = await open()
        const bytes = randomBytes(size)
        const wrong = [
          [{ ...promise(bytes), sha256: sha256('other') }, 'checksum_mismatch'],
          [{ ...promise(bytes), size: size + 1 }, 'checksum_mismatch'],
          [{ ...promise(bytes), size: size - 1 }, 'too_large'],
          [{ maxBytes: size - 1 }, 'too_large'],
        ] as const
        for (const [expectation, code] of wrong) {
          const put = store.put('lfs/a', streamOf(bytes), expectation, never)
          await expect(put).rejects.toMatchObject({ code })
          expect(await store.size('lfs/a')).toBeUndefined()
        }
      },
    )

    test('keeps nothing of a body that breaks off, and none of its pieces', async () => {
      const store = await open()
      for (const after of [10, 12 * MIB]) {
        const body = Readable.from(
          (async function* () {
            yield randomBytes(after)
            throw new Error('the client left')
          })(),
          { objectMode: false },
        )
        const put = store.put('lfs/a', body, { size: 30 * MIB }, never)
        await expect(put).rejects.toThrow('the client left')
        expect(await store.size('lfs/a')).toBeUndefined()
      }
      expect(await all(store.list(''))).toEqual([])
    })

    test('stops at an abort', async () => {
      const store = await open()
      const abort = new AbortController()
      const body = new Readable({ read: () => undefined })
      body.push(randomBytes(1000))
      const put = store.put('lfs/a', body, {}, abort.signal)
      setTimeout(() => abort.abort(), 20)
      await expect(put).rejects.toMatchObject({ name: 'AbortError' })
      expect(body.destroyed).toBe(true)
      expect(await store.size('lfs/a')).toBeUndefined()
    })

    test('several puts of the same object at once all succeed', async () => {
      const store = await open()
      const bytes = randomBytes(9 * MIB)
      await Promise.all(
        [1, 2, 3].map(() => store.put('lfs/a', streamOf(bytes), promise(bytes), never)),
      )
      expect((await buffer(await store.open('lfs/a'))).equals(bytes)).toBe(true)
    })

    test('an absent object is absent everywhere', async () => {
      const store = await open()
      expect(await store.size('lfs/a')).toBeUndefined()
      await expect(store.open('lfs/a')).rejects.toMatchObject({ code: 'object_not_found' })
      const verify = store.verify('lfs/a', promise(Buffer.from('x')), never)
      await expect(verify).rejects.toMatchObject({ code: 'object_not_found' })
      await store.delete('lfs/a')
    })

    test('verify looks at what is held', async () => {
      const store = await open()
      const bytes = randomBytes(9 * MIB)
      await store.put('lfs/a', streamOf(bytes), {}, never)
      await store.verify('lfs/a', promise(bytes), never)
      for (const wrong of [
        { ...promise(bytes), sha256: sha256('other') },
        { ...promise(bytes), size: 1 },
      ])
        await expect(store.verify('lfs/a', wrong, never)).rejects.toMatchObject({
          code: expect.stringMatching(/checksum_mismatch|too_large/),
        })
    })

    test('deletes, lists by prefix, and is usable', async () => {
      const store = await open()
      await store.check()
      for (const key of ['lfs/ab/1', 'lfs/ab/2', 'other/3'])
        await store.put(key, streamOf(Buffer.from(key)), {}, never)
      await store.delete('lfs/ab/1')
      const listed = await all(store.list('lfs/'))
      expect(listed.map(({ key, size }) => [key, size])).toEqual([['lfs/ab/2', 8]])
      expect(Math.abs(Date.now() - (listed[0]?.modifiedAt.getTime() ?? 0))).toBeLessThan(3600_000)
    })

    partsContract(open)
  })
}

function partsContract(open: () => Promise<ObjectStore>): void {
  const partSize = 5 * MIB
  const bytes = randomBytes(2 * partSize + 1000)
  const expectation = { ...promise(bytes), partSize }
  const slice = (number: number) => bytes.subarray((number - 1) * partSize, number * partSize)

  async function begin() {
    const store = await open()
    const id = await store.parts.begin('lfs/a')
    const send = (number: number, content = slice(number), size = content.length) =>
      store.parts.putPart('lfs/a', id, number, streamOf(content), size, never)
    const complete = (expected = expectation) => store.parts.complete('lfs/a', id, expected, never)
    return { store, id, send, complete }
  }

  test('parts in any order, some of them again, make the object; completing twice is fine', async () => {
    const { store, send, complete } = await begin()
    for (const number of [3, 1, 2, 1]) expect(await send(number)).not.toBe('')
    expect(await store.size('lfs/a')).toBeUndefined()
    await complete()
    await complete()
    expect((await buffer(await store.open('lfs/a'))).equals(bytes)).toBe(true)
  })

  test('two completions at the same time both succeed', async () => {
    const { store, send, complete } = await begin()
    for (const number of [1, 2, 3]) await send(number)
    await Promise.all([complete(), complete()])
    expect((await buffer(await store.open('lfs/a'))).equals(bytes)).toBe(true)
  })

  test('a missing part is named, and may still come', async () => {
    const { store, send, complete } = await begin()
    await send(1)
    await send(3)
    await expect(complete()).rejects.toMatchObject({
      code: 'unprocessable',
      message: expect.stringContaining('2'),
    })
    expect(await store.size('lfs/a')).toBeUndefined()
    await send(2)
    await complete()
    expect(await store.size('lfs/a')).toBe(bytes.length)
  })

  test('a part of another size is refused', async () => {
    const { send, complete } = await begin()
    await expect(send(1, slice(1), partSize + 1)).rejects.toMatchObject({
      code: 'checksum_mismatch',
    })
    await expect(send(1, slice(1), partSize - 1)).rejects.toMatchObject({ code: 'too_large' })
    for (const number of [2, 3]) await send(number)
    await expect(complete()).rejects.toMatchObject({ code: 'unprocessable' })
  })

  test('parts that make something else leave nothing', async () => {
    const { store, send, complete } = await begin()
    for (const number of [1, 2, 3]) await send(number, number === 2 ? slice(1) : slice(number))
    await expect(complete()).rejects.toMatchObject({ code: 'checksum_mismatch' })
    expect(await store.size('lfs/a')).toBeUndefined()
    await expect(complete()).rejects.toMatchObject({ code: 'object_not_found' })
  })

  test('an aborted upload takes no part and cannot be completed', async () => {
    const { store, id, send, complete } = await begin()
    await send(1)
    await store.parts.abort('lfs/a', id)
    await store.parts.abort('lfs/a', id)
    await expect(send(2)).rejects.toMatchObject({ code: 'object_not_found' })
    await expect(complete()).rejects.toMatchObject({ code: 'object_not_found' })
    expect(await all(store.list(''))).toEqual([])
  })
}
