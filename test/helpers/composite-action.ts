import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { parse } from 'yaml'
import { z } from 'zod'

import { cleanEnv } from './clean-env.ts'

const execute = promisify(execFile)

const ACTION = z.object({
  name: z.string(),
  description: z.string(),
  inputs: z.record(
    z.string(),
    z.strictObject({ description: z.string(), required: z.boolean().optional(), default: z.string().optional() }),
  ),
  outputs: z.record(z.string(), z.strictObject({ description: z.string(), value: z.string() })),
  runs: z.strictObject({
    using: z.literal('composite'),
    steps: z.array(
      z.strictObject({
        name: z.string(),
        id: z.string().optional(),
        if: z.string().optional(),
        shell: z.literal('bash'),
        env: z.record(z.string(), z.string()),
        run: z.string(),
      }),
    ),
  }),
})

export type CompositeAction = z.infer<typeof ACTION>

/** A composite action of GitHub that consists of bash alone. */
export async function readAction(file: string): Promise<CompositeAction> {
  return ACTION.parse(parse(await readFile(file, 'utf8')))
}

export interface ActionRun {
  /** Everything that its steps printed. */
  readonly log: string
  /** What a step that follows in the same job finds. */
  readonly env: Record<string, string>
  readonly outputs: Readonly<Record<string, string>>
}

/**
 * Run its steps as a runner does: each by bash with `-eo pipefail`, with what earlier ones wrote to GITHUB_ENV and GITHUB_PATH.
 * Of the expressions only `inputs.…`, `runner.temp`, `steps.….outputs.…` and `inputs.… == '…'` are known; others throw.
 */
export async function runAction(
  action: CompositeAction,
  options: { readonly home: string; readonly path: string; readonly inputs: Readonly<Record<string, string>> },
): Promise<ActionRun> {
  const values = new Map<string, string>([['runner.temp', path.join(options.home, 'runner')]])
  for (const [name, input] of Object.entries(action.inputs)) {
    values.set(`inputs.${name}`, options.inputs[name] ?? input.default ?? '')
  }
  const files = { GITHUB_ENV: '', GITHUB_PATH: '', GITHUB_OUTPUT: '' }
  await mkdir(path.join(options.home, 'runner'), { recursive: true })
  for (const name of Object.keys(files)) files[name as keyof typeof files] = path.join(options.home, name)
  const env = { ...cleanEnv(options.home), PATH: options.path }
  let log = ''
  for (const step of action.runs.steps) {
    if (step.if !== undefined && !holds(step.if, values)) continue
    for (const file of Object.values(files)) await writeFile(file, '')
    const own = Object.entries(step.env).map(([name, value]) => [name, filled(value, values)])
    const args = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run]
    const { stdout, stderr } = await execute('bash', args, {
      cwd: options.home,
      env: { ...env, ...files, ...(Object.fromEntries(own) as Record<string, string>) },
      timeout: 90_000,
    })
    log += stdout + stderr
    Object.assign(env, Object.fromEntries(await pairs(files.GITHUB_ENV)))
    const folders = (await readFile(files.GITHUB_PATH, 'utf8')).split('\n').filter(Boolean)
    env.PATH = [...folders, env.PATH].join(':')
    for (const [name, value] of await pairs(files.GITHUB_OUTPUT)) values.set(`steps.${step.id}.outputs.${name}`, value)
  }
  const outputs = Object.entries(action.outputs).map(([name, { value }]) => [name, filled(value, values)])
  return { log, env, outputs: Object.fromEntries(outputs) as Record<string, string> }
}

async function pairs(file: string): Promise<readonly [string, string][]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean)
  return lines.map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')])
}

function holds(condition: string, values: ReadonlyMap<string, string>): boolean {
  const parts = /^(?<name>[\w.-]+) == '(?<word>[^']*)'$/.exec(condition)?.groups
  if (parts?.['name'] === undefined) throw new Error(`an expression that is not known here: ${condition}`)
  return valueOf(parts['name'], values) === parts['word']
}

function filled(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{\{ (?<name>[^}]*) \}\}/g, (_, name: string) => valueOf(name, values))
}

function valueOf(name: string, values: ReadonlyMap<string, string>): string {
  const value = values.get(name)
  if (value === undefined && !name.startsWith('steps.'))
    throw new Error(`an expression that is not known here: ${name}`)
  return value ?? ''
}
