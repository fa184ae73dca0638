import type { z } from 'zod'

import { DepotError } from '../errors.ts'

/** A value of the schema's type. @throws DepotError `BAD_REQUEST` that names the first field that is wrong */
export function parseAs<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.map(String).join('.').slice(0, 200) ?? ''
  throw new DepotError(
    'BAD_REQUEST',
    `${what}${field === '' ? '' : `, ${field}`}: ${issue?.message ?? 'not of its form'}`,
  )
}
