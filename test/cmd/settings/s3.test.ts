import { describe, expect, it } from 'vitest'

import { S3_SETTINGS, s3OptionsOf } from '../../../cmd/settings/s3.ts'
import { mergeSettings, variableOf } from '../../../cmd/settings/settings.ts'
import { runDepot } from '../../helpers/run-depot.ts'

function optionsOf(settings: Readonly<Record<string, string>>) {
  return s3OptionsOf((name) => settings[name], '--s3-')
}

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'

describe('the settings of a bucket', () => {
  it('need no more than its name', () => {
    expect(optionsOf({ bucket: 'depot' })).toEqual({
      bucket: 'depot',
      region: 'us-east-1',
      endpoint: undefined,
      credentials: undefined,
      forcePathStyle: false,
      prefix: '',
      encryption: undefined,
      kmsKeyId: undefined,
      storageClass: undefined,
      checksums: true,
      settingPrefix: '--s3-',
    })
  })

  it('may be flags, variables and keys of the file', () => {
    const env = { [variableOf('s3-secret-access-key')]: SECRET, DEPOT_S3_CHECKSUMS: 'false' }
    const text = 's3-bucket = "in-file"\ns3-force-path-style = true\ns3-prefix = "a/b"\n'
    const values = mergeSettings(S3_SETTINGS, {
      flags: { 's3-access-key-id': ['AKIA'], 's3-endpoint': ['http://127.0.0.1:9000/'] },
      env,
      file: { path: 'depot.toml', text },
    })
    expect(s3OptionsOf((name) => values.get(`s3-${name}`)?.[0], '--s3-')).toMatchObject({
      bucket: 'in-file',
      endpoint: 'http://127.0.0.1:9000',
      credentials: { accessKeyId: 'AKIA', secretAccessKey: SECRET },
      forcePathStyle: true,
      prefix: 'a/b/',
      checksums: false,
    })
  })

  it.each([
    [{}, '--s3-bucket is missing'],
    [{ bucket: 'No_Bucket' }, '--s3-bucket takes the name of a bucket'],
    [{ bucket: 'a..b' }, '--s3-bucket takes the name of a bucket'],
    [{ region: 'Frankfurt!' }, '--s3-region takes a region'],
    [{ endpoint: 's3.example.org' }, '--s3-endpoint takes an http(s) URL'],
    [{ endpoint: 'https://s3.example.org/bucket' }, '--s3-endpoint takes an http(s) URL without a path'],
    [{ endpoint: `https://AKIA:${SECRET}@s3.example.org` }, '--s3-endpoint takes no key'],
    [{ 'access-key-id': 'AKIA' }, '--s3-secret-access-key is missing'],
    [{ 'secret-access-key': SECRET }, '--s3-access-key-id is missing'],
    [{ 'access-key-id': 'AKIA', 'secret-access-key': `${SECRET}\n` }, '--s3-secret-access-key has a blank'],
    [{ prefix: '/absolute' }, '--s3-prefix takes names'],
    [{ prefix: 'a/../b' }, '--s3-prefix takes names'],
    [{ prefix: '..' }, '--s3-prefix takes names'],
    [{ prefix: 'a//b' }, '--s3-prefix takes names'],
    [{ 'server-side-encryption': 'rot13' }, '--s3-server-side-encryption takes AES256 or aws:kms'],
    [{ 'kms-key-id': 'alias/depot' }, '--s3-kms-key-id goes with'],
    [{ 'storage-class': 'cold' }, '--s3-storage-class takes a class'],
    [{ checksums: 'perhaps' }, '--s3-checksums takes true or false'],
  ])('are refused in one line when they are %j', (settings, line) => {
    const all = { ...(line.includes('bucket is') ? {} : { bucket: 'depot' }), ...settings }
    expect(() => optionsOf(all)).toThrow(line)
    try {
      optionsOf(all)
    } catch (error) {
      expect(String(error)).not.toContain(SECRET)
    }
  })

  it('are refused where nothing would be put into the bucket', async () => {
    const { status, stderr } = await runDepot(['serve', '--check-config', '--s3-bucket', 'depot'])
    expect([status, stderr]).toEqual([2, expect.stringContaining('--s3-bucket goes with --storage-type s3')])
  })
})

describe('the secret of a bucket', () => {
  const given = ['--storage-type', 's3', '--s3-bucket', 'depot', '--s3-access-key-id', 'AKIA', '--s3-secret-access-key']

  it('is taken on the command line with a warning, and stands in nothing that is printed', async () => {
    const { stdout, stderr } = await runDepot(['serve', '--print-routes', ...given, SECRET])
    expect(stderr).toContain('everybody on this machine can see --s3-secret-access-key')
    expect(stdout + stderr).not.toContain(SECRET)
  })

  it('does not get into a unit', async () => {
    const { status, stdout, stderr } = await runDepot(['systemd-unit', ...given, SECRET])
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain('put DEPOT_S3_SECRET_ACCESS_KEY=… into a file with mode 0600')
    expect(stderr).not.toContain(SECRET)
  })

  it('does not get into the help, although it is set', async () => {
    const { stdout, stderr } = await runDepot(['serve', '--help'], { DEPOT_S3_SECRET_ACCESS_KEY: SECRET })
    expect(stdout).toContain('--s3-secret-access-key')
    expect(stdout + stderr).not.toContain(SECRET)
  })
})
