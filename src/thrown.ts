/** The `code` of an error of the system or of Node (`ENOENT`, `ERR_STREAM_PREMATURE_CLOSE`), or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

/** What something that was thrown says, also when it is no Error. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
