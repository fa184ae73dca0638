import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

import { cleanEnv } from './clean-env.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

/** Run an import, `['npm', 'import', …]`, and kill it once it has told of so many things that it sent; returns which. */
export async function killedImport(argv: readonly string[], count: number): Promise<string[]> {
  await using home = await tempDir('killed')
  const child = spawn(process.execPath, [LAUNCHER, ...argv], {
    env: cleanEnv(home.path),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let text = ''
  for await (const piece of child.stdout.setEncoding('utf8')) {
    text += String(piece)
    if (text.split('\n').length > count) child.kill('SIGKILL')
  }
  await exited
  return [...text.matchAll(/^sent (\S+)$/gm)].map(([, item = '']) => item)
}
