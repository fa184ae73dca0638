import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'

const ROOT = path.dirname(import.meta.dirname)
const TASKFILE = z.object({
  version: z.literal('3'),
  tasks: z.record(z.string(), z.object({ desc: z.string().min(1), cmds: z.array(z.string().min(1)).min(1) })),
})
const { tasks } = TASKFILE.parse(parse(read('Taskfile.yml')))
const commands = Object.values(tasks).flatMap(({ cmds }) => cmds)

describe('the tasks', () => {
  it('say what they do, and bear the names that people know', () => {
    const known = [
      'build',
      'run',
      'serve',
      'test',
      'nix-build',
      'nix-run',
      'nix-develop',
      'docker-build',
      'docker-load',
    ]
    expect(Object.keys(tasks)).toEqual(expect.arrayContaining([...known, 'microk8s-load', 'docker-run', 'image']))
  })

  it('run scripts, programs and outputs that are there', () => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')))
    const asked = all(/\bnpm run ([\w:-]+)/g)
    expect(asked.filter((name) => !(name in scripts))).toEqual([])
    const files = all(/(?:^|\s)((?:test|cmd)\/[\w./-]+\.(?:js|sh|ts))/gm)
    expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([])
    const outputs = all(/nix build \.#([\w-]+)/g)
    expect(outputs.filter((name) => !read('flake.nix').includes(`  ${name} = `))).toEqual([])
    expect([asked, files, outputs].map((found) => found.length > 0)).toEqual([true, true, true])
  })
})

function all(pattern: RegExp): readonly string[] {
  return commands.flatMap((command) => [...command.matchAll(pattern)].flatMap(([, name]) => name ?? []))
}

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8')
}
