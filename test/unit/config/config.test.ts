import { expect, test } from 'vitest'
import { readConfig, SETTINGS } from '../../../src/config/config.js'

test('flags win over variables, empty values count as none', () => {
  const config = readConfig({ PACKHORSE_PORT: '1', PACKHORSE_HOST: '' }, { PORT: '2' })
  expect([config.port, config.host]).toEqual([2, '127.0.0.1'])
})

test('every mistake is named', () => {
  const wrong = () =>
    readConfig({
      PACKHORSE_PORT: '70000',
      PACKHORSE_S3_BUCKET: 'b',
      PACKHORSE_MAX_LFS_BYTES: '5 apples',
      PACKHORSE_S3_PROXY: 'perhaps',
    })
  expect(wrong).toThrow(/PACKHORSE_PORT/)
  expect(wrong).toThrow(/PACKHORSE_S3_BUCKET: needs/)
  expect(wrong).toThrow(/PACKHORSE_MAX_LFS_BYTES: must be a number of bytes/)
  expect(wrong).toThrow(/PACKHORSE_S3_PROXY: must be yes or no/)
})

test.each([
  ['none', false],
  ['2', 2],
  ['loopback', 'loopback'],
  ['10.0.0.0/8, loopback', '10.0.0.0/8, loopback'],
  ['fd00::/8', 'fd00::/8'],
])('trusted proxies %s', (text, meaning) => {
  expect(readConfig({ PACKHORSE_TRUST_PROXY: text }).trustProxy).toBe(meaning)
})

test.each(['everybody', 'loopback,', '1.2.3.4 5.6.7.8'])('no trusted proxies: %s', (text) => {
  expect(() => readConfig({ PACKHORSE_TRUST_PROXY: text })).toThrow(/PACKHORSE_TRUST_PROXY/)
})

test.each([
  ['1', 1],
  ['5GB', 5e9],
  ['5 GiB', 5 * 1024 ** 3],
  ['1.5k', 1500],
])('%s bytes', (text, bytes) => {
  expect(readConfig({ PACKHORSE_MAX_JSON_BYTES: text }).maxJsonBytes).toBe(bytes)
})

test('misspelt variables are noticed, those of Kubernetes are not ours', () => {
  const env = { PACKHORSE_PROT: '1', PACKHORSE_PORT_80_TCP: 'x', PACKHORSE_SERVICE_HOST: 'y' }
  expect(readConfig(env).unknown).toEqual(['PACKHORSE_PROT'])
})

test('every setting explains itself', () => {
  expect(SETTINGS.filter((it) => it.description.length < 5)).toEqual([])
})

test('the runner is a program, or a JSON array of it and its arguments', () => {
  const runner = (text: string) => readConfig({ PACKHORSE_SPACE_RUNNER: text }).spaceRunner
  expect(runner('/opt/my runner')).toEqual(['/opt/my runner'])
  expect(runner('["/opt/runner", "--pool", "a b"]')).toEqual(['/opt/runner', '--pool', 'a b'])
  for (const wrong of ['[', '[]', '[1]', '["a", ""]'])
    expect(() => runner(wrong)).toThrow('PACKHORSE_SPACE_RUNNER: must be a program')
  expect(() => readConfig({ PACKHORSE_SPACES_URL: 'spaces.example.org' })).toThrow(
    'PACKHORSE_SPACES_URL: must be a http or https URL',
  )
})
