import { describe, expect, it } from 'vitest'

import { probeMs } from '../../../cmd/doctor/ask.ts'
import { serverFindings } from '../../../cmd/doctor/database.ts'
import { fail, printed, reported } from '../../../cmd/doctor/finding.ts'
import { judgeMemory, judgeOpenFiles, judgeYear } from '../../../cmd/doctor/machine.ts'
import { listeningSockets, programOf, type Holder } from '../../../cmd/doctor/processes.ts'
import { runChecks } from '../../../cmd/doctor/run-checks.ts'
import { shellWord } from '../../../cmd/doctor/shell-word.ts'
import { sizeText } from '../../../cmd/doctor/sizes.ts'
import { judgeVersions } from '../../../cmd/doctor/version-gap.ts'
import { judgeDisk } from '../../../cmd/doctor/store.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'

const MIB = 1024 * 1024

describe('what the doctor says', () => {
  it('is a line, and the fix below the message', () => {
    expect(printed(reported('keys', fail('others may read it', 'chmod 600 key')), 6)).toEqual([
      'fail  keys    others may read it',
      '              fix: chmod 600 key',
    ])
  })

  it('shows no credentials, and nothing that moves a terminal', () => {
    const said = reported('pip', fail('https://me:hunter2@host/simple \u001b[2J', 'use dpt_aaaaaaaaaaaa_secret'))
    expect(JSON.stringify(said)).not.toMatch(/hunter2|secret"|\\u001b/)
  })

  it('gives each question its share of the time that all may take, and never less than usual', () => {
    expect([1000, LIMITS.doctorMs, 60_000].map(probeMs)).toEqual([LIMITS.doctorProbeMs, LIMITS.doctorProbeMs, 18_750])
  })

  it('keeps its order, whoever is done first, and waits for nobody longer than it is to', async () => {
    const checks = [
      { name: 'hangs', about: '', run: () => new Promise<never>(() => {}) },
      { name: 'cannot', about: '', run: () => Promise.reject(new DepotError('STORAGE_DOWN', 'the disk is gone')) },
      { name: 'errs', about: '', run: () => Promise.reject(new TypeError('of undefined')) },
    ] as const
    const done = await Array.fromAsync(runChecks(checks, undefined, 20))
    expect(done.map(({ name, findings: [first] }) => `${name}: ${first?.status} ${first?.message}`)).toEqual([
      'hangs: warn not done in 0.02 s: this machine is busy, or a disk hangs',
      'cannot: fail it cannot be looked at: the disk is gone',
      'errs: fail a bug in this check: of undefined',
    ])
  })

  it.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1536, '1.5 KiB'],
    [250 * MIB, '250 MiB'],
  ])('writes %d bytes as %s', (bytes, text) => expect(sizeText(bytes)).toBe(text))

  it('quotes what a shell would take apart', () => {
    expect(shellWord('/srv/depot')).toBe('/srv/depot')
    expect(shellWord("it's here")).toBe(String.raw`'it'\''s here'`)
  })
})

describe('how a machine is judged', () => {
  it('warns of a control group, or a machine, without room', () => {
    expect(judgeMemory(128 * MIB, 9000 * MIB)).toMatchObject({ status: 'warn' })
    expect(judgeMemory(undefined, 100 * MIB)).toMatchObject({ status: 'warn' })
    expect(judgeMemory(2000 * MIB, 9000 * MIB)).toMatchObject({ status: 'ok' })
  })

  it('warns of few open files', () => {
    expect(['256', '65536', 'unlimited', '?'].map((said) => judgeOpenFiles(said).status)).toEqual([
      'warn',
      'ok',
      'ok',
      'skip',
    ])
  })

  it('warns of a clock that was never set', () => {
    expect(judgeYear(new Date(0)).status).toBe('warn')
    expect(judgeYear(new Date('2026-06-01')).status).toBe('ok')
  })

  it('warns of a volume without inodes, where there is a number of them', () => {
    const volume = { folder: '/srv', freeBytes: 9000 * MIB, sizeBytes: 9000 * MIB, freeFiles: 5, files: 1000 }
    expect(judgeDisk(volume)).toMatchObject([{ status: 'warn', fix: expect.stringContaining('--inodes') }])
    expect(judgeDisk({ ...volume, freeFiles: 0, files: 0 })).toMatchObject([{ status: 'ok' }])
  })
})

describe('processes, as /proc has them', () => {
  it('finds the sockets that listen on a port, and no others', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0`
    expect(listeningSockets(table, 8080)).toEqual(['socket:[111]'])
  })

  it('names a program without its arguments', () => {
    expect(programOf('/usr/bin/node\0/opt/depot/cmd/launch.js\0serve\0--database-url\0postgres://u:p@db/d')).toEqual({
      program: 'depot serve',
      serves: true,
    })
    expect(programOf('/usr/bin/python3\0-m\0http.server\x008080')).toEqual({ program: 'python3', serves: false })
    expect(programOf('')).toEqual({ program: 'a process', serves: false })
  })

  it('takes the workers of a server for one', () => {
    const worker = (pid: number, server: number): Holder => ({ pid, server, program: 'depot serve', serves: true })
    expect(serverFindings([worker(10, 10), worker(11, 10), worker(12, 10)])).toEqual([])
    expect(serverFindings([worker(10, 10), worker(20, 20)])).toMatchObject([{ status: 'warn' }])
  })
})

describe('the version of a depot', () => {
  it.each([
    ['0.1.0', '0.1.9'],
    [undefined, '0.1.0'],
    ['of tomorrow', '0.1.0'],
    ['0.1.0', 'unknown'],
  ])('is of no interest where it is %s and ours %s', (theirs, ours) => {
    expect(judgeVersions(theirs, ours)).toEqual([])
  })

  it.each([
    ['0.2.0', '0.1.0', 'depot-0.2.0.tgz   (here;'],
    ['1.0.3', '0.9.0', 'depot-1.0.3.tgz   (here;'],
    ['0.9.0', '0.10.0', 'depot-0.10.0.tgz   (there, by its operator;'],
  ])('%s and ours, %s, are told with what brings the older one up', (theirs, ours, fix) => {
    const [finding, ...more] = judgeVersions(theirs, ours)
    expect(more).toEqual([])
    expect(finding).toMatchObject({ status: 'warn', fix: expect.stringContaining(fix) as unknown })
    expect(finding?.message).toBe(`the depot is version ${theirs}, and this command line ${ours}`)
  })
})
