import type { Programs } from '../../../src/client/programs.ts'
import { hasCode } from '../../../src/errors.ts'
import { pipResolver } from './pip-resolver.ts'
import type { Resolver, ResolverOptions } from './resolver.ts'
import { uvResolver } from './uv-resolver.ts'

/** uv where it is installed, else pip; undefined without either. */
export async function findResolver(options: ResolverOptions): Promise<Resolver | undefined> {
  const { programs, env } = options
  if (await answers(programs, env, ['uv', '--version'])) return uvResolver(options)
  if (await answers(programs, env, ['python3', '-m', 'pip', '--version'])) return pipResolver(options)
  return undefined
}

async function answers(programs: Programs, env: ResolverOptions['env'], command: readonly string[]): Promise<boolean> {
  const [program = '', ...args] = command
  try {
    return (await programs.run(program, { args, env })).status === 0
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return false
    throw error
  }
}
