import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'

import { tempDir } from '../helpers/temp-dir.ts'

/** One system call, with the moments (line numbers of the trace) at which it was entered and left. */
export interface Syscall {
  readonly name: string
  /** Arguments as strace prints them, file descriptors with their paths. */
  readonly text: string
  readonly entered: number
  readonly left: number
}

/** Trace the named system calls of a running process and its threads while `action` runs. */
export async function traced(
  { strace, pid, calls }: { strace: string; pid: number; calls: readonly string[] },
  action: () => Promise<void>,
): Promise<readonly Syscall[]> {
  await using dir = await tempDir('strace')
  const output = dir.join('trace')
  const args = ['-f', '-y', '-s', '64', '-e', `trace=${calls.join(',')}`, '-o', output, '-p', String(pid)]
  const child = spawn(strace, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  // It says so for the process and its threads once it holds them all.
  await once(child.stderr, 'data')
  child.stderr.resume()
  await action()
  child.kill('SIGINT')
  await exited
  return parseTrace(await readFile(output, 'utf8'))
}

/** Read `strace -f` output: a call may be cut in two by another thread's, and is then joined again. */
export function parseTrace(trace: string): readonly Syscall[] {
  const calls: Syscall[] = []
  const unfinished = new Map<string, { text: string; entered: number }>()
  for (const [index, line] of trace.split('\n').entries()) {
    const { thread = '', rest = '' } = /^(?<thread>\d+)\s+(?<rest>.*)$/.exec(line)?.groups ?? {}
    const begun = / <unfinished \.\.\.>$/.exec(rest)
    const resumed = /^<\.\.\. \w+ resumed>(?<tail>.*)$/.exec(rest)?.groups
    const first = unfinished.get(thread)
    if (begun !== null) {
      unfinished.set(thread, { text: rest.slice(0, begun.index), entered: index })
    } else if (resumed !== undefined && first !== undefined) {
      unfinished.delete(thread)
      add(first.text + (resumed['tail'] ?? ''), first.entered, index)
    } else {
      add(rest, index, index)
    }
  }
  return calls

  function add(text: string, entered: number, left: number): void {
    const name = /^(?<name>\w+)\(/.exec(text)?.groups?.['name']
    if (name !== undefined) calls.push({ name, text, entered, left })
  }
}
