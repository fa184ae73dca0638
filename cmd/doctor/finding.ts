import { redacted, withoutUserinfo } from '../../src/redact.ts'
import { plain } from '../terminal/plain.ts'

/** What a check found. Whatever is not as it should be says what to do: a command to paste, where there is one. */
export type Finding =
  | { readonly status: 'ok' | 'skip'; readonly message: string }
  | { readonly status: 'warn' | 'fail'; readonly message: string; readonly fix: string }

/** One thing that is looked at. */
export interface Check<Name extends string, Context> {
  readonly name: Name
  /** What it looks at, for the help. */
  readonly about: string
  /** @throws DepotError, UsageError or an error of the system for what cannot be looked at */
  run(context: Context): Promise<readonly Finding[]>
}

/** As it should be. */
export function ok(message: string): Finding {
  return { status: 'ok', message }
}

/** It was not looked at, and why. */
export function skip(message: string): Finding {
  return { status: 'skip', message }
}

/** It works, and may not do so for ever, or not as somebody thinks. */
export function warn(message: string, fix: string): Finding {
  return { status: 'warn', message, fix }
}

/** It does not work. */
export function fail(message: string, fix: string): Finding {
  return { status: 'fail', message, fix }
}

/** A finding with the name of its check, as it is printed: `fix` stands in those that need one. */
export interface Reported {
  readonly check: string
  readonly status: Finding['status']
  readonly message: string
  readonly fix?: string
}

/** What is shown of it: one line each, and no credentials, whatever file they came from. */
export function reported(check: string, finding: Finding): Reported {
  const fix = 'fix' in finding ? { fix: clean(finding.fix) } : {}
  return { check, status: finding.status, message: clean(finding.message), ...fix }
}

/** A line for people, and the fix below it. */
export function printed({ check, status, message, fix }: Reported, width: number): string[] {
  const line = `${status.padEnd(4)}  ${check.padEnd(width)}  ${message}`
  return fix === undefined ? [line] : [line, `${' '.repeat(width + 8)}fix: ${fix}`]
}

function clean(text: string): string {
  return plain(redacted(withoutUserinfo(text)).replaceAll(/\s*\n\s*/g, '; '))
}
