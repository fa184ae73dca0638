import process from 'node:process'

import { expect, it } from 'vitest'

import { PROGRAMS } from '../../../src/node/programs.ts'

const node = process.execPath

it('tells what a program says and how it ends', async () => {
  const script = `process.stdin.on('data', (d) => process.stdout.write(process.env.WORD + d)); process.stdin.on('end', () => { console.error('bad'); process.exitCode = 3 })`
  const ended = await PROGRAMS.run(node, { args: ['-e', script], env: { WORD: 'got ' }, input: 'this' })
  expect(ended).toEqual({ status: 3, stdout: 'got this', stderr: 'bad\n' })
})

it('keeps the credentials of depots to itself', async () => {
  process.env['DEPOT_AUTH_TOKEN'] = 'dpt_secret'
  try {
    const { stdout } = await PROGRAMS.run(node, { args: ['-p', 'JSON.stringify(process.env)'] })
    expect(stdout).toMatch(/"PATH"/)
    expect(stdout).not.toMatch(/dpt_secret/)
  } finally {
    delete process.env['DEPOT_AUTH_TOKEN']
  }
})

it('says which program is missing', async () => {
  await expect(PROGRAMS.run('no-such-program', { args: [] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(Array.fromAsync(PROGRAMS.stream('no-such-program', { args: [] }))).rejects.toThrow('not installed here')
})

it('gives what a program writes piece by piece, and its last words when it fails', async () => {
  const good = PROGRAMS.stream(node, { args: ['-e', `process.stdout.write('x'.repeat(1e6))`] })
  expect(Buffer.concat(await Array.fromAsync(good))).toHaveLength(1e6)
  const bad = PROGRAMS.stream(node, {
    args: ['-e', `process.stdout.write('half'); console.error('no disk'); process.exitCode = 1`],
  })
  await expect(Array.fromAsync(bad)).rejects.toThrow('ended with 1: no disk')
})

it('ends a program that nobody listens to any more', async () => {
  const endless = PROGRAMS.stream(node, { args: ['-e', `setInterval(() => process.stdout.write('x'.repeat(1e5)), 1)`] })
  for await (const piece of endless) {
    expect(piece.length).toBeGreaterThan(0)
    break
  }
})
