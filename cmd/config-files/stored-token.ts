/** Whether a value in a configuration file is a depot's stored token, and so ours to replace or take out. */
export function isStoredToken(value: string): boolean {
  return /^dpt_\w+$/.test(value)
}
